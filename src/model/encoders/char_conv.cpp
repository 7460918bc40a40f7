#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// UTF-8 characters: code points hashed to a table, convolutions over time.
class CharEncoder final : public SequenceEncoder {
 public:
  using Options = SequenceOptions;
  CharEncoder(const EncoderRequest& request, const Options& options)
      : max_length_(options.max_length) {
    expect_kind(request, {ModalityKind::kText});
    blocks_.push_back(
        make_token_block(request.layout, request.prefix + ".table", kTextTokens, options.width));
    add_sequence_blocks(request, options, options.width);
  }
  ModalityInput prepare(const RawModality& raw) const override {
    return text_input(raw, max_length_);
  }

 private:
  std::int64_t max_length_;
};

}  // namespace

EncoderType row_of_char_conv() {
  return type_of<CharEncoder, EncoderType>("texts: characters, convolutions over time", "");
}

}  // namespace cuttle
