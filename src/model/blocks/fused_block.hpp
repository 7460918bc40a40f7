#pragma once

#include <torch/types.h>

#include <optional>

#include "cuttle/kernels/conv_block.hpp"
#include "cuttle/model/norm.hpp"

namespace cuttle {

/// What follows a convolution and its batch norm.
struct AfterNorm {
  double slope = 0;  ///< below zero: 0 of a ReLU, between of a leaky one, 1 of none
  bool pool = true;  ///< by two in each direction (images: what is left over is dropped; sequences:
                     ///< it is kept)
};

/// Of a convolution; the bias may be undefined.
struct Filters {
  torch::Tensor weight, bias;
};

struct FusedOutput {
  torch::Tensor values;
  Moments moments;  ///< of the batch, with graph; undefined where others were used
};

/// Convolution, norm, ReLU and pooling as one operation with exact first and second derivatives
/// (kernels/conv_block.hpp): an inner step is a handful of nodes in the graph rather than hundreds,
/// and what it keeps is one activation a block. Through statistics that are given, or used
/// elsewhere, only first derivatives: asking for second ones throws.
///
/// x [m, C, H, W] or [m, C, T], any strides, float32 or float64, on the CPU; weight as LibTorch's,
/// 3 x 3, 1 x 1, or 3 for sequences; mask [m, T] for sequences or undefined. The bias counts where
/// each sample has its own statistics; those of a batch, taken and given, are of the convolution's
/// output without it.
FusedOutput fused_conv_block(const torch::Tensor& x, const Filters& filters, const FusedNorm& norm,
                             const torch::Tensor& mask, AfterNorm after);

/// The block with this norm, if own kernels can compute it in this pass. The batch's statistics
/// cancel a bias; what the norm is told, and what it gives, are statistics with it.
std::optional<torch::Tensor> by_kernels(const Norm& norm, const Tensors& parameters,
                                        const torch::Tensor& x, const Filters& filters,
                                        const torch::Tensor& mask, AfterNorm after,
                                        const Context& context);

}  // namespace cuttle
