#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/kernels/conv_block.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

/// What the libraries call a set in variables of their own.
struct Words {
  kernels::InstructionSet set;
  const char *libtorch, *onednn, *mkl;
};
constexpr Words kWords[] = {{kernels::InstructionSet::kGeneric, "default", "SSE41", "SSE4_2"},
                            {kernels::InstructionSet::kAvx2, "avx2", "AVX2", "AVX2"},
                            {kernels::InstructionSet::kAvx512, "avx512", "AVX512_CORE", "AVX512"}};

}  // namespace

void choose_instruction_set() {
  const char* wanted = std::getenv("CUTTLE_INSTRUCTION_SET");
  if (wanted == nullptr || *wanted == '\0') return;
  const std::string word = wanted;
  std::vector<std::string> here;
  for (const auto set : kernels::available_instruction_sets()) here.push_back(to_string(set));
  const auto found = std::find_if(std::begin(kWords), std::end(kWords),
                                  [&](const Words& words) { return word == to_string(words.set); });
  CUTTLE_VALIDATE(found != std::end(kWords),
                  "CUTTLE_INSTRUCTION_SET is '{}' (unknown); use generic, avx2 or avx512, or unset "
                  "it for the best that the processor has",
                  word);
  CUTTLE_VALIDATE(std::count(here.begin(), here.end(), word) > 0,
                  "CUTTLE_INSTRUCTION_SET is {}, which this processor lacks (the program would "
                  "die of it); use one that all hosts have; this one has {}",
                  word, fmt::join(here, ", "));
  kernels::select_instruction_set(found->set);
  const auto hold = [](const char* name, const char* value) {
    constexpr int kKeep = 0;  // what the user has set wins
    ::setenv(name, value, kKeep);
  };
  hold("ATEN_CPU_CAPABILITY", found->libtorch);
  hold("ONEDNN_MAX_CPU_ISA", found->onednn);
  hold("MKL_ENABLE_INSTRUCTIONS", found->mkl);
}

}  // namespace cuttle
