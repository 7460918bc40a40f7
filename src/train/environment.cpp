#include "cuttle/train/environment.hpp"

#include <malloc.h>
#include <torch/torch.h>

#include <ATen/Version.h>
#include <torch/version.h>

#include "cuttle/core/hash.hpp"
#include "train/gpu.hpp"
#include "train/tensor_memory.hpp"

namespace cuttle {

std::map<std::string, std::string> environment_facts(const RunConfig& config) {
  return {{"binary_sha256", sha256_file("/proc/self/exe")},
          {"libtorch", TORCH_VERSION},
          {"instruction_set", at::get_cpu_capability()},
          {"threads", std::to_string(config.threads)}};
}

void prepare_process(const RunConfig& config, int local_rank) {
  pool_tensor_memory();
  torch::set_num_threads(config.threads);
  // The same for what libraries allocate themselves: glibc gives memory above these thresholds back
  // to the kernel at every free, and the page faults of taking it again cost more than the
  // arithmetic.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (config.device == "cuda") use_gpu(local_rank);
}

}  // namespace cuttle
