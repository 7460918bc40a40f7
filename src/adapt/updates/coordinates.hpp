#pragma once

#include <torch/types.h>

namespace cuttle {

/// What a perceptron of one hidden layer with ReLUs, weights [h, 2], [h], [1, h], [1], makes of
/// each coordinate of a gradient as preprocess() gives it; shaped as the gradient, which is taken
/// as given. As one operation on CPUs, with first derivatives.
torch::Tensor of_coordinates(const torch::Tensor& gradient, const torch::Tensor& in,
                             const torch::Tensor& in_bias, const torch::Tensor& out,
                             const torch::Tensor& out_bias);

}  // namespace cuttle
