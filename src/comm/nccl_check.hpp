#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include "cuttle/core/error.hpp"

namespace cuttle::detail {

inline void check_cuda(cudaError_t status, const char* call) {
  CUTTLE_REQUIRE(status == cudaSuccess, "CUDA refused {}: {}", call, cudaGetErrorString(status));
}

inline void check_nccl(ncclResult_t status, const char* call) {
  CUTTLE_REQUIRE(status == ncclSuccess || status == ncclInProgress,
                 "NCCL refused {}: {} ({}); NCCL_DEBUG=WARN tells more", call,
                 ncclGetErrorString(status), ncclGetLastError(nullptr));
}

}  // namespace cuttle::detail

/// The one way to call the CUDA runtime: throws Error with the call and the library's own words.
#define CUTTLE_CUDA_CALL(call) ::cuttle::detail::check_cuda((call), #call)

/// The one way to call NCCL. Communicators are non-blocking, so "in progress" is no error here:
/// whoever needs the call to have happened settles it (NcclEngine::settle).
#define CUTTLE_NCCL_CALL(call) ::cuttle::detail::check_nccl((call), #call)
