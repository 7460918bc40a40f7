#include "adapt/updates/inner_update.hpp"

#include <torch/types.h>

#include "cuttle/adapt/autograd.hpp"

namespace cuttle {
namespace {

/// Leaves where there is something.
Tensors leaves_of(const Tensors& values) {
  Tensors leaves;
  for (const auto& value : values)
    leaves.push_back(value.defined() ? value.detach().requires_grad_(true) : value);
  return leaves;
}

}  // namespace

Tensors InnerUpdate::fresh(const Tensors&) const {
  return {};
}

InnerUpdate::Adjoint InnerUpdate::vjp(const Point& at, const Tensors& state, std::int64_t k,
                                      const Tensors& of_theta, const Tensors& of_state) const {
  Point leaves{
      leaves_of(at.theta), leaves_of(at.gradient), at.loss.detach().requires_grad_(true), {}};
  const Tensors state_leaves = leaves_of(state);
  const torch::AutoGradMode graph(true);
  const Moved moved = step(leaves, state_leaves, k);
  Tensors outputs = moved.theta, cotangents = of_theta, inputs = leaves.theta;
  outputs.insert(outputs.end(), moved.state.begin(), moved.state.end());
  cotangents.insert(cotangents.end(), of_state.begin(), of_state.end());
  cotangents.resize(outputs.size());
  inputs.insert(inputs.end(), state_leaves.begin(), state_leaves.end());
  for (const auto& gradient : leaves.gradient)
    if (gradient.defined()) inputs.push_back(gradient);
  inputs.push_back(leaves.loss);
  const Tensors all = vector_jacobian(outputs, inputs, cotangents);
  auto next = all.begin();
  Adjoint adjoint;
  for (std::size_t i = 0; i < leaves.theta.size(); ++i) adjoint.theta.push_back(*next++);
  for (std::size_t i = 0; i < state.size(); ++i) adjoint.state.push_back(*next++);
  for (const auto& gradient : leaves.gradient)
    adjoint.gradient.push_back(gradient.defined() ? *next++ : torch::Tensor());
  adjoint.loss = *next;
  return adjoint;
}

}  // namespace cuttle
