#include <string>

#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct CharOptions : SequenceOptions {
  std::string pieces;
  void keys(Keys& keys) {
    SequenceOptions::keys(keys);
    tell_pieces(keys, pieces);
  }
};

/// UTF-8 characters, code points hashed to a table, or pieces; convolutions over time.
class CharEncoder final : public SequenceEncoder {
 public:
  using Options = CharOptions;
  CharEncoder(const EncoderRequest& request, const Options& options)
      : SequenceEncoder(request, {ModalityKind::kText}, options.max_length, "mels",
                        options.pieces) {
    blocks_.push_back(
        make_token_block(request.layout, request.prefix + ".table", tokens(), options.width));
    add_sequence_blocks(request, options, options.width);
  }
};

}  // namespace

EncoderType row_of_char_conv() {
  return type_of<CharEncoder, EncoderType>("texts: characters or pieces, convolutions over time",
                                           "");
}

}  // namespace cuttle
