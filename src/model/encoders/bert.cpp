#include <torch/types.h>

#include <algorithm>
#include <optional>
#include <string>

#include "cuttle/core/error.hpp"
#include "cuttle/kernels/transformer_layers.hpp"
#include "cuttle/sense/raw.hpp"
#include "model/encoders/common.hpp"
#include "model/pretrained/attention.hpp"
#include "model/pretrained/tokenizer.hpp"
#include "model/pretrained/weights.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// What all layers share.
struct Shape {
  std::int64_t width, heads, inner;
  double eps;
  std::string activation;
};

/// The activation as the kernels know it; nothing if they do not.
std::optional<kernels::Activation> on_kernels_as(const std::string& activation) {
  if (activation == "gelu") return kernels::Activation::kGelu;
  if (activation == "gelu_tanh") return kernels::Activation::kGeluTanh;
  if (activation == "relu") return kernels::Activation::kRelu;
  return std::nullopt;
}

/// Tokens [m, T] to the sum of word, place and kind, normalised: [m, T, W].
class BertEmbeddings final : public Block {
 public:
  BertEmbeddings(Weights& weights, const Shape& shape, std::int64_t vocabulary, bool learns)
      : eps_(shape.eps),
        words_(
            weights.take("embeddings.word_embeddings.weight", {vocabulary, shape.width}, learns)),
        places_(weights.take("embeddings.position_embeddings.weight",
                             {weights.number("sizes", "positions"), shape.width}, learns)),
        norm_(weights.affine("embeddings.LayerNorm", {shape.width}, learns)) {
    const std::int64_t kinds = weights.entry("sizes", "types").get<std::int64_t>();
    has_kinds_ = kinds > 0;  // DistilBERT has none
    if (has_kinds_)
      kinds_ =
          weights.take("embeddings.token_type_embeddings.weight", {kinds, shape.width}, learns);
  }
  std::string kind() const override { return "bert_embeddings"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    auto x = look_up(words_.in(p), input.values) + places_.in(p).narrow(0, 0, input.values.size(1));
    if (has_kinds_) x = x + kinds_.in(p)[0];
    return {layer_norm(p, norm_, x, eps_), input.mask};
  }

 private:
  double eps_;
  Given words_, places_, kinds_;
  bool has_kinds_;
  GivenAffine norm_;
};

/// Self-attention, then a perceptron; each is added to what came in and normalised after
/// (post-norm, Vaswani et al. 2017, as Devlin et al. 2019 have it). On own kernels where it does
/// not learn: without padding.
class BertLayer final : public Block {
 public:
  BertLayer(Weights& weights, const std::string& name, const Shape& shape, bool learns)
      : shape_(shape),
        queries_(
            weights.affine(name + ".attention.self.query", {shape.width, shape.width}, learns)),
        keys_(weights.affine(name + ".attention.self.key", {shape.width, shape.width}, learns)),
        values_(weights.affine(name + ".attention.self.value", {shape.width, shape.width}, learns)),
        out_(weights.affine(name + ".attention.output.dense", {shape.width, shape.width}, learns)),
        norm1_(weights.affine(name + ".attention.output.LayerNorm", {shape.width}, learns)),
        up_(weights.affine(name + ".intermediate.dense", {shape.inner, shape.width}, learns)),
        down_(weights.affine(name + ".output.dense", {shape.width, shape.inner}, learns)),
        norm2_(weights.affine(name + ".output.LayerNorm", {shape.width}, learns)) {
    if (!learns) pack();
  }
  std::string kind() const override { return "bert_layer"; }
  bool samples_apart() const override { return true; }
  bool fused() const override { return packed_ != nullptr; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto& x = input.values;
    if (packed_ && x.is_cpu() && x.scalar_type() == torch::kFloat32) return on_kernels(input);
    const auto part = [&](const GivenAffine& linear) {
      return in_heads(affine(p, linear, x), shape_.heads);
    };
    const auto mixed = attended(part(queries_), part(keys_), part(values_), input.mask);
    const auto seen = layer_norm(p, norm1_, x + affine(p, out_, mixed), shape_.eps);
    const auto inner = activated(affine(p, up_, seen), shape_.activation);
    return {layer_norm(p, norm2_, seen + affine(p, down_, inner), shape_.eps), input.mask};
  }

 private:
  void pack() {
    const auto activation = on_kernels_as(shape_.activation);
    if (!activation) return;
    const kernels::PostNormShape shape{shape_.width, shape_.heads, shape_.inner,
                                       static_cast<float>(shape_.eps), *activation};
    if (!queries_.weight.held.is_cpu() || !kernels::PostNormLayer::fits(shape)) return;
    const auto places = [](const torch::Tensor& weight, const torch::Tensor& bias) {
      return kernels::MlpWeights<const float>{weight.data_ptr<float>(), bias.data_ptr<float>()};
    };
    const auto held = [&](const GivenAffine& of) { return places(of.weight.held, of.bias.held); };
    const auto all = torch::cat({queries_.weight.held, keys_.weight.held, values_.weight.held});
    const auto biases = torch::cat({queries_.bias.held, keys_.bias.held, values_.bias.held});
    packed_ = std::make_unique<const kernels::PostNormLayer>(
        shape, kernels::TransformerWeights<const float>{places(all, biases), held(out_), held(up_),
                                                        held(down_), held(norm1_), held(norm2_)});
  }
  /// Real tokens alone; padding stays what it was.
  Signal on_kernels(const Signal& input) const {
    auto x = input.values.contiguous();
    const std::int64_t samples = x.size(0), steps = x.size(1), width = x.size(2);
    const auto lengths = lengths_of(input);
    Tensors texts;
    for (std::int64_t i = 0; i < samples; ++i)
      texts.push_back(x[i].narrow(0, 0, lengths[static_cast<std::size_t>(i)]));
    const auto tokens = samples == 1 ? texts[0].clone() : torch::cat(texts);
    packed_->forward(lengths, tokens.data_ptr<float>());
    if (tokens.size(0) == samples * steps) return {tokens.view(x.sizes()), input.mask};
    auto made = torch::zeros({samples, steps, width}, x.options());
    std::int64_t first = 0;
    for (std::int64_t i = 0; i < samples; ++i) {
      const std::int64_t length = lengths[static_cast<std::size_t>(i)];
      made[i].narrow(0, 0, length).copy_(tokens.narrow(0, first, length));
      first += length;
    }
    return {made, input.mask};
  }

  Shape shape_;
  GivenAffine queries_, keys_, values_, out_, norm1_, up_, down_, norm2_;
  std::unique_ptr<const kernels::PostNormLayer> packed_;  ///< null: LibTorch's operations
};

/// Texts through a trained BERT, DistilBERT, MiniLM or RoBERTa: pieces of words that attend to each
/// other.
class BertEncoder final : public PretrainedEncoder {
 public:
  using Options = PretrainedOptions;
  BertEncoder(const EncoderRequest& request, const Options& options)
      : BertEncoder(request, Weights(request, options, "bert")) {}

  ModalityInput prepare(const RawModality& raw) const override {
    return pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
      return torch::tensor(tokens_.ids(
          {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)}, most_));
    });
  }
  bool batch_changes_no_bit() const override { return fixed() && on_kernels_; }

 private:
  BertEncoder(const EncoderRequest& request, Weights weights)
      : tokens_(tokenizer_of(weights)), most_(weights.number("preprocessing", "max_tokens")) {
    expect_kind(request, {ModalityKind::kText});
    const Shape shape{weights.number("sizes", "width"), weights.number("sizes", "heads"),
                      weights.number("sizes", "inner"), weights.real("sizes", "eps"),
                      activation_of(weights)};
    const std::int64_t layers = weights.number("sizes", "layers");
    const std::int64_t vocabulary = weights.number("sizes", "vocabulary");
    const std::size_t around = tokens_.ids("", most_).size();
    CUTTLE_VALIDATE(tokens_.size <= vocabulary && shape.width % shape.heads == 0 &&
                        most_ <= weights.number("sizes", "positions") && around > 0 &&
                        static_cast<std::int64_t>(around) <= most_,
                    "model.encoders.{}.weights: sizes of the file do not fit each other (a "
                    "tokenizer of {} pieces for {} rows, {} columns for {} heads, {} tokens of {} "
                    "places, {} of them around every text); make it again with cuttle-data weights",
                    request.spec.name, tokens_.size, vocabulary, shape.width, shape.heads, most_,
                    weights.number("sizes", "positions"), around);
    blocks_.push_back(std::make_unique<BertEmbeddings>(weights, shape, vocabulary,
                                                       weights.learns(0, layers + 1)));
    for (std::int64_t i = 0; i < layers; ++i)
      blocks_.push_back(std::make_unique<BertLayer>(weights, "encoder.layer." + std::to_string(i),
                                                    shape, weights.learns(i + 1, layers + 1)));
    on_kernels_ = std::all_of(blocks_.begin() + 1, blocks_.end(),
                              [](const auto& block) { return block->fused(); });
    tokens_end_here(shape.width);
    blocks_.push_back(make_token_pool(weights));
    width_ = shape.width;
    holds(weights);
  }
  torch::Tensor as_tokens(const torch::Tensor& values) const override { return values; }

  Tokenizer tokens_;
  std::int64_t most_;
  bool on_kernels_ = false;
};

}  // namespace

EncoderType row_of_bert() {
  return type_of<BertEncoder, EncoderType>(
      "texts: a trained BERT, DistilBERT, MiniLM or RoBERTa (weights: FILE)",
      "Devlin et al. 2019, Liu et al. 2019");
}

}  // namespace cuttle
