// Steps of texts, by their words: runs of letters, marks and digits, with apostrophes inside.
#include <libstemmer.h>
#include <utf8proc.h>

#include <algorithm>
#include <memory>
#include <set>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "sense/fitted/rows.hpp"
#include "sense/fitted/words.hpp"

namespace cuttle {
namespace {

/// The code point at `at`, and how many bytes it has; what is no UTF-8 is a byte that stands for
/// nothing.
std::pair<utf8proc_int32_t, std::size_t> code_at(const std::string& text, std::size_t at) {
  utf8proc_int32_t code = -1;
  const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                     static_cast<utf8proc_ssize_t>(text.size() - at), &code);
  if (size <= 0) return {-1, 1};
  return {code, static_cast<std::size_t>(size)};
}

bool in_word(utf8proc_int32_t code) {
  const auto category = utf8proc_category(code);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_ME) ||
         category == UTF8PROC_CATEGORY_ND;
}

bool is_apostrophe(utf8proc_int32_t code) {
  return code == '\'' || code == 0x2019;
}

std::string lower(const std::string& text) {
  std::string made;
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, size] = code_at(text, at);
    utf8proc_uint8_t bytes[4];
    if (code < 0)
      made += text[at];
    else
      made.append(reinterpret_cast<const char*>(bytes),
                  static_cast<std::size_t>(utf8proc_encode_char(utf8proc_tolower(code), bytes)));
    at += size;
  }
  return made;
}

/// The end of the word that begins at `at`; `at` itself where none does.
std::size_t word_end(const std::string& text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size()) {
    const auto [code, size] = code_at(text, end);
    if (code < 0 || !(in_word(code) || (is_apostrophe(code) && end > at))) break;
    end += size;
  }
  return end;
}

/// The text with `change` done to each word; a word that becomes nothing takes a blank along.
template <class Change>
std::string with_words(const std::string& text, const Change& change) {
  std::string made;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = word_end(text, at);
    if (end == at) {
      const std::size_t size = code_at(text, at).second;
      made.append(text, at, size);
      at += size;
      continue;
    }
    const std::string word = change(text.substr(at, end - at));
    made += word;
    at = end;
    if (!word.empty()) continue;
    if (at < text.size() && text[at] == ' ' && (made.empty() || made.back() == ' '))
      ++at;
    else if (at == text.size() && !made.empty() && made.back() == ' ')
      made.pop_back();
  }
  return made;
}

std::set<std::string> words_in(const std::string& text) {
  const auto words = words_of_text(text);
  return {words.begin(), words.end()};
}

void check_texts(const FittedStep& step, bool sound) {
  CUTTLE_VALIDATE(sound,
                  "the saved preprocessing has no words of {} (the file is damaged); copy it anew, "
                  "or make it again",
                  step.type);
}

struct StopWordOptions {
  std::string file;
  double share = 0.2;
  void keys(Keys& keys) {
    keys.add("file", file, anything(), "of words that are left out, one a line, in any case");
    keys.add("share", share, between(0.001, 1),
             "without a file: words of at least so many of all training texts are left out");
  }
};

std::set<std::string> words_of_file(const std::string& path) {
  constexpr std::uint64_t kMost = 10'000'000;
  const std::string text = read_file(expand_variables(path), kMost);
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, size] = code_at(text, at);
    CUTTLE_VALIDATE(
        code > 0, "stop_words: {} is no text in UTF-8 (byte {}); give words, one a line", path, at);
    at += size;
  }
  std::set<std::string> words = words_in(text);
  CUTTLE_VALIDATE(!words.empty(), "stop_words: {} has no word; give words, one a line", path);
  return words;
}

void fit_stop_words(const Section& section, const ModalitySpec&, const FittedSamples& training,
                    FittedStep& step) {
  const auto options = options_of<StopWordOptions>(section);
  std::set<std::string> stopped;
  if (!options.file.empty()) {
    stopped = words_of_file(options.file);
  } else {
    std::map<std::string, std::size_t> texts;
    for (const std::string& text : training.texts)
      for (const std::string& word : words_in(text)) ++texts[word];
    const double least = options.share * static_cast<double>(training.texts.size());
    for (const auto& [word, count] : texts)
      if (static_cast<double>(count) >= least) stopped.insert(word);
  }
  step.texts.assign(stopped.begin(), stopped.end());
}

/// A text of nothing else keeps its words.
void apply_stop_words(const FittedStep& step, FittedSamples& sample) {
  check_texts(step, std::is_sorted(step.texts.begin(), step.texts.end()));
  const std::string without = with_words(sample.texts[0], [&](const std::string& word) {
    return std::binary_search(step.texts.begin(), step.texts.end(), lower(word)) ? "" : word;
  });
  if (!words_in(without).empty()) sample.texts[0] = without;
}

/// As the library calls them.
std::vector<std::string> stemmed_languages() {
  std::vector<std::string> names;
  for (const char** name = sb_stemmer_list(); *name != nullptr; ++name) names.emplace_back(*name);
  return names;
}

struct StemOptions {
  std::string language = "english";
  void keys(Keys& keys) {
    keys.add("language", language, one_of(stemmed_languages()), "whose endings are cut");
  }
};

void fit_stem(const Section& section, const ModalitySpec&, const FittedSamples&, FittedStep& step) {
  step.texts = {options_of<StemOptions>(section).language};
}

void apply_stem(const FittedStep& step, FittedSamples& sample) {
  check_texts(step, step.texts.size() == 1);
  const std::unique_ptr<sb_stemmer, void (*)(sb_stemmer*)> stemmer(
      sb_stemmer_new(step.texts[0].c_str(), "UTF_8"), sb_stemmer_delete);
  check_texts(step, stemmer != nullptr);
  sample.texts[0] = with_words(sample.texts[0], [&](const std::string& word) {
    const std::string small = lower(word);
    const sb_symbol* made =
        sb_stemmer_stem(stemmer.get(), reinterpret_cast<const sb_symbol*>(small.data()),
                        static_cast<int>(small.size()));
    CUTTLE_VALIDATE(made != nullptr, "stem: memory ran out at a word of {} bytes; leave stem out",
                    small.size());
    const std::string stem(reinterpret_cast<const char*>(made),
                           static_cast<std::size_t>(sb_stemmer_length(stemmer.get())));
    return stem.empty() ? small : stem;
  });
}

const std::vector<ModalityKind> kTexts{ModalityKind::kText};

}  // namespace

std::vector<std::string> words_of_text(const std::string& text) {
  std::vector<std::string> words;
  with_words(text, [&](const std::string& word) { return words.push_back(lower(word)), word; });
  return words;
}

FittedType row_of_fitted_lower() {
  return {
      {"capital letters become small ones, in every script that has them", ""},
      kTexts,
      [](const Section&, const ModalitySpec&, const FittedSamples&, FittedStep&) {},
      [](const FittedStep&, FittedSamples& sample) { sample.texts[0] = lower(sample.texts[0]); },
      false};
}
FittedType row_of_fitted_stop_words() {
  return {{"texts without the words that nearly all of them have, or those of a list", "",
           keys_of<StopWordOptions>()},
          kTexts,
          fit_stop_words,
          apply_stop_words};
}
FittedType row_of_fitted_stem() {
  return {{"small letters, and words without their endings, by Snowball's rules", "Porter 2001",
           keys_of<StemOptions>()},
          kTexts,
          fit_stem,
          apply_stem,
          false};
}

}  // namespace cuttle
