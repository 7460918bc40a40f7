#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "comm/nccl_handles.hpp"

namespace cuttle {

/// One rank's NCCL communicator on one device, in raw device pointers and streams; it knows nothing
/// of vectors or of other ways to talk. The communicator is non-blocking: no call waits for a peer
/// longer than the deadline, then PeerLost is thrown. One thread at a time.
class NcclEngine {
 public:
  /// The token by which the ranks of one communicator find each other; made by one rank, sent to
  /// all.
  static std::string make_id();

  /// Takes hold of the device; does not speak to other ranks yet.
  NcclEngine(int rank, int size, int device, double deadline_s);
  ~NcclEngine();
  NcclEngine(const NcclEngine&) = delete;
  NcclEngine& operator=(const NcclEngine&) = delete;

  /// Meets the other ranks that hold the same id; returns when all have joined, PeerLost if they
  /// have not within `seconds`. Once, before anything below.
  void join(const std::string& id, double seconds);

  /// Makes this engine's device the calling thread's, as whoever allocates or queues work must, and
  /// throws PeerLost if the communicator was given up.
  void enter() const;

  /// Queues an in-place all-reduce of `count` elements of device memory on stream(), and returns
  /// when it is there: what the caller queues next comes after it. `what` names the collective in
  /// errors.
  void all_reduce(void* data, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                  const std::string& what);
  cudaStream_t stream() const { return stream_.get(); }

  /// Blocks until `event` has passed, watching NCCL for errors of its own meanwhile.
  void wait(cudaEvent_t event, const std::string& what);

  /// Gives the communicator up; whatever is queued ends without a result. NCCL's abort may itself
  /// hang, hence it gets a thread and a few seconds. Does nothing the second time.
  void abort() noexcept;

  /// Leaves in peace with the other ranks, or aborts if that takes too long. True if no work on
  /// stream() can still run; otherwise its memory must not be freed (that would wait for ever).
  bool close() noexcept;

 private:
  void poll(double seconds, const std::string& what, const std::function<bool()>& done);
  void settle(double seconds, const std::string& what);
  [[noreturn]] void give_up(const std::string& message);

  ncclComm_t comm_ = nullptr;  // null once destroyed or aborted: nobody can use it after that
  bool hung_ = false;          // an abort did not return
  const int rank_;
  const int size_;
  const int device_;
  const double deadline_s_;
  CudaStream stream_;
};

}  // namespace cuttle
