#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <vector>

#include "support/tiny_task.hpp"

/// Gradients in float64 against central differences.
namespace cuttle {

inline double relative_error(const torch::Tensor& value, const torch::Tensor& reference) {
  return (value - reference).norm().item<double>() / reference.norm().item<double>();
}

/// Near the initial ones: where something learned starts at zero, mistakes in it would not show.
inline ParameterList near_initial(const Model& model, torch::Dtype dtype) {
  const auto list = ParameterList::initial(model.layout(), 5, dtype);
  torch::manual_seed(11);
  list.flat().add_(0.02 * torch::randn(list.flat().sizes(), torch::kFloat64).to(dtype));
  return list;
}

/// Query loss after adaptation, through the interface that users adapt with.
inline double adapted_loss(const Learner& learner, const ParameterList& parameters,
                           const Task& task) {
  const auto logits = learner.adapt(parameters, task.support, task.key)->predict(task.query);
  return torch::nn::functional::cross_entropy(logits, task.query.labels).item<double>();
}

using Loss = std::function<double(const ParameterList&)>;

inline double difference_along(const Loss& loss, const ParameterList& at,
                               const torch::Tensor& direction) {
  constexpr double kStep = 1e-6;
  return (loss({at.shared_layout(), at.flat() + kStep * direction}) -
          loss({at.shared_layout(), at.flat() - kStep * direction})) /
         (2 * kStep);
}

/// `directions` are of length 1; `tolerance` is a share of the gradient's length.
inline void expect_slopes(const Loss& loss, const ParameterList& at, const torch::Tensor& gradient,
                          const std::vector<torch::Tensor>& directions, double tolerance = 1e-6) {
  for (const auto& direction : directions)
    EXPECT_NEAR(difference_along(loss, at, direction), gradient.dot(direction).item<double>(),
                tolerance * gradient.norm().item<double>());
}

/// That of the loss after adaptation.
inline Loss adapted_loss_of(const Learner& learner, const Task& task) {
  return [&](const ParameterList& at) { return adapted_loss(learner, at, task); };
}

}  // namespace cuttle
