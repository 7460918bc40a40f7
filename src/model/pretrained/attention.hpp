#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/model/block.hpp"
#include "model/pretrained/weights.hpp"

// What encoders of sequences with weights of others share.
namespace cuttle {

/// How many tokens of each sample are real.
std::vector<std::int64_t> lengths_of(const Signal& input);
/// Rows [m, W] made of length 1.
torch::Tensor of_length_one(const torch::Tensor& rows);
/// x W^T + b over the last dimension.
torch::Tensor affine(const Tensors& p, const GivenAffine& linear, const torch::Tensor& x);
/// Layer norm over the last dimension.
torch::Tensor layer_norm(const Tensors& p, const GivenAffine& norm, const torch::Tensor& x,
                         double eps);
/// The record's sizes.activation: relu, gelu (by the error function), gelu_tanh or quick_gelu (by
/// the logistic function, CLIP's).
std::string activation_of(const Weights& weights);
torch::Tensor activated(const torch::Tensor& x, const std::string& activation);
/// [m, T, W] -> [m, heads, T, W / heads].
torch::Tensor in_heads(const torch::Tensor& x, std::int64_t heads);
/// Means of values by softmax(queries keys^T / sqrt(columns)): [m, heads, T, W / heads] each ->
/// [m, T, W]. `mask` [m, T]: which are real, undefined: all. Of matmul and softmax: fused attention
/// has no double backward.
torch::Tensor attended(const torch::Tensor& queries, const torch::Tensor& keys,
                       const torch::Tensor& values, const torch::Tensor& mask);

/// The norm behind layers that normalise before.
std::unique_ptr<const Block> make_last_norm(GivenAffine norm, double eps);
/// As the record's `output` says, the mean over real tokens or the first one, of length 1 if asked
/// for: [m, T, W] -> [m, W].
std::unique_ptr<const Block> make_token_pool(const Weights& weights);

}  // namespace cuttle
