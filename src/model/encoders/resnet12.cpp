#include <torch/types.h>

#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"
#include "model/blocks/fused_block.hpp"
#include "model/encoders/common.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

constexpr double kSlope = 0.1;  // of the leaky ReLU below zero
constexpr std::int64_t kStages = 4;

/// A convolution that keeps the size, the norm after it, which takes the place of a bias, and a
/// leaky ReLU.
class NormedConv {
 public:
  NormedConv(ParameterLayout& layout, const std::string& conv, const std::string& norm,
             std::int64_t in, std::int64_t out, std::int64_t kernel, const NormOptions& options)
      : padding_(kernel / 2),
        weight_(layout.add({conv + ".weight", {out, in, kernel, kernel}})),
        norm_(make_norm(layout, norm, out, options)),
        bias_(norm_->active() ? -1 : layout.add({conv + ".bias", {out}, Init::kZeros})),
        fused_(options.fused && norm_->fuses()) {}

  /// `slope`: 1 for no ReLU.
  torch::Tensor forward(const Tensors& p, const torch::Tensor& x, double slope,
                        const Context& context) const {
    const auto bias = bias_ < 0 ? torch::Tensor() : at(p, bias_);
    if (fused_)
      if (const auto y =
              by_kernels(*norm_, p, x, {at(p, weight_), bias}, {}, {slope, false}, context))
        return *y;
    auto y = norm_->forward(p, torch::conv2d(x, at(p, weight_), bias, 1, padding_), {}, context);
    // In place: nobody keeps what a norm gives, and a leaky ReLU's derivative can be told from its
    // result, so the graph holds one activation less. At 84x84 and width 64 one activation of 75
    // images is 135 MB.
    return slope < 1 ? torch::leaky_relu_(y, slope) : y;
  }
  bool samples_apart() const { return norm_->samples_apart(); }
  bool uses_support() const { return norm_->uses_support(); }
  bool trains_apart() const { return norm_->trains_apart(); }
  bool fused() const { return fused_; }

 private:
  std::int64_t padding_, weight_;
  std::unique_ptr<const Norm> norm_;
  std::int64_t bias_;
  bool fused_;
};

/// Three 3x3 convolutions beside a 1x1 convolution, each with its norm; the sum, leaky ReLU, 2x2
/// max-pool (floor). Parameters as PyTorch's residual networks have them: conv1, bn1, ...,
/// downsample.0 (convolution), downsample.1 (norm).
class ResidualBlock final : public Block {
 public:
  ResidualBlock(ParameterLayout& layout, const std::string& name, std::int64_t in, std::int64_t out,
                const NormOptions& norm)
      : first_(layout, name + ".conv1", name + ".bn1", in, out, 3, norm),
        second_(layout, name + ".conv2", name + ".bn2", out, out, 3, norm),
        third_(layout, name + ".conv3", name + ".bn3", out, out, 3, norm),
        shortcut_(layout, name + ".downsample.0", name + ".downsample.1", in, out, 1, norm) {}
  std::string kind() const override { return "residual_conv_norm_pool"; }
  bool samples_apart() const override { return first_.samples_apart(); }
  bool uses_support() const override { return first_.uses_support(); }
  bool trains_apart() const override { return first_.trains_apart(); }
  bool fused() const override { return first_.fused(); }
  Signal forward(const Tensors& p, const Signal& input, const Context& context) const override {
    auto x = first_.forward(p, input.values, kSlope, context);
    x = second_.forward(p, x, kSlope, context);
    x = third_.forward(p, x, 1, context) + shortcut_.forward(p, input.values, 1, context);
    return {torch::max_pool2d(torch::leaky_relu_(x, kSlope), 2), {}};
  }

 private:
  NormedConv first_, second_, third_, shortcut_;
};

/// [m, C, H, W] -> [m, C].
class GlobalMeanBlock final : public Block {
 public:
  std::string kind() const override { return "global_mean"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    return {input.values.mean(torch::IntArrayRef{2, 3}), {}};
  }
};

struct ResNetOptions {
  std::int64_t width = 64;
  Section norm{"support"};
  bool fused = true;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "filters of the first stage");
    tell_norm(keys, norm, fused);
  }
};

/// ResNet-12: four stages of one residual block each and the mean over what is left of the image
/// (Oreshkin et al. 2018, "TADAM"), with the widths of Lee et al. 2019, "MetaOptNet": 64, 160, 320,
/// 640 at width 64, and their leaky ReLU. Without their DropBlock.
class ResNetEncoder final : public Encoder {
 public:
  using Options = ResNetOptions;
  ResNetEncoder(const EncoderRequest& request, const Options& options) : spec_(request.spec) {
    expect_kind(request, {ModalityKind::kImage});
    CUTTLE_VALIDATE(options.width % 2 == 0,
                    "model.encoders.{}.width: the second stage of resnet12 has 2.5 times the "
                    "filters of the first, and {} is odd; use an even width",
                    spec_.name, options.width);
    constexpr std::int64_t kLeast = 1 << kStages;
    CUTTLE_VALIDATE(spec_.shape[0] >= kLeast && spec_.shape[1] >= kLeast,
                    "model.encoders.{}.type: resnet12 halves an image {} times, and {}x{} leaves "
                    "nothing; it needs {}x{} or more",
                    spec_.name, kStages, spec_.shape[0], spec_.shape[1], kLeast, kLeast);
    const std::vector<std::int64_t> widths{options.width, options.width * 5 / 2, options.width * 5,
                                           options.width * 10};
    const auto norm = norm_of(request, options.norm, options.fused);
    std::int64_t in = spec_.shape[2], stage = 0;
    for (const std::int64_t out : widths) {
      const std::string name = request.prefix + ".layer" + std::to_string(++stage) + ".0";
      blocks_.push_back(std::make_unique<ResidualBlock>(request.layout, name, in, out, norm));
      in = out;
    }
    tokens_end_here(in);
    blocks_.push_back(std::make_unique<GlobalMeanBlock>());
    width_ = in;
  }
  ModalityInput prepare(const RawModality& raw) const override { return image_input(raw, spec_); }

 private:
  ModalitySpec spec_;
};

}  // namespace

EncoderType row_of_resnet12() {
  return type_of<ResNetEncoder, EncoderType>("images: four residual stages",
                                             "Oreshkin et al. 2018, Lee et al. 2019");
}

}  // namespace cuttle
