#include "model/blocks/attention.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr double kLayerNormEpsilon = 1e-5;
constexpr std::int64_t kHeadWidth = 32;

/// Attention is composed of matmul and softmax: fused attention has no double backward.
class TransformerLayer final : public AttentionLayer {
 public:
  TransformerLayer(ParameterLayout& layout, const std::string& name, std::int64_t width,
                   std::int64_t heads, ParameterRole role)
      : heads_(heads),
        in_(layout, name + ".self_attn.in_proj_weight", name + ".self_attn.in_proj_bias",
            {3 * width, width}, Init::kFanIn, role),
        out_(layout, name + ".self_attn.out_proj", {width, width}, Init::kFanIn, role),
        up_(layout, name + ".linear1", {4 * width, width}, Init::kFanIn, role),
        down_(layout, name + ".linear2", {width, 4 * width}, Init::kFanIn, role),
        norm1_(layout, name + ".norm1", {width}, Init::kOnes, role),
        norm2_(layout, name + ".norm2", {width}, Init::kOnes, role) {}
  std::string kind() const override { return "transformer_layer"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const Tensors parts = heads_of(p, input.values, 0, 3);
    return {after(p, input.values, parts[0], {parts[1], parts[2], input.mask}), input.mask};
  }
  Shown shown(const Tensors& p, const torch::Tensor& tokens) const override {
    const Tensors parts = heads_of(p, tokens, 1, 2);
    return {parts[0], parts[1]};
  }
  torch::Tensor looking(const Tensors& p, const torch::Tensor& tokens,
                        const Shown& at) const override {
    return after(p, tokens, heads_of(p, tokens, 0, 1)[0], at);
  }

 private:
  /// `count` of queries, keys and values, from `first` on: [m, h, T, W / h] each.
  Tensors heads_of(const Tensors& p, const torch::Tensor& x, std::int64_t first,
                   std::int64_t count) const {
    const std::int64_t width = x.size(2);
    const auto of = [&](std::int64_t place) {
      return count == 3 ? at(p, place) : at(p, place).narrow(0, first * width, count * width);
    };
    const auto all = torch::linear(layer_norm(p, norm1_, x), of(in_.weight), of(in_.bias))
                         .view({x.size(0), x.size(1), count, heads_, width / heads_});
    Tensors parts;
    for (std::int64_t i = 0; i < count; ++i) parts.push_back(all.select(2, i).transpose(1, 2));
    return parts;
  }
  /// The layer's output for tokens x with these queries.
  torch::Tensor after(const Tensors& p, torch::Tensor x, const torch::Tensor& queries,
                      const Shown& shown) const {
    const double scale = 1.0 / std::sqrt(static_cast<double>(x.size(2) / heads_));
    auto scores = torch::matmul(queries * scale, shown.keys.transpose(2, 3));  // [m, h, T, S]
    // Not minus infinity: a sample without any real step would be NaN rather than nothing.
    const auto& mask = shown.mask;
    if (mask.defined())
      scores = scores.masked_fill((mask == 0).view({mask.size(0), 1, 1, mask.size(1)}), -1e30);
    const auto mixed = torch::matmul(torch::softmax(scores, 3), shown.values).transpose(1, 2);
    x = x + affine(p, out_, mixed.reshape(x.sizes()));
    return x + affine(p, down_, torch::gelu(affine(p, up_, layer_norm(p, norm2_, x))));
  }

  std::int64_t heads_;
  Affine in_, out_, up_, down_, norm1_, norm2_;
};

}  // namespace

torch::Tensor affine(const Tensors& p, const Affine& linear, const torch::Tensor& x) {
  return torch::linear(x, at(p, linear.weight), at(p, linear.bias));
}

torch::Tensor layer_norm(const Tensors& p, const Affine& norm, const torch::Tensor& x) {
  return torch::layer_norm(x, {x.size(-1)}, at(p, norm.weight), at(p, norm.bias),
                           kLayerNormEpsilon);
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
