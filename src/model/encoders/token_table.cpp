#include <torch/types.h>

#include <limits>
#include <string>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"
#include "model/encoders/common.hpp"
#include "model/pretrained/attention.hpp"
#include "model/pretrained/tokenizer.hpp"
#include "model/pretrained/weights.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kNoPieces = -1;  // the one token of a text that has none

/// Pieces [m, T] to their rows, zeros for none: [m, T, W].
class PieceRows final : public Block {
 public:
  explicit PieceRows(Given table) : table_(std::move(table)) {}
  std::string kind() const override { return "piece_rows"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto rows = look_up(table_.in(p), input.values.clamp_min(0));
    return {rows * (input.values != kNoPieces).unsqueeze(2), input.mask};
  }

 private:
  Given table_;
};

/// Texts as the mean of the vectors that a table has for their pieces, in whatever order these
/// come: of another model's first layer, say, and no network.
class TokenTableEncoder final : public PretrainedEncoder {
 public:
  using Options = PretrainedOptions;
  TokenTableEncoder(const EncoderRequest& request, const Options& options)
      : TokenTableEncoder(request, Weights(request, options, "token_table")) {}

  ModalityInput prepare(const RawModality& raw) const override {
    return pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
      auto ids = tokens_.ids({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)},
                             std::numeric_limits<std::int64_t>::max());
      if (ids.empty()) ids.push_back(kNoPieces);
      return torch::tensor(ids);
    });
  }
  bool batch_changes_no_bit() const override { return fixed(); }

 private:
  TokenTableEncoder(const EncoderRequest& request, Weights weights)
      : tokens_(tokenizer_of(weights)) {
    expect_kind(request, {ModalityKind::kText});
    const std::int64_t vocabulary = weights.number("sizes", "vocabulary");
    CUTTLE_VALIDATE(tokens_.size <= vocabulary,
                    "{}: a tokenizer of {} pieces for {} rows (some would have none); make it "
                    "again with cuttle-data weights",
                    weights.source(), tokens_.size, vocabulary);
    width_ = weights.number("sizes", "width");
    blocks_.push_back(std::make_unique<PieceRows>(
        weights.take("embedding.weight", {vocabulary, width_}, weights.learns(0, 1))));
    tokens_end_here(width_);
    blocks_.push_back(make_token_pool(weights));
    holds(weights);
  }
  torch::Tensor as_tokens(const torch::Tensor& values) const override { return values; }

  Tokenizer tokens_;
};

}  // namespace

EncoderType row_of_token_table() {
  return type_of<TokenTableEncoder, EncoderType>(
      "texts: the mean of trained vectors of pieces, without a network (weights: FILE)",
      "Wieting et al. 2016");
}

}  // namespace cuttle
