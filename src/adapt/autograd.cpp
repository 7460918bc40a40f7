#include "cuttle/adapt/autograd.hpp"

#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <utility>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

Tensors with_zeros(Tensors gradient, const Tensors& inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!gradient[i].defined()) gradient[i] = torch::zeros_like(inputs[i]);
  return gradient;
}

}  // namespace

Tensors as_leaves(const Tensors& values) {
  Tensors leaves;
  leaves.reserve(values.size());
  for (const auto& value : values) leaves.push_back(value.detach().requires_grad_(true));
  return leaves;
}

Tensors gradient_of(const torch::Tensor& loss, const Tensors& inputs, bool create_graph) {
  CUTTLE_VALIDATE(loss.requires_grad(),
                  "no learned parameter has a part in the loss (its encoders are frozen, and late "
                  "fusion of one sense weighs nothing: the run would learn nothing); evaluate the "
                  "frozen encoder as it is, or train some of it");
  return torch::autograd::grad({loss}, inputs, {}, create_graph, create_graph,
                               /*allow_unused=*/true);
}

Tensors dense_gradient_of(const torch::Tensor& loss, const Tensors& inputs) {
  return with_zeros(gradient_of(loss, inputs, false), inputs);
}

Tensors vector_jacobian(const Tensors& outputs, const Tensors& inputs, const Tensors& cotangents,
                        bool keep_graph) {
  Tensors defined, weights;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].defined() && outputs[i].requires_grad() && cotangents[i].defined()) {
      defined.push_back(outputs[i]);
      weights.push_back(cotangents[i]);
    }
  Tensors product(inputs.size());
  if (!defined.empty())
    product =
        torch::autograd::grad(defined, inputs, weights, keep_graph, false, /*allow_unused=*/true);
  return with_zeros(std::move(product), inputs);
}

}  // namespace cuttle
