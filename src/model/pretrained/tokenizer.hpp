#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "model/pretrained/weights.hpp"

namespace cuttle {

/// How texts become ids, which are 0 to size - 1.
struct Tokenizer {
  std::int64_t size;
  /// At most so many (>= 2) ids of any bytes.
  std::function<std::vector<std::int64_t>(std::string_view, std::int64_t)> ids;
};

/// The one that the file of weights holds, as its record's `tokenizer` says: wordpiece or bpe.
/// UserError if it is no such one.
Tokenizer tokenizer_of(Weights& weights);

}  // namespace cuttle
