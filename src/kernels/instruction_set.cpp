#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "cuttle/kernels/conv_block.hpp"
#include "kernels/isa.hpp"
#include "kernels/paths.hpp"

namespace cuttle::kernels {
namespace {

std::atomic<InstructionSet>& selected() {
  static std::atomic<InstructionSet> chosen{available_instruction_sets().back()};
  return chosen;
}

}  // namespace

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> result = {InstructionSet::kGeneric};
#ifdef CUTTLE_KERNELS_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2) result.push_back(InstructionSet::kAvx2);
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    result.push_back(InstructionSet::kAvx512);
#endif
  return result;
}

const char* to_string(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kGeneric:
      break;
  }
  return "generic";
}

InstructionSet instruction_set() {
  return selected().load(std::memory_order_relaxed);
}

void select_instruction_set(InstructionSet chosen) {
  const auto available = available_instruction_sets();
  if (std::find(available.begin(), available.end(), chosen) == available.end())
    throw std::invalid_argument("the processor lacks this instruction set");
  selected().store(chosen, std::memory_order_relaxed);
}

template <class T>
const Isa<T>& isa() {
#ifdef CUTTLE_KERNELS_X86
  switch (instruction_set()) {
    case InstructionSet::kAvx512:
      return avx512_isa<T>();
    case InstructionSet::kAvx2:
      return avx2_isa<T>();
    case InstructionSet::kGeneric:
      break;
  }
#endif
  return generic_isa<T>();
}

template const Isa<float>& isa<float>();
template const Isa<double>& isa<double>();

}  // namespace cuttle::kernels
