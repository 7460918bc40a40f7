#include "model/pretrained/wordpiece.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <utility>

#include "model/pretrained/code_points.hpp"
#include "model/pretrained/since_unicode_9.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kLongestWord = 100;  // characters; a longer one is unknown as a whole

/// As Unicode 8 had them, with what has been moved since.
utf8proc_category_t category_of(Code c) {
  if (c == 0x166D || c == 0x111C9) return UTF8PROC_CATEGORY_PO;
  if (c == 0x1734) return UTF8PROC_CATEGORY_MN;
  return is_since_unicode_9(c) ? UTF8PROC_CATEGORY_CN : utf8proc_category(c);
}

/// Unicode's "other" but for what counts as white space.
bool is_control(Code c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  const auto category = category_of(c);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
         category == UTF8PROC_CATEGORY_CO;
}

bool is_punctuation(Code c) {
  if ((c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
      (c >= 123 && c <= 126))
    return true;
  const auto category = category_of(c);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

/// Characters that are words by themselves: the blocks of CJK ideographs.
bool is_ideograph(Code c) {
  constexpr std::pair<Code, Code> kBlocks[] = {
      {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
      {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                     [c](const auto& block) { return c >= block.first && c <= block.second; });
}

/// Without accents and capitals: canonical decomposition, less the marks.
std::vector<Code> plain(const std::string& text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  std::vector<Code> codes(4 * text.size() + 16);
  const auto made = utf8proc_decompose(
      bytes, size, codes.data(), static_cast<utf8proc_ssize_t>(codes.size()), UTF8PROC_DECOMPOSE);
  if (made > static_cast<utf8proc_ssize_t>(codes.size())) {
    codes.resize(static_cast<std::size_t>(made));
    utf8proc_decompose(bytes, size, codes.data(), made, UTF8PROC_DECOMPOSE);
  }
  codes.resize(static_cast<std::size_t>(std::max<utf8proc_ssize_t>(0, made)));
  codes.erase(std::remove_if(codes.begin(), codes.end(),
                             [](Code c) { return category_of(c) == UTF8PROC_CATEGORY_MN; }),
              codes.end());
  for (Code& code : codes) code = utf8proc_tolower(code);
  return codes;
}

}  // namespace

WordPiece::WordPiece(std::string_view vocabulary, bool lowercase) : lowercase_(lowercase) {
  while (!vocabulary.empty()) {
    const auto end = std::min(vocabulary.find('\n'), vocabulary.size());
    std::string_view piece = vocabulary.substr(0, end);
    if (!piece.empty() && piece.back() == '\r') piece.remove_suffix(1);
    places_[std::string(piece)] = size_++;
    vocabulary.remove_prefix(std::min(end + 1, vocabulary.size()));
  }
  unknown_ = places_.at("[UNK]");
  first_ = places_.at("[CLS]");
  last_ = places_.at("[SEP]");
  for (const char* name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
    if (const auto found = places_.find(name); found != places_.end()) special_.push_back(*found);
}

std::vector<std::int64_t> WordPiece::ids(std::string_view text, std::int64_t most) const {
  std::vector<std::int64_t> ids{first_};
  // A long text is read no further than the model does; a word has at most so many bytes.
  while (!text.empty() && static_cast<std::int64_t>(ids.size()) < most) {
    std::size_t next = text.size(), length = 0;
    std::int64_t id = 0;
    for (const auto& [name, place] : special_)
      if (const auto found = text.find(name); found < next)
        next = found, length = name.size(), id = place;
    words_of(text.substr(0, next), ids);
    if (length > 0) ids.push_back(id);
    text.remove_prefix(next + length);
  }
  if (static_cast<std::int64_t>(ids.size()) >= most) ids.resize(static_cast<std::size_t>(most - 1));
  ids.push_back(last_);
  return ids;
}

void WordPiece::words_of(std::string_view text, std::vector<std::int64_t>& ids) const {
  std::string clean;
  for_each_code(text, [&](Code c) {
    if (c == 0 || c == 0xFFFD || is_control(c)) return;
    if (is_ideograph(c)) clean += ' ';
    append_code(clean, is_white_space(c) ? ' ' : c);
    if (is_ideograph(c)) clean += ' ';
  });
  std::vector<Code> codes;
  if (lowercase_)
    codes = plain(clean);
  else
    for_each_code(clean, [&](Code c) { codes.push_back(c); });
  std::string word;
  std::int64_t characters = 0;
  const auto end_word = [&] {
    if (characters > 0) pieces_of(word, characters, ids);
    word.clear();
    characters = 0;
  };
  for (const Code c : codes) {
    const bool alone = is_punctuation(c);
    if (alone || is_white_space(c)) end_word();
    if (is_white_space(c)) continue;
    append_code(word, c);
    ++characters;
    if (alone) end_word();
  }
  end_word();
}

void WordPiece::pieces_of(const std::string& word, std::int64_t characters,
                          std::vector<std::int64_t>& ids) const {
  if (characters > kLongestWord) return ids.push_back(unknown_);
  const std::size_t before = ids.size();
  for (std::size_t start = 0; start < word.size();) {
    std::size_t end = word.size();
    auto found = places_.end();
    for (; end > start; --end) {
      const bool inside = end < word.size() && (word[end] & 0xC0) == 0x80;
      if (inside) continue;
      found = places_.find((start > 0 ? "##" : "") + word.substr(start, end - start));
      if (found != places_.end()) break;
    }
    if (found == places_.end()) {
      ids.resize(before);
      return ids.push_back(unknown_);
    }
    ids.push_back(found->second);
    start = end;
  }
}

}  // namespace cuttle
