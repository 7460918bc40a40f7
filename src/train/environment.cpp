#include "cuttle/train/environment.hpp"

#include <gnu/libc-version.h>
#include <malloc.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <ATen/Version.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "cuttle/comm/mpi_session.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/kernels/conv_block.hpp"
#include "train/gpu.hpp"
#include "train/tensor_memory.hpp"

namespace cuttle {

namespace {

constexpr std::array kBitFacts = {"binary_sha256", "libtorch", "libc",     "instruction_set",
                                  "kernels",       "threads",  "processor"};

/// As Linux names it; empty where it does not.
std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0)
      return line.substr(std::min(line.size(), line.find(": ") + 2));
  return {};
}

}  // namespace

std::map<std::string, std::string> environment_facts(const RunConfig& config) {
  auto facts = arithmetic_facts(config);
  facts["binary_sha256"] = sha256_file("/proc/self/exe");
  facts["processor"] = processor();
  facts["mpi"] = MpiSession::version();
  return facts;
}

std::map<std::string, std::string> arithmetic_facts(const RunConfig& config) {
  return {{"libtorch", TORCH_VERSION},
          {"libc", gnu_get_libc_version()},
          {"instruction_set", at::get_cpu_capability()},
          {"kernels", to_string(kernels::instruction_set())},
          {"threads", std::to_string(config.threads)}};
}

std::vector<FactChange> changed_facts(const std::map<std::string, std::string>& then,
                                      const std::map<std::string, std::string>& now) {
  std::vector<FactChange> changes;
  for (const auto& name : kBitFacts) {
    const auto was = then.find(name);
    const std::string before = was == then.end() ? "unknown" : was->second;
    if (before != now.at(name)) changes.push_back({name, before, now.at(name)});
  }
  return changes;
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
