#include <torch/types.h>

#include <numeric>
#include <string>

#include "cuttle/core/error.hpp"
#include "model/blocks/attention.hpp"
#include "model/blocks/embedding.hpp"
#include "model/encoders/common.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Layer norm, then the mean over real tokens: [m, T, W] -> [m, W].
class NormedMean final : public Block {
 public:
  NormedMean(ParameterLayout& layout, const std::string& name, std::int64_t width)
      : norm_(layout, name, {width}, Init::kOnes) {}
  std::string kind() const override { return "norm_mean_over_time"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto normed = layer_norm(p, norm_, input.values);
    if (!input.mask.defined()) return {normed.mean(1), {}};
    const auto real = input.mask.unsqueeze(2);
    return {(normed * real).sum(1) / real.sum(1).clamp_min(1.0), {}};
  }

 private:
  Affine norm_;
};

struct TransformerOptions {
  std::int64_t width = 64, depth = 4, patch = 0, max_length = 0;
  std::string hears = "mels", pieces;
  bool irregular = false;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "columns of a token");
    keys.add("depth", depth, between(1, 64), "layers");
    keys.add("patch", patch, at_least(0),
             "what is one token. images: a square of so many pixels a side, audio: so many frames "
             "of 16 ms, series: so many steps; 0: 4 pixels, 4 frames, 1 step");
    tell_max_length(keys, max_length);
    tell_hears(keys, hears);
    tell_pieces(keys, pieces);
    tell_irregular(keys, irregular);
  }
};

/// Characters or pieces of a text, frames of a sound, steps of a series (Vaswani et al. 2017) or
/// squares of a picture (Dosovitskiy et al. 2021) that attend to each other. Normalises every token
/// by itself, so samples of a batch do not touch. Time and memory grow with the square of the
/// number of tokens: patch and max_length bound it.
class TransformerEncoder final : public SequenceReader {
 public:
  using Options = TransformerOptions;
  TransformerEncoder(const EncoderRequest& request, const Options& options)
      : SequenceReader(request,
                       {ModalityKind::kImage, ModalityKind::kText, ModalityKind::kAudio,
                        ModalityKind::kSeries},
                       options.max_length, options.hears, options.pieces, options.irregular) {
    const std::int64_t heads =
        attention_heads("model.encoders." + spec().name + ".width", options.width);
    auto& layout = request.layout;
    blocks_.push_back(embedding(request, options));
    for (std::int64_t i = 0; i < options.depth; ++i)
      blocks_.push_back(make_transformer_layer(
          layout, request.prefix + ".layers." + std::to_string(i), options.width, heads));
    tokens_end_here(options.width);
    blocks_.push_back(
        std::make_unique<NormedMean>(layout, request.prefix + ".norm", options.width));
    width_ = options.width;
  }
  ModalityInput prepare(const RawModality& raw) const override {
    if (spec().kind == ModalityKind::kImage) return image_input(raw, spec());
    return SequenceReader::prepare(raw);
  }

 private:
  std::unique_ptr<const Block> embedding(const EncoderRequest& request,
                                         const Options& options) const {
    auto& layout = request.layout;
    const std::string name = request.prefix + ".embedding", &sense = spec().name;
    const bool image = spec().kind == ModalityKind::kImage;
    CUTTLE_VALIDATE(
        !image || options.max_length == 0,
        "model.encoders.{}.max_length: is about sequences, and {} is image (it would do "
        "nothing); remove it",
        sense, sense);
    if (spec().kind == ModalityKind::kText) {
      CUTTLE_VALIDATE(options.patch <= 1,
                      "model.encoders.{}.patch: is {}, but {} is text, of which each character or "
                      "piece is a token; remove it",
                      sense, options.patch, sense);
      return make_token_embedding(layout, name, tokens(), options.width);
    }
    const std::int64_t usual = spec().kind == ModalityKind::kSeries ? 1 : 4;
    const std::int64_t patch = options.patch > 0 ? options.patch : usual;
    if (!image) return make_step_embedding(layout, name, channels(), options.width, patch);
    const auto& shape = spec().shape;
    CUTTLE_VALIDATE(shape[0] % patch == 0 && shape[1] % patch == 0,
                    "model.encoders.{}.patch: squares of {}x{} pixels do not cover {}x{} (what is "
                    "left over would not be seen); use a divisor of {}, or convert the data to "
                    "another --size",
                    sense, patch, patch, shape[0], shape[1], std::gcd(shape[0], shape[1]));
    return make_patch_embedding(layout, name, shape, options.width, patch);
  }
  torch::Tensor as_tokens(const torch::Tensor& values) const override { return values; }
};

}  // namespace

EncoderType row_of_transformer() {
  return type_of<TransformerEncoder, EncoderType>(
      "images, texts, audio and series: layers of self-attention",
      "Vaswani et al. 2017, Xiong et al. 2020, Dosovitskiy et al. 2021");
}

}  // namespace cuttle
