#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cuttle/model/block.hpp"
#include "model/places.hpp"

namespace cuttle {

/// x W^T + b over the last dimension.
torch::Tensor affine(const Tensors& parameters, const Affine& linear, const torch::Tensor& x);
/// Layer norm over the last dimension.
torch::Tensor layer_norm(const Tensors& parameters, const Affine& norm, const torch::Tensor& x);

/// Heads of 32 columns; a narrower width has one. UserError naming `key` if the width cannot be
/// divided so.
std::int64_t attention_heads(const std::string& key, std::int64_t width);

/// Self-attention and a perceptron of four times the width, each behind a layer norm and added to
/// what came in (pre-norm: Xiong et al. 2020); [m, T, W] with mask [m, T]. Parameters and
/// arithmetic are those of torch.nn.TransformerEncoderLayer(W, heads, 4 * W, 0, "gelu",
/// norm_first=True).
std::unique_ptr<const Block> make_transformer_layer(ParameterLayout& layout,
                                                    const std::string& name, std::int64_t width,
                                                    std::int64_t heads);

}  // namespace cuttle
