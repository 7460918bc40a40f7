#pragma once

#include <torch/types.h>

#include "cuttle/kernels/conv_block.hpp"

namespace cuttle {

/// What follows a convolution and its batch norm.
struct AfterNorm {
  double slope = 0;  ///< below zero: 0 of a ReLU, between of a leaky one, 1 of none
  bool pool = true;  ///< by two in each direction (images: what is left over is dropped; sequences:
                     ///< it is kept)
};

/// Convolution, batch norm, ReLU and pooling as one operation with exact first and second
/// derivatives (kernels/conv_block.hpp): an inner step is a handful of nodes in the graph rather
/// than hundreds, and what it keeps is one activation a block.
///
/// x [m, C, H, W] or [m, C, T], any strides, float32 or float64, on the CPU; weight as LibTorch's,
/// 3 x 3, 1 x 1, or 3 for sequences; mask [m, T] for sequences or undefined. The convolution's bias
/// is not an input: the norm cancels it.
torch::Tensor fused_conv_block(const torch::Tensor& x, const torch::Tensor& weight,
                               const torch::Tensor& scale, const torch::Tensor& shift,
                               const torch::Tensor& mask, AfterNorm after);

/// Whether the operation can take `x`.
bool can_fuse(const torch::Tensor& x);

}  // namespace cuttle
