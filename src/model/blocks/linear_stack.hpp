#pragma once

#include <torch/types.h>

#include <vector>

#include "cuttle/model/block.hpp"

namespace cuttle {

/// Whether linear_stack() can be called: on small layers, on the CPU, and where no gradient with
/// respect to x is wanted.
bool is_linear_stack(const std::vector<LinearLayer>& layers, const Tensors& parameters,
                     const torch::Tensor& x);

/// Linear layers on x [n, in], one after the other, as one operation with exact first and second
/// derivatives with respect to the parameters; there is no third.
torch::Tensor linear_stack(const std::vector<LinearLayer>& layers, const Tensors& parameters,
                           const torch::Tensor& x);

}  // namespace cuttle
