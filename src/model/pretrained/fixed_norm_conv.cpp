#include "model/pretrained/fixed_norm_conv.hpp"

#include <torch/types.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace cuttle {
namespace {

std::pair<std::int64_t, std::int64_t> padding_of(std::int64_t n, const ConvShape& shape) {
  if (shape.padding == ConvShape::Padding::kCentred) return {shape.kernel / 2, shape.kernel / 2};
  const std::int64_t out = (n + shape.stride - 1) / shape.stride;
  const std::int64_t all = std::max<std::int64_t>(0, (out - 1) * shape.stride + shape.kernel - n);
  return {all / 2, all - all / 2};
}

torch::Tensor gated(const torch::Tensor& x, ConvShape::Gate gate) {
  if (gate == ConvShape::Gate::kNone) return x;
  return gate == ConvShape::Gate::kRelu ? torch::relu(x) : torch::clamp(x, 0, 6);
}

class MeanOverPlaces final : public Block {
 public:
  std::string kind() const override { return "mean_over_places"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    return {input.values.mean({2, 3}), {}};
  }
};

}  // namespace

FixedNormConv::FixedNormConv(Weights& weights, const std::string& conv, const std::string& norm,
                             const ConvShape& shape, double eps, bool learns)
    : shape_(shape),
      weight_(weights.take(conv + ".weight",
                           {shape.out, shape.by_channel ? 1 : shape.in, shape.kernel, shape.kernel},
                           learns)),
      norm_(weights.affine(norm, {shape.out}, learns)),
      mean_(weights.hold(norm + ".running_mean", {shape.out})),
      over_deviation_(
          (weights.hold(norm + ".running_var", {shape.out}).to(torch::kFloat64) + eps).rsqrt()) {
  if (learns) return;
  const auto scale = norm_.weight.held.to(torch::kFloat64) * over_deviation_;
  folded_bias_ =
      (norm_.bias.held.to(torch::kFloat64) - mean_.to(torch::kFloat64) * scale).to(torch::kFloat32);
  weight_.held = (weight_.held.to(torch::kFloat64) * scale.view({-1, 1, 1, 1}))
                     .to(torch::kFloat32)
                     .contiguous(torch::MemoryFormat::ChannelsLast);
}

torch::Tensor FixedNormConv::forward(const Tensors& p, torch::Tensor x) const {
  const auto [top, bottom] = padding_of(x.size(2), shape_);
  const auto [left, right] = padding_of(x.size(3), shape_);
  const bool padded = top != bottom || left != right;
  if (padded) x = torch::constant_pad_nd(x, {left, right, top, bottom});
  const std::vector<std::int64_t> padding{padded ? 0 : top, padded ? 0 : left};
  const std::int64_t groups = shape_.by_channel ? shape_.out : 1;
  x = torch::conv2d(x, weight_.in(p), folded_bias_, shape_.stride, padding, 1, groups);
  if (!folded_bias_.defined()) {
    const auto scale = (norm_.weight.in(p)*over_deviation_.to(x.dtype())).view({1, -1, 1, 1});
    x = (x - mean_.to(x.dtype()).view({1, -1, 1, 1})) * scale +
        norm_.bias.in(p).view({1, -1, 1, 1});
  }
  return gated(x, shape_.gate);
}

std::unique_ptr<const Block> make_mean_over_places() {
  return std::make_unique<MeanOverPlaces>();
}

}  // namespace cuttle
