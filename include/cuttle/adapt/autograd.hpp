#pragma once

#include <torch/types.h>

#include "cuttle/model/parameter_list.hpp"

// What learners need of automatic differentiation.
namespace cuttle {

/// Copies of `values` that gradients can be taken with respect to, cut from any graph.
Tensors as_leaves(const Tensors& values);

/// Gradients of a scalar; undefined where it does not depend on the input. UserError where it
/// depends on nothing that is learned.
Tensors gradient_of(const torch::Tensor& loss, const Tensors& inputs, bool create_graph);

/// The same without a graph, zeros where it does not depend on the input.
Tensors dense_gradient_of(const torch::Tensor& loss, const Tensors& inputs);

/// sum_i dy_i/dinputs^T cotangent_i over the defined y_i; zeros where nothing depends on an input.
/// `keep_graph`: there will be another.
Tensors vector_jacobian(const Tensors& outputs, const Tensors& inputs, const Tensors& cotangents,
                        bool keep_graph = false);

}  // namespace cuttle
