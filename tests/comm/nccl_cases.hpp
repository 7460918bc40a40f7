#pragma once

#include <algorithm>
#include <vector>

#include "comm/conformance.hpp"

namespace cuttle {

/// The conformance cases for NCCL: all but the one that expects a certain number, since NCCL's
/// collectives are numbered by their control communicator, which has seen some before.
/// NcclCommunicatorTest has that case without the number.
inline std::vector<ConformanceCase> nccl_conformance_cases() {
  std::vector<ConformanceCase> cases = conformance_cases();
  const auto numbered = [](const ConformanceCase& one) { return one.name == "AbsentRankIsNamed"; };
  cases.erase(std::remove_if(cases.begin(), cases.end(), numbered), cases.end());
  return cases;
}

}  // namespace cuttle
