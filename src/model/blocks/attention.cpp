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
class TransformerLayer final : public Block {
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
    auto x = input.values + attend(p, layer_norm(p, norm1_, input.values), input.mask);
    x = x + affine(p, down_, torch::gelu(affine(p, up_, layer_norm(p, norm2_, x))));
    return {x, input.mask};
  }

 private:
  torch::Tensor attend(const Tensors& p, const torch::Tensor& x, const torch::Tensor& mask) const {
    const std::int64_t m = x.size(0), steps = x.size(1), width = x.size(2);
    const auto parts = affine(p, in_, x).view({m, steps, 3, heads_, width / heads_});
    const auto part = [&](std::int64_t which) { return parts.select(2, which).transpose(1, 2); };
    const double scale = 1.0 / std::sqrt(static_cast<double>(width / heads_));
    const auto scores = torch::matmul(part(0) * scale, part(1).transpose(2, 3));  // [m, h, T, T]
    // Not minus infinity: a sample without any real step would be NaN rather than nothing.
    const auto padded = (mask == 0).view({m, 1, 1, steps});
    const auto weights = torch::softmax(scores.masked_fill(padded, -1e30), 3);
    const auto mixed = torch::matmul(weights, part(2)).transpose(1, 2);
    return affine(p, out_, mixed.reshape({m, steps, width}));
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

std::unique_ptr<const Block> make_transformer_layer(ParameterLayout& layout,
                                                    const std::string& name, std::int64_t width,
                                                    std::int64_t heads, ParameterRole role) {
  return std::make_unique<TransformerLayer>(layout, name, width, heads, role);
}

}  // namespace cuttle
