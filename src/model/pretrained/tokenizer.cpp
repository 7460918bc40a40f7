#include "model/pretrained/tokenizer.hpp"

#include <memory>
#include <stdexcept>
#include <utility>

#include "cuttle/core/error.hpp"
#include "model/pretrained/byte_pair.hpp"
#include "model/pretrained/wordpiece.hpp"

namespace cuttle {
namespace {

Tokenizer wordpiece_of(Weights& weights) {
  try {
    const auto pieces = std::make_shared<const WordPiece>(weights.tokenizer(),
                                                          weights.flag("tokenizer", "lowercase"));
    return {pieces->size(),
            [pieces](std::string_view text, std::int64_t most) { return pieces->ids(text, most); }};
  } catch (const std::out_of_range&) {
    throw UserError(
        "model.encoders: the weights' tokenizer has not [UNK], [CLS] and [SEP] (it is "
        "no vocabulary of BERT's); make the file again with cuttle-data weights");
  }
}

}  // namespace

Tokenizer tokenizer_of(Weights& weights) {
  const std::string type = weights.text("tokenizer", "type");
  if (type == "wordpiece") return wordpiece_of(weights);
  CUTTLE_VALIDATE(type == "bpe",
                  "{}: tokenizer.type is {} (known: wordpiece, bpe); make the file again with "
                  "cuttle-data weights",
                  weights.source(), type);
  const auto pairs =
      std::make_shared<const BytePairs>(read_byte_pairs(weights.tokenizer(), weights.source()));
  const bool around = weights.flag("tokenizer", "added_tokens");
  return {pairs->size(), [pairs, around](std::string_view text, std::int64_t most) {
            return pairs->ids(text, most, around);
          }};
}

}  // namespace cuttle
