#include <torch/types.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"
#include "model/encoders/common.hpp"
#include "model/pretrained/attention.hpp"
#include "model/pretrained/wave.hpp"
#include "model/pretrained/weights.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

constexpr double kConvEps = 1e-5;              // of the norms between convolutions
constexpr std::int64_t kMostSamples = 100000;  // that one frame may come from

struct WaveShape {
  std::int64_t width, heads, inner;
  double eps;
  std::string activation;
  bool pre_norm;
};

/// A convolution over time, a norm or none, GELU: [1, C, n] -> [1, out, (n - kernel) / stride + 1].
class WaveConv {
 public:
  enum class Norm { kNone, kEachChannel, kEachStep };

  WaveConv(Weights& weights, std::int64_t i, std::int64_t in, std::int64_t out, std::int64_t kernel,
           std::int64_t stride, Norm norm, bool learns)
      : kernel_(kernel), stride_(stride), norm_(norm) {
    const std::string name = "feature_extractor.conv_layers." + std::to_string(i);
    weight_ = weights.take(name + ".conv.weight", {out, in, kernel}, learns);
    if (weights.flag("sizes", "bias")) bias_ = weights.take(name + ".conv.bias", {out}, learns);
    if (norm != Norm::kNone) affine_ = weights.affine(name + ".layer_norm", {out}, learns);
  }
  /// Samples that `frames` of it come from, and frames that come from samples.
  std::int64_t samples(std::int64_t frames) const { return (frames - 1) * stride_ + kernel_; }
  torch::Tensor forward(const Tensors& p, torch::Tensor x) const {
    x = torch::conv1d(x, weight_.in(p), bias_.in(p), stride_);
    if (norm_ == Norm::kEachChannel)
      x = torch::layer_norm(x, {x.size(2)}, {}, {}, kConvEps) * affine_.weight.in(p).unsqueeze(1) +
          affine_.bias.in(p).unsqueeze(1);
    else if (norm_ == Norm::kEachStep)
      x = layer_norm(p, affine_, x.transpose(1, 2), kConvEps).transpose(1, 2);
    return torch::gelu(x);
  }

 private:
  std::int64_t kernel_, stride_;
  Norm norm_;
  Given weight_, bias_;
  GivenAffine affine_;
};

/// Waves [m, n] to frames [m, T, W]: convolutions of each sample by itself, since norms may run
/// over its whole length, a linear layer, and what stands around each frame as its place.
class WaveFrames final : public Block {
 public:
  WaveFrames(Weights& weights, const WaveShape& shape, bool learns) : shape_(shape) {
    const auto list = [&](const char* name) {
      const auto& entry = weights.entry("sizes", name);
      return weights.sizes_in(entry, entry.size(), name, "each convolution has one");
    };
    const auto channels = list("channels"), kernels = list("kernels"), strides = list("strides");
    CUTTLE_VALIDATE(
        !channels.empty() && channels.size() == kernels.size() && channels.size() == strides.size(),
        "{}: {} convolutions have {} kernels and {} strides; make it again with "
        "cuttle-data weights",
        weights.source(), channels.size(), kernels.size(), strides.size());
    const bool each_step = weights.flag("sizes", "step_norms");
    std::int64_t in = 1;
    for (std::size_t i = 0; i < channels.size(); ++i) {
      const auto norm = each_step ? WaveConv::Norm::kEachStep
                        : i == 0  ? WaveConv::Norm::kEachChannel
                                  : WaveConv::Norm::kNone;
      convs_.emplace_back(weights, static_cast<std::int64_t>(i), in, channels[i], kernels[i],
                          strides[i], norm, learns);
      in = channels[i];
    }
    for (auto conv = convs_.rbegin(); conv != convs_.rend() && least_ <= kMostSamples; ++conv)
      least_ = conv->samples(least_);
    groups_ = weights.number("sizes", "groups");
    places_kernel_ = weights.number("sizes", "places");
    CUTTLE_VALIDATE(least_ <= kMostSamples && shape.width % groups_ == 0,
                    "{}: a frame of {} samples, {} columns in {} groups (no such model is known); "
                    "make it again with cuttle-data weights",
                    weights.source(), least_, shape.width, groups_);
    norm_ = weights.affine("feature_projection.layer_norm", {in}, learns);
    projection_ = weights.affine("feature_projection.projection", {shape.width, in}, learns);
    const std::string place = "encoder.pos_conv_embed.conv";
    places_ = {weights.take(place + ".weight", {shape.width, shape.width / groups_, places_kernel_},
                            learns),
               weights.take(place + ".bias", {shape.width}, learns)};
    if (!shape.pre_norm) last_ = weights.affine("encoder.layer_norm", {shape.width}, learns);
  }
  std::string kind() const override { return "wave_frames"; }
  bool samples_apart() const override { return true; }
  /// Samples of the shortest sound that makes a frame.
  std::int64_t least() const { return least_; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto lengths = lengths_of(input);
    Tensors rows, masks;
    std::int64_t longest = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      auto x = input.values[static_cast<std::int64_t>(i)].narrow(0, 0, lengths[i]).view({1, 1, -1});
      for (const auto& conv : convs_) x = conv.forward(p, x);
      rows.push_back(affine(p, projection_, layer_norm(p, norm_, x[0].t(), shape_.eps)));
      longest = std::max(longest, rows.back().size(0));
    }
    for (auto& row : rows) {
      const std::int64_t more = longest - row.size(0);
      masks.push_back(torch::constant_pad_nd(torch::ones({row.size(0)}), {0, more}));
      row = torch::constant_pad_nd(row, {0, 0, 0, more});
    }
    const auto frames = torch::stack(rows);
    const auto around = torch::conv1d(frames.transpose(1, 2), places_.weight.in(p),
                                      places_.bias.in(p), 1, places_kernel_ / 2, 1, groups_);
    // An even kernel gives one more than there are.
    const auto x = frames + torch::gelu(around.narrow(2, 0, longest)).transpose(1, 2);
    return {last_ ? layer_norm(p, *last_, x, shape_.eps) : x,
            torch::stack(masks).to(input.values.device())};
  }

 private:
  WaveShape shape_;
  std::vector<WaveConv> convs_;
  std::int64_t least_ = 1, groups_, places_kernel_;
  GivenAffine norm_, projection_, places_;
  std::optional<GivenAffine> last_;
};

/// Self-attention and a perceptron, normalised before each (Xiong et al. 2020) or after.
class WaveLayer final : public Block {
 public:
  WaveLayer(Weights& weights, const std::string& name, const WaveShape& shape, bool learns)
      : shape_(shape) {
    const auto square = [&](const char* part) {
      return weights.affine(name + ".attention." + part, {shape.width, shape.width}, learns);
    };
    queries_ = square("q_proj");
    keys_ = square("k_proj");
    values_ = square("v_proj");
    out_ = square("out_proj");
    norm1_ = weights.affine(name + ".layer_norm", {shape.width}, learns);
    up_ = weights.affine(name + ".feed_forward.intermediate_dense", {shape.inner, shape.width},
                         learns);
    down_ = weights.affine(name + ".feed_forward.output_dense", {shape.width, shape.inner}, learns);
    norm2_ = weights.affine(name + ".final_layer_norm", {shape.width}, learns);
  }
  std::string kind() const override { return "wave_layer"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto normed = [&](const GivenAffine& norm, const torch::Tensor& x, bool here) {
      return here ? layer_norm(p, norm, x, shape_.eps) : x;
    };
    const bool pre = shape_.pre_norm;
    const auto seen = normed(norm1_, input.values, pre);
    const auto part = [&](const GivenAffine& linear) {
      return in_heads(affine(p, linear, seen), shape_.heads);
    };
    const auto mixed = attended(part(queries_), part(keys_), part(values_), input.mask);
    const auto x = normed(norm1_, input.values + affine(p, out_, mixed), !pre);
    const auto inner = activated(affine(p, up_, normed(norm2_, x, pre)), shape_.activation);
    return {normed(norm2_, x + affine(p, down_, inner), !pre), input.mask};
  }

 private:
  WaveShape shape_;
  GivenAffine queries_, keys_, values_, out_, norm1_, up_, down_, norm2_;
};

/// Sounds through a trained wav2vec 2.0: the wave itself, by convolutions and a transformer. Tokens
/// are its frames.
class Wav2Vec2Encoder final : public PretrainedEncoder {
 public:
  using Options = PretrainedOptions;
  Wav2Vec2Encoder(const EncoderRequest& request, const Options& options)
      : Wav2Vec2Encoder(request, Weights(request, options, "wav2vec2")) {}

  ModalityInput prepare(const RawModality& raw) const override {
    return pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
      auto wave = wave_of(bytes, size);
      if (normalise_ && wave.numel() > 0) {
        const auto exact = wave.to(torch::kFloat64);
        const auto centred = exact - exact.mean();
        wave = (centred / (centred.square().mean() + 1e-7).sqrt()).to(torch::kFloat32);
      }
      const std::int64_t more = std::max<std::int64_t>(0, least_ - wave.numel());
      return torch::constant_pad_nd(wave, {0, more}).contiguous();
    });
  }

 private:
  Wav2Vec2Encoder(const EncoderRequest& request, Weights weights)
      : normalise_(weights.flag("preprocessing", "normalise")) {
    expect_kind(request, {ModalityKind::kAudio});
    expect_rate(request, weights);
    const WaveShape shape{weights.number("sizes", "width"), weights.number("sizes", "heads"),
                          weights.number("sizes", "inner"), weights.real("sizes", "eps"),
                          activation_of(weights),           weights.flag("sizes", "pre_norm")};
    CUTTLE_VALIDATE(shape.width % shape.heads == 0,
                    "{}: {} heads do not divide {} columns; make it again with cuttle-data weights",
                    weights.source(), shape.heads, shape.width);
    const std::int64_t layers = weights.number("sizes", "layers");
    auto frames = std::make_unique<WaveFrames>(weights, shape, weights.learns(0, layers + 1));
    least_ = frames->least();
    blocks_.push_back(std::move(frames));
    for (std::int64_t i = 0; i < layers; ++i)
      blocks_.push_back(std::make_unique<WaveLayer>(weights, "encoder.layers." + std::to_string(i),
                                                    shape, weights.learns(i + 1, layers + 1)));
    if (shape.pre_norm)
      blocks_.push_back(make_last_norm(
          weights.affine("encoder.layer_norm", {shape.width}, weights.learns(layers, layers + 1)),
          shape.eps));
    tokens_end_here(shape.width);
    blocks_.push_back(make_token_pool(weights));
    width_ = shape.width;
    holds(weights);
  }
  torch::Tensor as_tokens(const torch::Tensor& values) const override { return values; }

  bool normalise_;
  std::int64_t least_ = 1;  ///< samples of the shortest sound; others get silence behind
};

}  // namespace

EncoderType row_of_wav2vec2() {
  return type_of<Wav2Vec2Encoder, EncoderType>("audio: a trained wav2vec 2.0 (weights: FILE)",
                                               "Baevski et al. 2020");
}

}  // namespace cuttle
