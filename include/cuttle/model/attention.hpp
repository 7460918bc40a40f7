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

/// make_transformer_layer as such a layer.
std::unique_ptr<const AttentionLayer> make_attention_layer(
    ParameterLayout& layout, const std::string& name, std::int64_t width, std::int64_t heads,
    ParameterRole role = ParameterRole::kBody);

}  // namespace cuttle
