#pragma once

#include "cuttle/model/block.hpp"
#include "model/places.hpp"

namespace cuttle {

/// x W^T + b over the last dimension.
torch::Tensor affine(const Tensors& parameters, const Affine& linear, const torch::Tensor& x);
/// Layer norm over the last dimension.
torch::Tensor layer_norm(const Tensors& parameters, const Affine& norm, const torch::Tensor& x);

}  // namespace cuttle
