#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "cuttle/core/error.hpp"
#include "model/encoder_types.hpp"
#include "model/places.hpp"
#include "model/raw.hpp"

namespace cuttle {
namespace {

constexpr double kEpsilon = 1e-5;
constexpr std::int64_t kHeadWidth = 32;

torch::Tensor project(const Tensors& p, const Affine& linear, const torch::Tensor& x) {
  return torch::linear(x, at(p, linear.weight), at(p, linear.bias));
}

/// Layer norm, over the last dimension.
torch::Tensor normalise(const Tensors& p, const Affine& norm, const torch::Tensor& x) {
  return torch::layer_norm(x, {x.size(-1)}, at(p, norm.weight), at(p, norm.bias), kEpsilon);
}

/// x [m, T, W] plus the sinusoids of Vaswani et al. 2017: sines in even columns, cosines in odd
/// ones, wavelengths from 2 pi to 20,000 pi. They need no longest length and no training.
torch::Tensor add_positions(const torch::Tensor& x) {
  const std::int64_t steps = x.size(1), pairs = x.size(2) / 2;
  const auto step = torch::arange(steps, torch::kFloat64).unsqueeze(1);
  const auto rate = torch::exp(torch::arange(pairs, torch::kFloat64) *
                               (-std::log(1e4) / static_cast<double>(pairs)));
  const auto angle = step * rate;
  return x + torch::stack({angle.sin(), angle.cos()}, 2).view({steps, 2 * pairs}).to(x);
}

/// Tokens [m, T] to rows of a table, with positions: [m, T, W].
class TokenEmbedding final : public Block {
 public:
  TokenEmbedding(ParameterLayout& layout, const std::string& name, std::int64_t width)
      : table_(layout.add({name + ".weight", {kTextTokens, width}, Init::kNormal})) {}
  std::string kind() const override { return "token_embedding"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    return {add_positions(look_up(at(p, table_), input.values)), input.mask};
  }

 private:
  std::int64_t table_;
};

/// Steps [m, C, T] through a linear layer, with positions: [m, T, W].
class StepEmbedding final : public Block {
 public:
  StepEmbedding(ParameterLayout& layout, const std::string& name, std::int64_t channels,
                std::int64_t width)
      : linear_(layout, name, {width, channels}) {}
  std::string kind() const override { return "step_embedding"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    return {add_positions(project(p, linear_, input.values.transpose(1, 2))), input.mask};
  }

 private:
  Affine linear_;
};

/// Self-attention and a perceptron of four times the width, each behind a layer norm and added to
/// what came in (pre-norm: Xiong et al. 2020); [m, T, W]. Parameters and arithmetic are those of
/// torch.nn.TransformerEncoderLayer(W, heads, 4 * W, 0, "gelu", norm_first=True). Attention is
/// composed of matmul and softmax: fused attention has no double backward.
class TransformerLayer final : public Block {
 public:
  TransformerLayer(ParameterLayout& layout, const std::string& name, std::int64_t width,
                   std::int64_t heads)
      : heads_(heads),
        in_(layout, name + ".self_attn.in_proj_weight", name + ".self_attn.in_proj_bias",
            {3 * width, width}),
        out_(layout, name + ".self_attn.out_proj", {width, width}),
        up_(layout, name + ".linear1", {4 * width, width}),
        down_(layout, name + ".linear2", {width, 4 * width}),
        norm1_(layout, name + ".norm1", {width}, Init::kOnes),
        norm2_(layout, name + ".norm2", {width}, Init::kOnes) {}
  std::string kind() const override { return "transformer_layer"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    auto x = input.values + attend(p, normalise(p, norm1_, input.values), input.mask);
    x = x + project(p, down_, torch::gelu(project(p, up_, normalise(p, norm2_, x))));
    return {x, input.mask};
  }

 private:
  torch::Tensor attend(const Tensors& p, const torch::Tensor& x, const torch::Tensor& mask) const {
    const std::int64_t m = x.size(0), steps = x.size(1), width = x.size(2);
    const auto parts = project(p, in_, x).view({m, steps, 3, heads_, width / heads_});
    const auto part = [&](std::int64_t which) { return parts.select(2, which).transpose(1, 2); };
    const double scale = 1.0 / std::sqrt(static_cast<double>(width / heads_));
    const auto scores = torch::matmul(part(0) * scale, part(1).transpose(2, 3));  // [m, h, T, T]
    // Not minus infinity: a sample without any real step would be NaN rather than nothing.
    const auto padded = (mask == 0).view({m, 1, 1, steps});
    const auto weights = torch::softmax(scores.masked_fill(padded, -1e30), 3);
    const auto mixed = torch::matmul(weights, part(2)).transpose(1, 2);
    return project(p, out_, mixed.reshape({m, steps, width}));
  }

  std::int64_t heads_;
  Affine in_, out_, up_, down_, norm1_, norm2_;
};

/// Layer norm, then the mean over real steps: [m, T, W] -> [m, W].
class NormedMean final : public Block {
 public:
  NormedMean(ParameterLayout& layout, const std::string& name, std::int64_t width)
      : norm_(layout, name, {width}, Init::kOnes) {}
  std::string kind() const override { return "norm_mean_over_time"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto real = input.mask.unsqueeze(2);
    return {(normalise(p, norm_, input.values) * real).sum(1) / real.sum(1).clamp_min(1.0), {}};
  }

 private:
  Affine norm_;
};

/// Heads of kHeadWidth columns; a narrower model has one.
std::int64_t heads_of(const EncoderRequest& request) {
  const std::int64_t width = request.options.width;
  CUTTLE_VALIDATE(width % kHeadWidth == 0 || (width < kHeadWidth && width % 2 == 0),
                  "model.encoders.{}.width: transformer has heads of {} columns, and {} cannot be "
                  "divided so; use a multiple of {}, or an even width below",
                  request.spec.name, kHeadWidth, width, kHeadWidth);
  return std::max<std::int64_t>(1, width / kHeadWidth);
}

/// Characters of a text or steps of a series that attend to each other (Vaswani et al. 2017).
/// Normalises every step by itself, so samples of a batch do not touch. Time and memory grow with
/// the square of the length: max_length bounds it.
class TransformerEncoder final : public Encoder {
 public:
  explicit TransformerEncoder(const EncoderRequest& request)
      : spec_(request.spec), max_length_(request.options.max_length) {
    expect_kind(request, {ModalityKind::kText, ModalityKind::kSeries});
    const auto& options = request.options;
    CUTTLE_VALIDATE(options.norm == "batch",
                    "model.encoders.{}.norm: transformer has layer norms and no others, so {} does "
                    "nothing; remove the key",
                    spec_.name, options.norm);
    const std::int64_t heads = heads_of(request);
    auto& layout = request.layout;
    const std::string embedding = request.prefix + ".embedding";
    if (spec_.kind == ModalityKind::kText)
      blocks_.push_back(std::make_unique<TokenEmbedding>(layout, embedding, options.width));
    else
      blocks_.push_back(
          std::make_unique<StepEmbedding>(layout, embedding, spec_.shape[0], options.width));
    for (std::int64_t i = 0; i < options.depth; ++i)
      blocks_.push_back(std::make_unique<TransformerLayer>(
          layout, request.prefix + ".layers." + std::to_string(i), options.width, heads));
    blocks_.push_back(
        std::make_unique<NormedMean>(layout, request.prefix + ".norm", options.width));
    width_ = options.width;
  }
  ModalityInput prepare(const RawModality& raw) const override {
    return spec_.kind == ModalityKind::kText ? text_input(raw, max_length_)
                                             : series_input(raw, spec_, max_length_);
  }

 private:
  ModalitySpec spec_;
  std::int64_t max_length_;
};

}  // namespace

std::unique_ptr<const Encoder> make_transformer(const EncoderRequest& request) {
  return std::make_unique<TransformerEncoder>(request);
}

}  // namespace cuttle
