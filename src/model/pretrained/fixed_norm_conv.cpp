#include "model/pretrained/fixed_norm_conv.hpp"

#include <torch/types.h>

#include <algorithm>
#include <limits>
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
  pack();
}

void FixedNormConv::pack() {
  const bool relu6 = shape_.gate == ConvShape::Gate::kRelu6;
  const kernels::HeldConvShape shape{shape_.in,
                                     shape_.out,
                                     shape_.kernel,
                                     shape_.stride,
                                     shape_.by_channel,
                                     shape_.gate != ConvShape::Gate::kNone,
                                     relu6 ? 6.0F : std::numeric_limits<float>::infinity()};
  if (!weight_.held.is_cpu() || !kernels::HeldConv::fits(shape)) return;
  // [out, in, height, width] to [out, height, width, in]
  const auto turned = weight_.held.permute({0, 2, 3, 1}).contiguous();
  packed_ = std::make_shared<const kernels::HeldConv>(shape, turned.const_data_ptr<float>(),
                                                      folded_bias_.const_data_ptr<float>());
}

torch::Tensor FixedNormConv::forward(const Tensors& p, torch::Tensor x) const {
  const auto [top, bottom] = padding_of(x.size(2), shape_);
  const auto [left, right] = padding_of(x.size(3), shape_);
  if (packed_ && x.is_cpu() && x.scalar_type() == torch::kFloat32 && !x.requires_grad()) {
    const auto out = [&](std::int64_t size) { return (size - shape_.kernel) / shape_.stride + 1; };
    const kernels::HeldConvPlace place{x.size(2),
                                       x.size(3),
                                       top,
                                       left,
                                       out(x.size(2) + top + bottom),
                                       out(x.size(3) + left + right)};
    const auto from = x.contiguous(torch::MemoryFormat::ChannelsLast);
    auto made = torch::empty({x.size(0), shape_.out, place.out_height, place.out_width},
                             x.options().memory_format(torch::MemoryFormat::ChannelsLast));
    packed_->forward(x.size(0), place, from.const_data_ptr<float>(), made.data_ptr<float>());
    return made;
  }
  const bool padded = top != bottom || left != right;
  if (padded) x = torch::constant_pad_nd(x, {left, right, top, bottom});
  const std::vector<std::int64_t> padding{padded ? 0 : top, padded ? 0 : left};
  const std::int64_t groups = shape_.by_channel ? shape_.out : 1;
  std::int64_t stride = shape_.stride;
  // A kernel of one place sees each stride-th pixel alone. As one operation its derivative writes
  // past its end in oneDNN (LibTorch 2.11, AVX2, channels innermost, fewer than 8).
  if (shape_.kernel == 1 && stride > 1) {
    x = x.slice(2, 0, x.size(2), stride).slice(3, 0, x.size(3), stride);
    stride = 1;
  }
  x = torch::conv2d(x, weight_.in(p), folded_bias_, stride, padding, 1, groups);
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
