#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"
#include "model/blocks/attention.hpp"
#include "model/encoders/common.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

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
    return {add_positions(affine(p, linear_, input.values.transpose(1, 2))), input.mask};
  }

 private:
  Affine linear_;
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
    return {(layer_norm(p, norm_, input.values) * real).sum(1) / real.sum(1).clamp_min(1.0), {}};
  }

 private:
  Affine norm_;
};

struct TransformerOptions {
  std::int64_t width = 64, depth = 4, max_length = 0;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "columns of a token");
    keys.add("depth", depth, between(1, 64), "layers");
    tell_max_length(keys, max_length);
  }
};

/// Characters of a text or steps of a series that attend to each other (Vaswani et al. 2017).
/// Normalises every step by itself, so samples of a batch do not touch. Time and memory grow with
/// the square of the length: max_length bounds it.
class TransformerEncoder final : public Encoder {
 public:
  using Options = TransformerOptions;
  TransformerEncoder(const EncoderRequest& request, const Options& options)
      : spec_(request.spec), max_length_(options.max_length) {
    expect_kind(request, {ModalityKind::kText, ModalityKind::kSeries});
    const std::int64_t heads =
        attention_heads("model.encoders." + spec_.name + ".width", options.width);
    auto& layout = request.layout;
    const std::string embedding = request.prefix + ".embedding";
    if (spec_.kind == ModalityKind::kText)
      blocks_.push_back(std::make_unique<TokenEmbedding>(layout, embedding, options.width));
    else
      blocks_.push_back(
          std::make_unique<StepEmbedding>(layout, embedding, spec_.shape[0], options.width));
    for (std::int64_t i = 0; i < options.depth; ++i)
      blocks_.push_back(make_transformer_layer(
          layout, request.prefix + ".layers." + std::to_string(i), options.width, heads));
    tokens_end_here(options.width);
    blocks_.push_back(
        std::make_unique<NormedMean>(layout, request.prefix + ".norm", options.width));
    width_ = options.width;
  }
  ModalityInput prepare(const RawModality& raw) const override {
    return spec_.kind == ModalityKind::kText ? text_input(raw, max_length_)
                                             : series_input(raw, spec_, max_length_);
  }

 private:
  torch::Tensor as_tokens(const torch::Tensor& values) const override { return values; }

  ModalitySpec spec_;
  std::int64_t max_length_;
};

}  // namespace

EncoderType row_of_transformer() {
  return type_of<TransformerEncoder, EncoderType>("texts and series: layers of self-attention",
                                                  "Vaswani et al. 2017, Xiong et al. 2020");
}

}  // namespace cuttle
