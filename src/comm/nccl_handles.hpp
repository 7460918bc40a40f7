#pragma once

#include <cstddef>
#include <memory>

#include "comm/nccl_check.hpp"

namespace cuttle {

/// Owners of CUDA objects. Destruction ignores errors: a device that failed has reported it
/// elsewhere.
struct CudaRelease {
  void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
  void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
};
struct DeviceRelease {
  void operator()(void* memory) const { cudaFree(memory); }
};
struct PinnedRelease {
  void operator()(void* memory) const { cudaFreeHost(memory); }
};
using CudaStream = std::unique_ptr<CUstream_st, CudaRelease>;
using CudaEvent = std::unique_ptr<CUevent_st, CudaRelease>;
using DeviceMemory = std::unique_ptr<void, DeviceRelease>;
using PinnedMemory = std::unique_ptr<void, PinnedRelease>;

/// A stream of its own: work on the default stream would wait for everybody else's.
inline CudaStream make_stream() {
  cudaStream_t stream = nullptr;
  CUTTLE_CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return CudaStream(stream);
}

inline CudaEvent make_event() {
  cudaEvent_t event = nullptr;
  CUTTLE_CUDA_CALL(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return CudaEvent(event);
}

inline DeviceMemory allocate_device(std::size_t bytes) {
  void* memory = nullptr;
  CUTTLE_CUDA_CALL(cudaMalloc(&memory, bytes));
  return DeviceMemory(memory);
}

inline PinnedMemory allocate_pinned(std::size_t bytes) {
  void* memory = nullptr;
  CUTTLE_CUDA_CALL(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault));
  return PinnedMemory(memory);
}

}  // namespace cuttle
