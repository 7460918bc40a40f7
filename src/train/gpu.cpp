#include "train/gpu.hpp"

#include <dlfcn.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdlib>
#include <filesystem>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// The CUDA part registers itself when it is loaded, a second or more: only runs that compute there
/// pay for it. It lies beside the part that is linked.
void load_cuda() {
  Dl_info linked{};
  dladdr(reinterpret_cast<void*>(&at::globalContext), &linked);
  const auto library = std::filesystem::path(linked.dli_fname).parent_path() / "libtorch_cuda.so";
  CUTTLE_VALIDATE(dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr,
                  "device: cuda: LibTorch's CUDA part cannot be loaded ({}); install LibTorch with "
                  "CUDA, or set device: cpu",
                  dlerror());
}

/// By the same algorithms in float32 every time.
void choose_reproducible_operations() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  auto& context = at::globalContext();
  context.setDeterministicAlgorithms(true, /*warn_only=*/true);
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);
  context.setAllowTF32CuBLAS(false);
  context.setAllowTF32CuDNN(false);
}

}  // namespace

void use_gpu(int local_rank) {
  load_cuda();
  const auto count = static_cast<int>(torch::cuda::device_count());
  CUTTLE_VALIDATE(
      count > 0,
      "device: cuda: no GPU can be used here (no NVIDIA driver, or CUDA_VISIBLE_DEVICES "
      "hides them all); run where there is one, or set device: cpu");
  choose_reproducible_operations();
  c10::impl::VirtualGuardImpl(torch::kCUDA)
      .setDevice({torch::kCUDA, static_cast<c10::DeviceIndex>(local_rank % count)});
}

}  // namespace cuttle
