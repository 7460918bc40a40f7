#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cuttle {

// A host stand-in for the parts of NCCL and of the CUDA runtime that src/comm calls: the same C
// functions, linked instead of the libraries. Device memory is host memory that the host may not
// touch, streams are threads that work with random delays, ranks are processes that meet in shared
// memory. It computes what NCCL would compute from correct calls; wrong calls return
// an error and leave a report, also when this run's timing happened to forgive them: what may run
// at the same time is told by vector clocks, not by luck.

/// What a caller of NCCL and CUDA can get wrong.
enum class Fault {
  kStart,       ///< ranks that do not fit together: two of one number, two on a device, unknown id
  kOrder,       ///< ranks are in different collectives
  kCount,       ///< same collective, different number of elements
  kType,        ///< same collective, different element type
  kOperation,   ///< same collective, different reduction
  kGroup,       ///< group opened and not closed, or closed and not opened
  kUnsettled,   ///< communicator or stream used while NCCL was still at a call ("in progress")
  kBarrier,     ///< collective launched while another rank was still starting
  kRace,        ///< work on two streams touches the same bytes and no event orders it
  kHostAccess,  ///< host touched memory that the device may still be using, or device memory
  kAfterEnd,    ///< something destroyed or aborted was used
  kDevice,      ///< objects of different devices in one call, or the default stream
  kMemory,      ///< pointer that is not of the right kind, or too many bytes
  kFreedInUse,  ///< memory freed while work on it may still run
  kLeak,        ///< something not freed at the end
};

struct FaultReport {
  Fault fault;
  std::string message;
};

struct StandinOptions {
  int devices = 4;             ///< that this process sees
  int first_device = 0;        ///< which one of the host's is its device 0
  std::uint64_t seed = 1;      ///< of the delays
  int longest_delay_us = 200;  ///< before each piece of work on a stream
};

/// Forgets reports and everything still alive. Call it first in each test, in every process.
void standin_start(const StandinOptions& options);
/// Everything that was wrong since the start, in this process.
std::vector<FaultReport> standin_reports();
/// Adds a kLeak report for each kind of object still alive. Call it when all should be gone.
void standin_check_leaks();

}  // namespace cuttle
