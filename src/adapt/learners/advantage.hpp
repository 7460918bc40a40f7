#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

// How much better an action was than expected. All tensors are of n episodes: [n, steps].
namespace cuttle {

/// Generalised advantages (Schulman, Moritz, Levine, Jordan, Abbeel 2016, equation 16):
///   A_t = sum_l (discount lambda)^l (r_{t+l} + discount V_{t+l+1} - V_{t+l}),
/// nothing being earned after the last step. lambda 1 goes by rewards alone, less by `values`.
torch::Tensor generalised_advantages(const torch::Tensor& rewards, const torch::Tensor& values,
                                     double discount, double lambda);

/// What came from each step on, discounted.
torch::Tensor returns_to_go(const torch::Tensor& rewards, double discount);

/// At each step what came in the other episodes, their mean, so that it is no function of the
/// episode's own actions; 0 where there are no others.
torch::Tensor others_baseline(const torch::Tensor& to_go);

/// Values linear in observations o, their squares, t, t^2, t^3 and 1, fitted to what came by least
/// squares with a small penalty (Duan, Chen, Houthooft, Schulman, Abbeel 2016, "Benchmarking deep
/// reinforcement learning"; the baseline of Finn et al. 2017). observations: [n * steps, width].
torch::Tensor linear_baseline(const torch::Tensor& observations, const torch::Tensor& to_go);

}  // namespace cuttle
