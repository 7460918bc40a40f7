#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cuttle {

/// Texts to ids as BERT reads them: control characters out, accents and capitals too unless the
/// model is cased, words and punctuation apart, then the longest pieces of the vocabulary first
/// (Devlin et al. 2019; Wu et al. 2016, section 4.1). The ids are those of the `tokenizers`
/// package. Any bytes may come: what is no UTF-8 is passed by.
class WordPiece {
 public:
  /// `vocabulary`: one piece a line, those that go on a word with ## before. Throws
  /// std::out_of_range naming the piece if [UNK], [CLS] or [SEP] is not there.
  WordPiece(std::string_view vocabulary, bool lowercase);

  std::int64_t size() const { return size_; }
  /// [CLS] pieces [SEP], at most `most` ids (>= 2).
  std::vector<std::int64_t> ids(std::string_view text, std::int64_t most) const;

 private:
  void words_of(std::string_view text, std::vector<std::int64_t>& ids) const;
  void pieces_of(const std::string& word, std::int64_t characters,
                 std::vector<std::int64_t>& ids) const;

  std::unordered_map<std::string, std::int64_t> places_;
  std::vector<std::pair<std::string, std::int64_t>> special_;  ///< found in texts as they stand
  std::int64_t size_ = 0, unknown_, first_, last_;
  bool lowercase_;
};

}  // namespace cuttle
