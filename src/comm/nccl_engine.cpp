#include "comm/nccl_engine.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <future>
#include <thread>
#include <utility>

#include "comm/watchdog.hpp"

namespace cuttle {
namespace {

// How long leaving may take before the communicator is aborted, and how long the abort itself may.
constexpr double kFarewellSeconds = 5.0;
constexpr double kAbortSeconds = 2.0;

}  // namespace

std::string NcclEngine::make_id() {
  ncclUniqueId id;
  CUTTLE_NCCL_CALL(ncclGetUniqueId(&id));
  return std::string(id.internal, sizeof id.internal);
}

NcclEngine::NcclEngine(int rank, int size, int device, double deadline_s)
    : rank_(rank), size_(size), device_(device), deadline_s_(deadline_s) {
  CUTTLE_CUDA_CALL(cudaSetDevice(device_));
  stream_ = make_stream();
}

void NcclEngine::join(const std::string& id, double seconds) {
  ncclUniqueId raw;
  CUTTLE_EXPECT(id.size() == sizeof raw.internal);
  std::memcpy(raw.internal, id.data(), id.size());
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  CUTTLE_NCCL_CALL(ncclCommInitRankConfig(&comm_, size_, raw, rank_, &config));
  settle(seconds, "the start of NCCL");
}

NcclEngine::~NcclEngine() {
  close();
}

void NcclEngine::enter() const {
  if (comm_ == nullptr) {
    throw PeerLost(
        fmt::format("NCCL was given up on rank {} of {} after an earlier failure; restart "
                    "all ranks",
                    rank_, size_));
  }
  CUTTLE_CUDA_CALL(cudaSetDevice(device_));
}

void NcclEngine::all_reduce(void* data, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                            const std::string& what) {
  CUTTLE_NCCL_CALL(ncclGroupStart());
  const ncclResult_t queued = ncclAllReduce(data, data, count, type, op, comm_, stream_.get());
  CUTTLE_NCCL_CALL(ncclGroupEnd());  // before looking at `queued`: a group must never stay open
  detail::check_nccl(queued, "ncclAllReduce");
  settle(deadline_s_, what);  // only now is the kernel on the stream
}

void NcclEngine::wait(cudaEvent_t event, const std::string& what) {
  poll(deadline_s_, what, [&] {
    const cudaError_t status = cudaEventQuery(event);
    if (status == cudaErrorNotReady) {
      settle(deadline_s_, what);  // returns at once unless NCCL has an error to tell
      return false;
    }
    CUTTLE_CUDA_CALL(status);
    return true;
  });
}

/// Polls NCCL until it has done what it was asked for.
void NcclEngine::settle(double seconds, const std::string& what) {
  ncclResult_t state = ncclInProgress;
  poll(seconds, what, [&] {
    CUTTLE_NCCL_CALL(ncclCommGetAsyncError(comm_, &state));
    return state != ncclInProgress;
  });
  if (state != ncclSuccess) {
    give_up(fmt::format("{} failed on rank {} of {}: {} ({}); NCCL_DEBUG=WARN tells more", what,
                        rank_, size_, ncclGetErrorString(state), ncclGetLastError(comm_)));
  }
}

void NcclEngine::poll(double seconds, const std::string& what, const std::function<bool()>& done) {
  const Deadline deadline(seconds);
  for (Patience patience; !done(); patience.rest(true)) {
    if (!deadline.passed()) continue;
    give_up(
        fmt::format("{} did not end within {:g} s on rank {} of {} (a peer, its device or the "
                    "network has failed after all had arrived); restart all ranks",
                    what, seconds, rank_, size_));
  }
}

void NcclEngine::give_up(const std::string& message) {
  abort();
  throw PeerLost(message);
}

void NcclEngine::abort() noexcept {
  if (comm_ == nullptr) return;
  try {
    std::packaged_task<void()> task([comm = std::exchange(comm_, nullptr), device = device_] {
      cudaSetDevice(device);
      ncclCommAbort(comm);
    });
    const std::future<void> end = task.get_future();
    std::thread(std::move(task)).detach();
    const std::chrono::duration<double> patience(kAbortSeconds);
    hung_ = end.wait_for(patience) != std::future_status::ready;
  } catch (...) {
    hung_ = true;  // no thread to be had: leave the communicator to the end of the process
  }
}

bool NcclEngine::close() noexcept {
  if (comm_ != nullptr) {
    try {
      enter();
      CUTTLE_NCCL_CALL(ncclCommFinalize(comm_));
      settle(std::min(deadline_s_, kFarewellSeconds), "the end of NCCL");
      CUTTLE_NCCL_CALL(ncclCommDestroy(std::exchange(comm_, nullptr)));
    } catch (...) {
      abort();
    }
  }
  if (!hung_) cudaStreamSynchronize(stream_.get());
  return !hung_;
}

}  // namespace cuttle
