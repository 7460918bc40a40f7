#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/differences.hpp"

/// What proofs of learners start from, and how gradients are compared with differences.
namespace cuttle {

namespace F = torch::nn::functional;

inline double largest(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

/// Somewhere that no initial value stands: every number of the learner's own, and a bit of the
/// rest, is moved away from where it starts.
inline ParameterList start(const Learner& learner, double own, double rest = 0.02) {
  const auto layout = learner.model().layout();
  auto parameters = ParameterList::initial(layout, 3, torch::kFloat64);
  torch::manual_seed(4);
  for (std::int64_t i = 0; i < layout->count(); ++i) {
    const auto& value = parameters.tensors()[static_cast<std::size_t>(i)];
    const double size = layout->spec(i).role == ParameterRole::kLearner ? own : rest;
    value.add_(torch::randn(value.sizes(), torch::kFloat64) * size);
  }
  return parameters;
}

inline Tensors leaves_of(const ParameterList& parameters) {
  Tensors leaves;
  for (const auto& value : parameters.tensors())
    leaves.push_back(value.detach().clone().requires_grad_());
  return leaves;
}

inline torch::Tensor flat_gradient(const Learner& learner, const torch::Tensor& loss,
                                   const Tensors& leaves) {
  return learner.model().layout()->flatten(
      torch::autograd::grad({loss}, leaves, {}, false, false, true));
}

/// Indices by name.
inline std::map<std::string, std::size_t> places_of(const ParameterLayout& layout) {
  std::map<std::string, std::size_t> places;
  for (std::int64_t i = 0; i < layout.count(); ++i)
    places[layout.spec(i).name] = static_cast<std::size_t>(i);
  return places;
}

/// The gradient's own direction, random ones, and random ones among the learner's own numbers.
inline void expect_differences(const Loss& loss, const ParameterList& at,
                               const torch::Tensor& gradient, double tolerance = 1e-6) {
  const auto& layout = at.layout();
  const double norm = gradient.norm().item<double>();
  ASSERT_GT(norm, 1e-3);
  std::vector<torch::Tensor> directions{gradient / norm};
  torch::manual_seed(5);
  for (int n = 0; n < 6; ++n) {
    Tensors random;
    for (std::int64_t i = 0; i < layout.count(); ++i) {
      const bool own = layout.spec(i).role == ParameterRole::kLearner;
      random.push_back(torch::randn(layout.spec(i).shape, torch::kFloat64) *
                       (n < 3 || own ? 1.0 : 0.0));
    }
    const auto flat = layout.flatten(random);
    const double length = flat.norm().item<double>();
    if (length > 0)
      directions.push_back(flat / length);  // a learner may have no numbers of its own
  }
  expect_slopes(loss, at, gradient, directions, tolerance);
}

inline void expect_differences(const Learner& learner, const ParameterList& parameters,
                               const Task& task) {
  const auto result = learner.meta_gradient(parameters, task);
  EXPECT_NEAR(result.values[0], adapted_loss(learner, parameters, task), 1e-12);
  expect_differences(adapted_loss_of(learner, task), parameters, result.gradient);
}

/// The tiny task as it is, or with a support that is odd: "uneven" (four samples of class 0, one
/// each of 1 and 2), "no_class_2", "one_class", or "lacking" (it has no text at all).
inline Task odd_task(const Model& model, const std::string& oddity) {
  Task task = tiny_task(model, 1, torch::kFloat64);
  Batch& support = task.support;
  if (oddity == "uneven") {
    support.even = false;
    support.labels = torch::tensor({0, 0, 0, 0, 1, 2}, torch::kInt64);
  }
  if (oddity == "no_class_2") {
    support.even = false;
    support.labels = support.labels.clamp_max(1);
  }
  if (oddity == "one_class") support.labels = torch::zeros_like(support.labels);
  if (oddity == "lacking") support = keep_modalities(support, {true, false});
  return task;
}

inline std::unique_ptr<const Learner> learner_of(
    const std::string& algorithm, std::int64_t steps, const std::string& fusion = "concat",
    const std::string& norm = "batch", const std::map<std::string, std::string>& values = {}) {
  torch::set_num_threads(1);
  TinySettings settings;
  settings.algorithm = algorithm;
  settings.inner_steps = steps;
  settings.fusion = fusion;
  settings.norm = norm;
  return tiny_learner(settings, values);
}

}  // namespace cuttle
