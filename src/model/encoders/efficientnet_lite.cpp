#include <torch/types.h>

#include <algorithm>
#include <string>

#include "cuttle/core/error.hpp"
#include "model/encoders/common.hpp"
#include "model/pretrained/fixed_norm_conv.hpp"
#include "model/pretrained/picture.hpp"
#include "model/pretrained/weights.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

using Padding = ConvShape::Padding;
using Gate = ConvShape::Gate;

/// Stem or head: one convolution.
class LiteConv final : public Block {
 public:
  explicit LiteConv(FixedNormConv conv) : conv_(std::move(conv)) {}
  std::string kind() const override { return "normed_conv"; }
  bool samples_apart() const override { return true; }
  bool fused() const override { return conv_.on_kernels(); }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    return {conv_.forward(p, input.values), {}};
  }

 private:
  FixedNormConv conv_;
};

/// Wide in the middle, where each channel is convolved by itself; added to what came in where both
/// are of one shape (Sandler et al. 2018, without squeeze and excitation).
class InvertedResidual final : public Block {
 public:
  InvertedResidual(Weights& weights, const std::string& name, const ConvShape& by_channel,
                   std::int64_t in, std::int64_t out, double eps, bool learns)
      : depthwise_(weights, name + "._depthwise_conv", name + "._bn1", by_channel, eps, learns),
        project_(weights, name + "._project_conv", name + "._bn2", {by_channel.out, out}, eps,
                 learns),
        adds_(by_channel.stride == 1 && in == out) {
    if (by_channel.in != in)
      expand_.emplace_back(weights, name + "._expand_conv", name + "._bn0",
                           ConvShape{in, by_channel.in, 1, 1, Padding::kSame, Gate::kRelu6}, eps,
                           learns);
  }
  std::string kind() const override { return "inverted_residual"; }
  bool samples_apart() const override { return true; }
  bool fused() const override { return depthwise_.on_kernels(); }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    auto x = input.values;
    for (const FixedNormConv& expand : expand_) x = expand.forward(p, x);
    x = project_.forward(p, depthwise_.forward(p, x));
    return {adds_ ? x + input.values : x, {}};
  }

 private:
  std::vector<FixedNormConv> expand_;  ///< one or none
  FixedNormConv depthwise_, project_;
  bool adds_;
};

/// One of the record's stages.
struct Stage {
  std::int64_t repeats, kernel, stride, expansion, channels;
};

std::vector<Stage> stages_of(const Weights& weights) {
  std::vector<Stage> stages;
  for (const auto& row : weights.entry("sizes", "stages")) {
    const auto of = weights.sizes_in(row, 5, "sizes.stages has",
                                     "a stage is [repeats, kernel, stride, expansion, channels]");
    stages.push_back({of[0], of[1], of[2], of[3], of[4]});
  }
  return stages;
}

/// Pictures through a trained EfficientNet-Lite.
class EfficientNetLite final : public PretrainedEncoder {
 public:
  using Options = PretrainedOptions;
  EfficientNetLite(const EncoderRequest& request, const Options& options)
      : EfficientNetLite(request, Weights(request, options, "efficientnet_lite")) {}

  ModalityInput prepare(const RawModality& raw) const override { return picture_.read(raw); }

 private:
  EfficientNetLite(const EncoderRequest& request, Weights weights) : picture_(request, weights) {
    const std::int64_t stem = weights.number("sizes", "stem");
    const auto stages = stages_of(weights);
    const double eps = weights.real("sizes", "eps");
    std::int64_t count = 2, place = 0, in = stem;
    for (const Stage& stage : stages) count += stage.repeats;
    blocks_.push_back(std::make_unique<LiteConv>(
        FixedNormConv(weights, "_conv_stem", "_bn0", {3, stem, 3, 2, Padding::kSame, Gate::kRelu6},
                      eps, weights.learns(place, count))));
    for (const Stage& stage : stages)
      for (std::int64_t i = 0; i < stage.repeats; ++i) {
        const std::int64_t wide = in * stage.expansion, stride = i == 0 ? stage.stride : 1;
        const std::string name = "_blocks." + std::to_string(place++);
        blocks_.push_back(std::make_unique<InvertedResidual>(
            weights, name,
            ConvShape{wide, wide, stage.kernel, stride, Padding::kSame, Gate::kRelu6, true}, in,
            stage.channels, eps, weights.learns(place, count)));
        in = stage.channels;
      }
    width_ = weights.number("sizes", "head");
    blocks_.push_back(std::make_unique<LiteConv>(FixedNormConv(
        weights, "_conv_head", "_bn1", {in, width_, 1, 1, Padding::kSame, Gate::kRelu6}, eps,
        weights.learns(count - 1, count))));
    tokens_end_here(width_);
    blocks_.push_back(make_mean_over_places());
    holds(weights);
  }

  PictureInput picture_;
};

}  // namespace

EncoderType row_of_efficientnet_lite() {
  return type_of<EfficientNetLite, EncoderType>(
      "images: a trained EfficientNet-Lite (weights: FILE)", "Tan and Le 2019");
}

}  // namespace cuttle
