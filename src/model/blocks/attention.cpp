#include "model/blocks/attention.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kHeadWidth = 32;

torch::Tensor linear(const LayerWeights& w, LayerWeights::Part part, const torch::Tensor& x) {
  return torch::linear(x, w.weight(part), w.bias(part));
}
torch::Tensor normed(const LayerWeights& w, LayerWeights::Part part, const torch::Tensor& x) {
  return torch::layer_norm(x, {x.size(-1)}, w.weight(part), w.bias(part), kLayerNormEpsilon);
}

/// `count` of queries, keys and values, from `first` on: [m, heads, T, W / heads] each.
Tensors heads_of(const LayerWeights& w, std::int64_t heads, const torch::Tensor& x,
                 std::int64_t first, std::int64_t count) {
  const std::int64_t width = x.size(2);
  const auto of = [&](const torch::Tensor& all) {
    return count == 3 ? all : all.narrow(0, first * width, count * width);
  };
  const auto all = torch::linear(normed(w, LayerWeights::kNorm1, x),
                                 of(w.weight(LayerWeights::kIn)), of(w.bias(LayerWeights::kIn)))
                       .view({x.size(0), x.size(1), count, heads, width / heads});
  Tensors parts;
  for (std::int64_t i = 0; i < count; ++i) parts.push_back(all.select(2, i).transpose(1, 2));
  return parts;
}

/// The layer's output for tokens x with these queries. Attention is composed of matmul and softmax:
/// fused attention has no double backward.
torch::Tensor after(const LayerWeights& w, torch::Tensor x, const torch::Tensor& queries,
                    const AttentionLayer::Shown& shown) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(queries.size(3)));
  auto scores = torch::matmul(queries * scale, shown.keys.transpose(2, 3));  // [m, h, T, S]
  // Not minus infinity: a sample without any real step would be NaN rather than nothing.
  const auto& mask = shown.mask;
  if (mask.defined())
    scores = scores.masked_fill((mask == 0).view({mask.size(0), 1, 1, mask.size(1)}), -1e30);
  const auto mixed = torch::matmul(torch::softmax(scores, 3), shown.values).transpose(1, 2);
  x = x + linear(w, LayerWeights::kOut, mixed.reshape(x.sizes()));
  const auto inner = linear(w, LayerWeights::kUp, normed(w, LayerWeights::kNorm2, x));
  return x + linear(w, LayerWeights::kDown, torch::gelu(inner));
}

class TransformerLayer final : public AttentionLayer {
 public:
  TransformerLayer(ParameterLayout& layout, const std::string& name, std::int64_t width,
                   std::int64_t heads, ParameterRole role)
      : heads_(heads),
        parts_{{layout,
                name + ".self_attn.in_proj_weight",
                name + ".self_attn.in_proj_bias",
                {3 * width, width},
                Init::kFanIn,
                role},
               {layout, name + ".self_attn.out_proj", {width, width}, Init::kFanIn, role},
               {layout, name + ".linear1", {4 * width, width}, Init::kFanIn, role},
               {layout, name + ".linear2", {width, 4 * width}, Init::kFanIn, role},
               {layout, name + ".norm1", {width}, Init::kOnes, role},
               {layout, name + ".norm2", {width}, Init::kOnes, role}} {}
  std::string kind() const override { return "transformer_layer"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto w = weights(p);
    const auto own = layer_by_kernels(w, heads_, input.values, input.mask);
    return {own ? *own : layer_by_libtorch(w, heads_, input.values, input.mask), input.mask};
  }
  Shown shown(const Tensors& p, const torch::Tensor& tokens) const override {
    const Tensors parts = heads_of(weights(p), heads_, tokens, 1, 2);
    return {parts[0], parts[1]};
  }
  torch::Tensor looking(const Tensors& p, const torch::Tensor& tokens,
                        const Shown& at) const override {
    const auto w = weights(p);
    return after(w, tokens, heads_of(w, heads_, tokens, 0, 1)[0], at);
  }

 private:
  LayerWeights weights(const Tensors& p) const {
    LayerWeights weights;
    for (const auto& part : parts_)
      for (const auto place : {part.weight, part.bias}) weights.all.push_back(at(p, place));
    return weights;
  }

  std::int64_t heads_;
  Affine parts_[LayerWeights::kParts];
};

}  // namespace

torch::Tensor affine(const Tensors& p, const Affine& linear, const torch::Tensor& x) {
  return torch::linear(x, at(p, linear.weight), at(p, linear.bias));
}

torch::Tensor layer_norm(const Tensors& p, const Affine& norm, const torch::Tensor& x) {
  return torch::layer_norm(x, {x.size(-1)}, at(p, norm.weight), at(p, norm.bias),
                           kLayerNormEpsilon);
}

torch::Tensor layer_by_libtorch(const LayerWeights& weights, std::int64_t heads,
                                const torch::Tensor& x, const torch::Tensor& mask) {
  const Tensors parts = heads_of(weights, heads, x, 0, 3);
  return after(weights, x, parts[0], {parts[1], parts[2], mask});
}

std::int64_t attention_heads(const std::string& key, std::int64_t width) {
  CUTTLE_VALIDATE(width % kHeadWidth == 0 || (width < kHeadWidth && width % 2 == 0),
                  "{}: attention has heads of {} columns, and {} cannot be divided so; use a "
                  "multiple of {}, or an even width below",
                  key, kHeadWidth, width, kHeadWidth);
  return std::max<std::int64_t>(1, width / kHeadWidth);
}

std::unique_ptr<const AttentionLayer> make_transformer_layer(ParameterLayout& layout,
                                                             const std::string& name,
                                                             std::int64_t width, std::int64_t heads,
                                                             ParameterRole role) {
  return std::make_unique<TransformerLayer>(layout, name, width, heads, role);
}

}  // namespace cuttle
