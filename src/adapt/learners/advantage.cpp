#include "adapt/learners/advantage.hpp"

#include <torch/types.h>

#include <vector>

namespace cuttle {

torch::Tensor generalised_advantages(const torch::Tensor& rewards, const torch::Tensor& values,
                                     double discount, double lambda) {
  const std::int64_t steps = rewards.size(1);
  std::vector<torch::Tensor> advantages(static_cast<std::size_t>(steps));
  torch::Tensor next = torch::zeros_like(values.select(1, 0)), ahead = next;
  for (std::int64_t t = steps - 1; t >= 0; --t) {
    const auto value = values.select(1, t);
    ahead = rewards.select(1, t) + discount * next - value + discount * lambda * ahead;
    next = value;
    advantages[static_cast<std::size_t>(t)] = ahead;
  }
  return torch::stack(advantages, 1);
}

torch::Tensor returns_to_go(const torch::Tensor& rewards, double discount) {
  return generalised_advantages(rewards, torch::zeros_like(rewards), discount, 1.0);
}

torch::Tensor others_baseline(const torch::Tensor& to_go) {
  const std::int64_t n = to_go.size(0);
  return n > 1 ? (to_go.sum(0, true) - to_go) / static_cast<double>(n - 1)
               : torch::zeros_like(to_go);
}

torch::Tensor linear_baseline(const torch::Tensor& observations, const torch::Tensor& to_go) {
  // Of Duan et al.'s program: farther observations count as these, time is in hundreds of steps.
  constexpr double kFarthest = 10, kTime = 100, kPenalty = 1e-5;
  const torch::NoGradGuard no_grad;
  const auto seen = observations.to(torch::kCPU, torch::kFloat64).clamp(-kFarthest, kFarthest);
  const auto came = to_go.to(seen).reshape({-1, 1});
  const auto time =
      (torch::arange(to_go.size(1), seen.options()) / kTime).repeat({to_go.size(0)}).unsqueeze(1);
  const auto features = torch::cat(
      {seen, seen.square(), time, time.square(), time.pow(3), torch::ones_like(time)}, 1);
  const auto normal =
      features.t().matmul(features) + kPenalty * torch::eye(features.size(1), seen.options());
  const auto solved =
      torch::cholesky_solve(features.t().matmul(came), torch::linalg_cholesky(normal));
  return features.matmul(solved).view(to_go.sizes()).to(to_go);
}

}  // namespace cuttle
