#include "comm/nccl_mutants.hpp"

#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

#include <cuda_runtime_api.h>
#include <nccl.h>

namespace cuttle {
namespace {

struct HeldBack {
  const void* from;
  void* to;
  std::size_t count;
  ncclDataType_t type;
  ncclRedOp_t op;
};

// The linker gives the functions below no argument of ours, hence globals.
std::atomic<Mistake> active{Mistake::kNone};
int calls = 0;  // of the function that the mistake is in
std::optional<HeldBack> held_back;

bool making(Mistake mistake) {
  return active == mistake;
}

}  // namespace

void make_mistake(Mistake mistake, int rank) {
  const bool one_rank_only = mistake < Mistake::kMissingGroupEnd;
  active = one_rank_only && rank != 1 ? Mistake::kNone : mistake;
  calls = 0;
  held_back.reset();
}

}  // namespace cuttle

using namespace cuttle;

extern "C" {

ncclResult_t __real_ncclAllReduce(const void*, void*, size_t, ncclDataType_t, ncclRedOp_t,
                                  ncclComm_t, cudaStream_t);
ncclResult_t __real_ncclGroupStart();
ncclResult_t __real_ncclGroupEnd();
ncclResult_t __real_ncclCommGetAsyncError(ncclComm_t, ncclResult_t*);
ncclResult_t __real_ncclCommInitRankConfig(ncclComm_t*, int, ncclUniqueId, int, ncclConfig_t*);
ncclResult_t __real_ncclCommFinalize(ncclComm_t);
ncclResult_t __real_ncclCommDestroy(ncclComm_t);
ncclResult_t __real_ncclCommAbort(ncclComm_t);
cudaError_t __real_cudaSetDevice(int);
cudaError_t __real_cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned int);
cudaError_t __real_cudaEventRecord(cudaEvent_t, cudaStream_t);
cudaError_t __real_cudaEventQuery(cudaEvent_t);
cudaError_t __real_cudaMemcpyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t);

ncclResult_t __wrap_ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type,
                                  ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  if (making(Mistake::kWrongCount)) --count;
  if (making(Mistake::kWrongType) && type == ncclInt64) type = ncclUint64;
  if (making(Mistake::kWrongOperation) && op == ncclMin) op = ncclMax;
  if (making(Mistake::kDefaultStream) || making(Mistake::kAbortHangs)) stream = nullptr;
  if (making(Mistake::kUseAfterAbort)) __real_ncclCommAbort(comm);
  if (making(Mistake::kUseAfterDestroy)) __real_ncclCommDestroy(comm);
  if (making(Mistake::kNothingLaunched)) return ncclSuccess;
  if (making(Mistake::kCollectiveLeftOut) && calls++ == 0) return ncclSuccess;
  if (making(Mistake::kWrongOrder)) {
    if (calls++ == 0) {
      held_back = HeldBack{from, to, count, type, op};
      return ncclSuccess;
    }
    const ncclResult_t result = __real_ncclAllReduce(from, to, count, type, op, comm, stream);
    if (!held_back) return result;
    const HeldBack late = *held_back;
    held_back.reset();
    return __real_ncclAllReduce(late.from, late.to, late.count, late.type, late.op, comm, stream);
  }
  return __real_ncclAllReduce(from, to, count, type, op, comm, stream);
}

ncclResult_t __wrap_ncclGroupStart() {
  return making(Mistake::kMissingGroupStart) ? ncclSuccess : __real_ncclGroupStart();
}

ncclResult_t __wrap_ncclGroupEnd() {
  return making(Mistake::kMissingGroupEnd) ? ncclSuccess : __real_ncclGroupEnd();
}

ncclResult_t __wrap_ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  if (making(Mistake::kMissingBarrier)) std::this_thread::sleep_for(std::chrono::milliseconds(30));
  // The start is polled, what follows is not.
  if (making(Mistake::kMissingPoll) && calls > 0) return *error = ncclSuccess;
  const ncclResult_t result = __real_ncclCommGetAsyncError(comm, error);
  calls += *error == ncclSuccess && making(Mistake::kMissingPoll);
  return result;
}

ncclResult_t __wrap_ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id, int rank,
                                           ncclConfig_t* config) {
  if (making(Mistake::kWrongRankNumber)) rank = 0;
  return __real_ncclCommInitRankConfig(comm, size, id, rank, config);
}

ncclResult_t __wrap_ncclCommFinalize(ncclComm_t comm) {
  return making(Mistake::kMissingFinalize) ? ncclSuccess : __real_ncclCommFinalize(comm);
}

ncclResult_t __wrap_ncclCommDestroy(ncclComm_t comm) {
  return making(Mistake::kMissingDestroy) ? ncclSuccess : __real_ncclCommDestroy(comm);
}

ncclResult_t __wrap_ncclCommAbort(ncclComm_t comm) {
  while (making(Mistake::kAbortHangs)) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return __real_ncclCommAbort(comm);
}

cudaError_t __wrap_cudaSetDevice(int device) {
  if (making(Mistake::kSharedDevice)) device = 0;
  if (making(Mistake::kDeviceChanges) && calls++ > 0) device = 2;
  return __real_cudaSetDevice(device);
}

cudaError_t __wrap_cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  return making(Mistake::kMissingEventWait) ? cudaSuccess
                                            : __real_cudaStreamWaitEvent(stream, event, flags);
}

cudaError_t __wrap_cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return making(Mistake::kMissingEventRecord) ? cudaSuccess : __real_cudaEventRecord(event, stream);
}

cudaError_t __wrap_cudaEventQuery(cudaEvent_t event) {
  return making(Mistake::kHostReadsEarly) ? cudaSuccess : __real_cudaEventQuery(event);
}

cudaError_t __wrap_cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t stream) {
  const bool out = kind == cudaMemcpyDeviceToHost;
  if (making(Mistake::kMissingCopyBack) && out) return cudaSuccess;
  if (making(Mistake::kCopyTooShort) && !out) bytes /= 2;
  if (making(Mistake::kCopyTooLong) && !out) bytes += 1 << 20;
  if (making(Mistake::kCopyInTheWrongDirection) && out) kind = cudaMemcpyHostToDevice;
  const cudaError_t result = __real_cudaMemcpyAsync(to, from, bytes, kind, stream);
  if (making(Mistake::kFreeInFlight) && out) cudaFree(const_cast<void*>(from));
  if (making(Mistake::kHostWritesEarly) && !out) std::memset(const_cast<void*>(from), 0, bytes);
  return result;
}

}  // extern "C"
