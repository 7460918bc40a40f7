#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "cuttle/model/block.hpp"

namespace cuttle {

/// A transformer layer, also in two halves, for tokens that look at others and are not looked at:
/// what the others show is computed once, whatever looks at it.
class AttentionLayer : public Block {
 public:
  /// Of tokens [m, T, W] before the layer: keys and values of each head, [m, heads, T, W / heads].
  struct Shown {
    torch::Tensor keys, values;
  };
  virtual Shown shown(const Tensors& parameters, const torch::Tensor& tokens) const = 0;
  /// Tokens [m, T, W] after the layer, each of which looks at all that is shown and at nothing else
  /// (so that forward() without padding is looking at what the same tokens show).
  virtual torch::Tensor looking(const Tensors& parameters, const torch::Tensor& tokens,
                                const Shown& at) const = 0;
};

/// Self-attention and a perceptron of four times the width, each behind a layer norm and added to
/// what came in (pre-norm: Xiong et al. 2020); [m, T, W] with mask [m, T]. Parameters and
/// arithmetic are those of torch.nn.TransformerEncoderLayer(W, heads, 4 * W, 0, "gelu",
/// norm_first=True).
std::unique_ptr<const AttentionLayer> make_transformer_layer(
    ParameterLayout& layout, const std::string& name, std::int64_t width, std::int64_t heads,
    ParameterRole role = ParameterRole::kBody);

}  // namespace cuttle
