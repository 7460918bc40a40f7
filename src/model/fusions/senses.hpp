#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/model/block.hpp"
#include "cuttle/model/fusion.hpp"
#include "model/blocks/attention.hpp"

// What fusions begin with and end on. None looks at what stands in a sample's row of a sense that
// it lacks.
namespace cuttle {

/// Keys of fusions of pooled features.
struct EmbeddingKeys {
  std::int64_t embedding = 64;
  void keys(Keys& keys);
};

/// Keys of fusions that attend.
struct AttentionKeys {
  std::int64_t fusion_width = 64, fusion_layers = 2;
  void keys(Keys& keys);
};
using AttentionLayers = std::vector<std::unique_ptr<const AttentionLayer>>;
/// Transformer layers NAME.0, NAME.1, .. of these keys.
AttentionLayers attention_layers(ParameterLayout& layout, const std::string& name,
                                 const AttentionKeys& options);
/// The same of each sense's own, fusion.SENSE.layers.0, ..
std::vector<AttentionLayers> layers_of_senses(const FusionRequest& request,
                                              const AttentionKeys& options);

/// A linear layer of each sense's own to one width: fusion.SENSE<suffix>.weight and .bias.
class SenseLayers {
 public:
  SenseLayers(const FusionRequest& request, const std::vector<std::int64_t>& widths,
              std::int64_t width, const std::string& suffix = "");
  /// Of x [.., width of sense m]: [.., width].
  torch::Tensor of(const Tensors& parameters, std::size_t m, const torch::Tensor& x) const {
    return affine(parameters, layers_[m], x);
  }
  /// Of all pooled features, [n, senses, width]; what a sample lacks is anything.
  torch::Tensor of(const Tensors& parameters, const Senses& senses) const;
  /// Of all tokens, [n, T, width] of each sense; padding and what a sample lacks is anything.
  Tensors of_tokens(const Tensors& parameters, const Senses& senses) const;

 private:
  std::vector<Affine> layers_;
};

/// [n, 1]: 1 where a sample has sense m.
torch::Tensor has_sense(const Senses& senses, std::size_t m);
/// Mean of x [n, T, W] where mask [n, T] is 1; zeros where it is nowhere: [n, W].
torch::Tensor mean_where_real(const torch::Tensor& x, const torch::Tensor& mask);

}  // namespace cuttle
