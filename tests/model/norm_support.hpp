#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/differences.hpp"

// What the tests of norms share.
namespace cuttle {

namespace F = torch::nn::functional;

inline double largest(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

inline Context using_it() {
  Context context;
  context.mode = Mode::kUse;
  return context;
}

/// A norm of three channels by itself.
struct NormAlone {
  explicit NormAlone(const std::string& type, std::map<std::string, std::string> values = {}) {
    const Section section(type, std::move(values));
    norm = builtin_norms().at(type).make({section, *layout, "norm", 3, 2});
    torch::manual_seed(2);
    const auto initial = ParameterList::initial(layout, 1, torch::kFloat64);
    for (const auto& value : initial.tensors())
      p.push_back(value + 0.3 * torch::rand(value.sizes(), torch::kFloat64));
  }
  const torch::Tensor& own(const std::string& name) const {
    return p[static_cast<std::size_t>(place(name))];
  }
  std::int64_t place(const std::string& name) const {
    for (std::int64_t i = 0; i < layout->count(); ++i)
      if (layout->spec(i).name == "norm." + name) return i;
    return -1;
  }
  std::shared_ptr<ParameterLayout> layout = std::make_shared<ParameterLayout>();
  std::unique_ptr<const Norm> norm;
  Tensors p;
};

inline torch::Tensor image() {
  return torch::randn({4, 3, 5, 2}, torch::kFloat64) * 2 + 1;
}
/// Sequences of 6, 3, 1 and 2 real steps; something is behind their ends too.
inline torch::Tensor sequences() {
  return torch::randn({4, 3, 6}, torch::kFloat64) * 2 + 1;
}
inline torch::Tensor lengths() {
  const auto steps = torch::arange(6).unsqueeze(0);
  return steps.lt(torch::tensor({6, 3, 1, 2}).unsqueeze(1)).to(torch::kFloat64);
}

/// All real values of one channel.
inline std::vector<double> channel(const torch::Tensor& x, const torch::Tensor& mask,
                                   std::int64_t c) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    const auto flat = x[i][c].flatten();
    for (std::int64_t t = 0; t < flat.size(0); ++t)
      if (!mask.defined() || mask[i][t].item<double>() == 1.0)
        values.push_back(flat[t].item<double>());
  }
  return values;
}
inline double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}
inline double variance_of(const std::vector<double>& values, double divisor) {
  double sum = 0;
  for (const double v : values) sum += std::pow(v - mean_of(values), 2);
  return sum / divisor;
}

inline torch::Tensor batch_norm_with(const NormAlone& alone, const torch::Tensor& x,
                                     const torch::Tensor& mean, const torch::Tensor& variance) {
  return torch::batch_norm(x, alone.own("weight"), alone.own("bias"), mean, variance,
                           /*training=*/false, 0.0, 1e-5, false);
}

inline std::unique_ptr<const Learner> learner_of(const std::string& algorithm,
                                                 const std::string& norm, bool fused = true,
                                                 const std::string& fusion = "concat") {
  torch::set_num_threads(1);
  TinySettings settings;
  settings.algorithm = algorithm;
  settings.norm = norm;
  settings.fused = fused;
  settings.fusion = fusion;
  return tiny_learner(settings);
}

inline ParameterList start(const Learner& learner, torch::Dtype dtype = torch::kFloat64) {
  return ParameterList::initial(learner.model().layout(), 3, dtype);
}

inline void expect_differences(const Learner& learner, const ParameterList& parameters,
                               const Task& task) {
  const auto result = learner.meta_gradient(parameters, task);
  EXPECT_NEAR(result.values[0], adapted_loss(learner, parameters, task), 1e-12);
  ASSERT_GT(result.gradient.norm().item<double>(), 1e-3);
  torch::manual_seed(5);
  std::vector<torch::Tensor> directions{result.gradient, torch::randn_like(result.gradient),
                                        torch::randn_like(result.gradient)};
  for (auto& direction : directions) direction = direction / direction.norm();
  expect_slopes(adapted_loss_of(learner, task), parameters, result.gradient, directions);
}

/// The gradient of each parameter, by name.
inline std::map<std::string, torch::Tensor> gradients_of(const Learner& learner, const Task& task) {
  const auto& layout = *learner.model().layout();
  // The same values for the same names, whatever else the layout holds.
  const auto parameters = start(learner);
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    if (!layout.is_learned(i)) continue;
    torch::manual_seed(std::hash<std::string>()(layout.spec(i).name) % 1000);
    auto& value = parameters.tensors()[static_cast<std::size_t>(i)];
    value.copy_(torch::randn(value.sizes(), torch::kFloat64) * 0.3);
  }
  const auto parts = layout.views(learner.meta_gradient(parameters, task).gradient);
  std::map<std::string, torch::Tensor> gradients;
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (layout.is_learned(i)) gradients[layout.spec(i).name] = parts[static_cast<std::size_t>(i)];
  return gradients;
}

}  // namespace cuttle
