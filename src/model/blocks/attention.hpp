#pragma once

#include <optional>

#include "cuttle/model/block.hpp"
#include "model/places.hpp"

namespace cuttle {

/// x W^T + b over the last dimension.
torch::Tensor affine(const Tensors& parameters, const Affine& linear, const torch::Tensor& x);
/// Layer norm over the last dimension.
torch::Tensor layer_norm(const Tensors& parameters, const Affine& norm, const torch::Tensor& x);

/// Weight and bias of each part of a transformer's layer, in the order of its parameters.
struct LayerWeights {
  enum Part : std::size_t { kIn, kOut, kUp, kDown, kNorm1, kNorm2, kParts };
  Tensors all;  ///< [2 * kParts]

  const torch::Tensor& weight(Part part) const { return all[2 * part]; }
  const torch::Tensor& bias(Part part) const { return all[2 * part + 1]; }
};

/// The layer of x [m, T, W] with mask [m, T] (undefined: every token is there) by LibTorch's
/// operations, which have all derivatives.
torch::Tensor layer_by_libtorch(const LayerWeights& weights, std::int64_t heads,
                                const torch::Tensor& x, const torch::Tensor& mask);
/// The same as one operation on own kernels (cuttle/kernels/transformer_layers.hpp); derivatives that
/// are differentiated again are LibTorch's. Nothing where the kernels cannot compute it.
std::optional<torch::Tensor> layer_by_kernels(const LayerWeights& weights, std::int64_t heads,
                                              const torch::Tensor& x, const torch::Tensor& mask);

}  // namespace cuttle
