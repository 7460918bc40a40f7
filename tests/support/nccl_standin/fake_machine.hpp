#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <cuda_runtime_api.h>

#include "support/nccl_standin/guarded_memory.hpp"
#include "support/nccl_standin/standin.hpp"

namespace cuttle {

/// How far each stream, by number, is known to have come. Work a happens before work b if b's clock
/// covers a.
using VectorClock = std::map<int, std::uint64_t>;
void merge(VectorClock& into, const VectorClock& from);

/// One use of some bytes by one piece of work on a stream.
struct Access {
  char* begin;
  std::size_t bytes;
  bool write;
  const char* what;
  int stream = 0;
  std::uint64_t index = 0;
};

/// One passing of an event: made by recording, shared with whoever waits for that recording.
struct Passing {
  VectorClock clock;
  bool passed = false;
};

struct FakeMemory {
  std::unique_ptr<GuardedMemory> pages;
  int device;                    // kPinned for host memory
  std::vector<Access> accesses;  // those that the host does not know to have ended
  static constexpr int kPinned = -1;
};

}  // namespace cuttle

// The runtime's opaque handles. They are never deleted, so that use after destruction is seen, not
// undefined.
struct CUstream_st {
  int number;
  int device;
  bool alive = true;
  bool unsettled = false;  // NCCL has calls for it that it has not put there yet
  cuttle::VectorClock clock;
  std::uint64_t queued = 0;
  std::uint64_t ended = 0;
  std::deque<std::function<void()>> work;
};
struct CUevent_st {
  int device;
  bool alive = true;
  std::shared_ptr<cuttle::Passing> last;
};

namespace cuttle {

/// The devices of this process. All members are guarded by `mutex`; functions below expect it held
/// unless they say otherwise. Never destroyed: stream threads may outlive main().
struct FakeMachine {
  std::mutex mutex;
  std::condition_variable changed;
  StandinOptions options;
  std::vector<std::unique_ptr<CUstream_st>> streams;
  std::vector<std::unique_ptr<CUevent_st>> events;
  std::map<char*, FakeMemory> memory;
  VectorClock host;  // what the host has seen to end
  std::vector<FaultReport> reports;
  std::uint64_t draws = 0;

  void report(Fault fault, std::string message);
  /// Turns touches that the guards caught into reports; true if there were any.
  bool collect_touches();
  /// A number below `bound`, from the seed.
  std::uint64_t draw(std::uint64_t bound);

  CUstream_st* add_stream(int device);
  bool usable(CUstream_st* stream, const char* caller);
  bool usable(CUevent_st* event, const char* caller);
  FakeMemory* find(const void* address);
  /// The stand-in's own address for memory that the caller knows by `address`.
  char* inside(const void* address);

  /// Puts work on a stream after checking what it touches against all that may run at the same
  /// time.
  cudaError_t enqueue(CUstream_st& stream, std::vector<Access> accesses,
                      std::function<void()> work);
  /// The host has learned that everything in `clock` ended.
  void host_learns(const VectorClock& clock);

 private:
  bool check(const CUstream_st& stream, const Access& access);
  void guard(FakeMemory& memory);
};

FakeMachine& machine();
/// The calling thread's device.
int& current_device();

}  // namespace cuttle
