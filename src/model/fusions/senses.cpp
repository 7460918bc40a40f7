#include "model/fusions/senses.hpp"

#include <torch/types.h>

namespace cuttle {

void EmbeddingKeys::keys(Keys& keys) {
  keys.add("embedding", embedding, between(1, 65536), "width that every modality is projected to");
}

void AttentionKeys::keys(Keys& keys) {
  keys.add("fusion_width", fusion_width, between(2, 65536),
           "columns that every token is projected to");
  keys.add("fusion_layers", fusion_layers, between(1, 64),
           "of attention over the tokens of all senses");
}

AttentionLayers attention_layers(ParameterLayout& layout, const std::string& name,
                                 const AttentionKeys& options) {
  const std::int64_t heads = attention_heads("model.fusion_width", options.fusion_width);
  AttentionLayers layers;
  for (std::int64_t i = 0; i < options.fusion_layers; ++i)
    layers.push_back(make_transformer_layer(layout, name + "." + std::to_string(i),
                                            options.fusion_width, heads));
  return layers;
}

std::vector<AttentionLayers> layers_of_senses(const FusionRequest& request,
                                              const AttentionKeys& options) {
  std::vector<AttentionLayers> layers;
  for (const auto& sense : request.modalities)
    layers.push_back(attention_layers(request.layout, "fusion." + sense + ".layers", options));
  return layers;
}

SenseLayers::SenseLayers(const FusionRequest& request, const std::vector<std::int64_t>& widths,
                         std::int64_t width, const std::string& suffix) {
  for (std::size_t m = 0; m < widths.size(); ++m)
    layers_.emplace_back(request.layout, "fusion." + request.modalities[m] + suffix,
                         std::vector<std::int64_t>{width, widths[m]});
}

torch::Tensor SenseLayers::of(const Tensors& parameters, const Senses& senses) const {
  Tensors all;
  for (std::size_t m = 0; m < layers_.size(); ++m)
    all.push_back(of(parameters, m, senses.pooled[m]));
  return torch::stack(all, 1);
}

Tensors SenseLayers::of_tokens(const Tensors& parameters, const Senses& senses) const {
  Tensors all;
  for (std::size_t m = 0; m < layers_.size(); ++m)
    all.push_back(of(parameters, m, senses.tokens[m]));
  return all;
}

torch::Tensor has_sense(const Senses& senses, std::size_t m) {
  return senses.present.narrow(1, static_cast<std::int64_t>(m), 1);
}

torch::Tensor mean_where_real(const torch::Tensor& x, const torch::Tensor& mask) {
  return (x * mask.unsqueeze(2)).sum(1) / mask.sum(1, true).clamp_min(1.0);
}

}  // namespace cuttle
