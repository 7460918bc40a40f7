#pragma once

#include <torch/types.h>

#include <cmath>

namespace cuttle {

// How networks read gradients and losses, which differ by orders of magnitude.
/// log and sign of values of any size, [n] -> [n, 2] (Andrychowicz et al. 2016, appendix A, p =
/// 10).
inline torch::Tensor preprocess(const torch::Tensor& x) {
  constexpr double kP = 10;
  const auto large = x.abs().ge(std::exp(-kP));
  const auto size = torch::where(large, (x.abs() + 1e-30).log() / kP, torch::full_like(x, -1.0));
  return torch::stack({size, torch::where(large, x.sign(), std::exp(kP) * x)}, 1);
}

}  // namespace cuttle
