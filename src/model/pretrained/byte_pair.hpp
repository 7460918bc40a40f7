#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cuttle {

/// How a tokenizer.json of the `tokenizers` package reads texts by byte-pair encoding.
struct BytePairRules {
  struct Change {
    enum class Kind { kPrepend, kReplace, kCompose } kind;
    std::string from, to;  ///< what is replaced; what by, or what stands before every text
  };
  struct Added {
    std::string text;
    std::int64_t id;
    bool takes_space_before;
  };
  struct Merge {
    std::int64_t rank, id;
  };

  std::vector<Added> as_written, as_changed;  ///< tokens found in texts before and after changes
  std::vector<Change> changes;
  bool words = false;         ///< cut by the expression of GPT-2 before anything is merged
  bool space_before = false;  ///< every text begins with a blank
  std::unordered_map<std::int32_t, std::int64_t> characters;  ///< code points that are pieces
  std::array<std::int64_t, 256> bytes;                        ///< of all others
  std::unordered_map<std::uint64_t, Merge> merges;            ///< by pair_of
  std::vector<std::int64_t> before, after;                    ///< ids around every text
  std::int64_t size = 0;                                      ///< ids are 0 to size - 1

  static std::uint64_t pair_of(std::int64_t left, std::int64_t right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right);
  }
};

/// Of the file's bytes, which may be hostile. UserError, beginning with `source`, for whatever is
/// not known to the letter.
BytePairRules read_byte_pairs(std::string_view json, const std::string& source);

/// Texts to ids by byte-pair encoding (Sennrich et al. 2016): over bytes, as GPT-2, RoBERTa and
/// ModernBERT do, or over characters with bytes for those that are no pieces, as Llama does. The
/// ids are those of the `tokenizers` package. Any bytes may come: what is no UTF-8 is passed by.
class BytePairs {
 public:
  explicit BytePairs(BytePairRules rules);

  /// Ids are 0 to size() - 1.
  std::int64_t size() const { return rules_.size; }
  /// The first `most` ids of a text; with `around` those that stand before and behind every text
  /// are among these, and never left out.
  std::vector<std::int64_t> ids(std::string_view text, std::int64_t most, bool around) const;

 private:
  std::string changed(std::string_view text) const;
  void text_ids(std::string text, std::size_t enough, std::vector<std::int64_t>& ids) const;
  void word_ids(std::string_view word, std::vector<std::int64_t>& ids) const;

  BytePairRules rules_;
};

}  // namespace cuttle
