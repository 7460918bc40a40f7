#include "adapt/trajectory.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

namespace cuttle {
namespace {

/// Of parameters, however long the loop: for small images twenty sets are a fifth of all memory.
constexpr std::int64_t kMostSets = 10;

std::int64_t stride_of(const std::string& keep, std::int64_t steps) {
  if (keep == "sqrt") return std::llround(std::ceil(std::sqrt(static_cast<double>(steps))));
  return std::max<std::int64_t>(1, (steps + kMostSets - 1) / kMostSets);
}

}  // namespace

Trajectory::Trajectory(const Model& model, const InnerUpdate& update, const Batch& support,
                       const std::string& keep, std::int64_t steps, bool way_back)
    : model_(model),
      update_(update),
      support_(support),
      steps_(steps),
      stride_(stride_of(keep, steps)),
      way_back_(way_back),
      all_(keep == "all") {}

SupportGradient Trajectory::step_from(Tensors& theta, std::int64_t k, bool graph) const {
  auto at_k = support_gradient(model_, theta, support_, k, graph);
  const torch::NoGradGuard no_grad;
  theta = update_.step(theta, at_k.gradient);
  return at_k;
}

Tensors Trajectory::descend(Tensors theta) {
  for (std::int64_t k = 0; k < steps_; ++k) {
    const bool graph = way_back_ && (all_ || k + 1 == steps_);  // the last one is wanted first
    if (way_back_ && !graph && k % stride_ == 0) parameters_[k] = theta;
    auto at_k = step_from(theta, k, graph);
    if (graph) gradients_[k] = std::move(at_k);
  }
  return theta;
}

SupportGradient Trajectory::back(std::int64_t k) {
  if (const auto kept = gradients_.find(k); kept != gradients_.end()) {
    auto at_k = std::move(kept->second);
    gradients_.erase(kept);
    return at_k;
  }
  const auto before = std::prev(parameters_.upper_bound(k));
  Tensors theta = before->second;
  // The steps between are passed once: their parameters wait for their turn.
  for (std::int64_t i = before->first; i < k; ++i) {
    step_from(theta, i, false);
    parameters_[i + 1] = theta;
  }
  parameters_.erase(k);
  return support_gradient(model_, theta, support_, k, true);
}

}  // namespace cuttle
