#include <torch/types.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "model/encoders/common.hpp"
#include "model/pretrained/fixed_norm_conv.hpp"
#include "model/pretrained/picture.hpp"
#include "model/pretrained/weights.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

constexpr double kNormEps = 1e-5;
constexpr std::size_t kResNetStages = 4;

/// A convolution of 7 x 7, then the largest of 3 x 3; each halves the picture.
class ResNetStem final : public Block {
 public:
  ResNetStem(Weights& weights, std::int64_t width, bool learns)
      : conv_(weights, "conv1", "bn1", {3, width, 7, 2, {}, ConvShape::Gate::kRelu}, kNormEps,
              learns) {}
  std::string kind() const override { return "resnet_stem"; }
  bool samples_apart() const override { return true; }
  bool fused() const override { return conv_.on_kernels(); }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    return {torch::max_pool2d(conv_.forward(p, input.values), 3, 2, 1), {}};
  }

 private:
  FixedNormConv conv_;
};

/// What a block is made of: `wide` output channels, `width` between them.
struct ResidualShape {
  std::int64_t in, width, wide, stride;
  bool bottleneck;
};

/// Two convolutions of 3 x 3, or one of 3 x 3 between two of 1 x 1 that narrow and widen, added to
/// what came in (or to a map of it, where the shapes differ), then ReLU. The convolution of 3 x 3
/// that comes first has the stride, as torchvision has it.
class FixedResidual final : public Block {
 public:
  FixedResidual(Weights& weights, const std::string& name, const ResidualShape& shape,
                bool learns) {
    const auto conv = [&](std::int64_t number, const ConvShape& of) {
      const std::string end = std::to_string(number);
      convs_.emplace_back(weights, name + ".conv" + end, name + ".bn" + end, of, kNormEps, learns);
    };
    constexpr auto kRelu = ConvShape::Gate::kRelu;
    if (shape.bottleneck) {
      conv(1, {shape.in, shape.width, 1, 1, {}, kRelu});
      conv(2, {shape.width, shape.width, 3, shape.stride, {}, kRelu});
      conv(3, {shape.width, shape.wide});
    } else {
      conv(1, {shape.in, shape.width, 3, shape.stride, {}, kRelu});
      conv(2, {shape.width, shape.wide, 3});
    }
    if (shape.stride != 1 || shape.in != shape.wide)
      shortcut_.emplace(weights, name + ".downsample.0", name + ".downsample.1",
                        ConvShape{shape.in, shape.wide, 1, shape.stride}, kNormEps, learns);
  }
  std::string kind() const override { return "fixed_residual"; }
  bool samples_apart() const override { return true; }
  bool fused() const override { return convs_.front().on_kernels(); }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    auto x = input.values;
    for (const FixedNormConv& conv : convs_) x = conv.forward(p, x);
    return {torch::relu(x + (shortcut_ ? shortcut_->forward(p, input.values) : input.values)), {}};
  }

 private:
  std::vector<FixedNormConv> convs_;
  std::optional<FixedNormConv> shortcut_;
};

/// Pictures through a trained ResNet of basic blocks (18, 34) or bottlenecks (50 and deeper).
class ResNet final : public PretrainedEncoder {
 public:
  using Options = PretrainedOptions;
  ResNet(const EncoderRequest& request, const Options& options)
      : ResNet(request, Weights(request, options, "resnet")) {}

  ModalityInput prepare(const RawModality& raw) const override { return picture_.read(raw); }

 private:
  ResNet(const EncoderRequest& request, Weights weights) : picture_(request, weights) {
    const std::string key = "model.encoders." + request.spec.name + ".weights";
    const std::string block = weights.text("sizes", "block");
    CUTTLE_VALIDATE(block == "basic" || block == "bottleneck",
                    "{}: sizes.block is {}, and a ResNet is of basic or bottleneck blocks; make "
                    "the file again with cuttle-data weights",
                    key, block);
    const auto layers = weights.sizes_in(weights.entry("sizes", "layers"), kResNetStages,
                                         "sizes.layers is", "a ResNet has four numbers of blocks");
    std::int64_t count = 1, place = 0, width = weights.number("sizes", "width");
    for (const std::int64_t blocks : layers) count += blocks;
    blocks_.push_back(std::make_unique<ResNetStem>(weights, width, weights.learns(place++, count)));
    const std::int64_t widening = block == "bottleneck" ? 4 : 1;
    width_ = width;
    for (std::size_t stage = 0; stage < layers.size(); ++stage, width *= 2)
      for (std::int64_t i = 0; i < layers[stage]; ++i, width_ = width * widening)
        blocks_.push_back(std::make_unique<FixedResidual>(
            weights, fmt::format("layer{}.{}", stage + 1, i),
            ResidualShape{width_, width, width * widening, stage > 0 && i == 0 ? 2 : 1,
                          widening > 1},
            weights.learns(place++, count)));
    tokens_end_here(width_);
    blocks_.push_back(make_mean_over_places());
    holds(weights);
  }

  PictureInput picture_;
};

}  // namespace

EncoderType row_of_resnet() {
  return type_of<ResNet, EncoderType>(
      "images: a trained ResNet-18, 34, 50 or deeper (weights: FILE)", "He et al. 2016");
}

}  // namespace cuttle
