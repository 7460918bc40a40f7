#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// UTF-8 characters: code points hashed to a table, convolutions over time.
class CharEncoder final : public SequenceEncoder {
 public:
  using Options = SequenceOptions;
  CharEncoder(const EncoderRequest& request, const Options& options)
      : SequenceEncoder(request, {ModalityKind::kText}, options.max_length) {
    blocks_.push_back(
        make_token_block(request.layout, request.prefix + ".table", kTextTokens, options.width));
    add_sequence_blocks(request, options, options.width);
  }
};

}  // namespace

EncoderType row_of_char_conv() {
  return type_of<CharEncoder, EncoderType>("texts: characters, convolutions over time", "");
}

}  // namespace cuttle
