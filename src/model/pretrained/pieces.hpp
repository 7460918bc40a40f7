#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/pretrained/byte_pair.hpp"

namespace cuttle {

/// The bytes of the tokenizer.json at `path`, which may lie in an adapted file that stands alone.
/// UserError beginning with the key if there is none.
std::string read_pieces(const std::string& path, const std::string& key, const std::string& sense);

/// Texts as pieces, by a file of `cuttle-data pieces` or any other tokenizer.json that is known.
class TextPieces {
 public:
  /// Of what the encoder of `sense` names by its key `pieces`. UserError naming key and file.
  static TextPieces open(const std::string& path, const std::string& sense);

  const std::string& sha256() const { return sha256_; }
  /// Tokens are 0 to tokens() - 1.
  std::int64_t tokens() const { return pairs_.size() + 1; }
  /// At most `most` tokens (0: all) of any bytes; 0 alone, which is also padding, if there are
  /// none.
  std::vector<std::int64_t> read(std::string_view text, std::int64_t most) const;

 private:
  TextPieces(std::string sha256, BytePairs pairs)
      : sha256_(std::move(sha256)), pairs_(std::move(pairs)) {}

  std::string sha256_;
  BytePairs pairs_;
};

}  // namespace cuttle
