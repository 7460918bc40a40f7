#include <algorithm>
#include <cmath>
#include <set>

#include "cuttle/core/error.hpp"
#include "sense/fitted/rows.hpp"
#include "sense/fitted/words.hpp"

namespace cuttle {
namespace {

struct TfIdfOptions {
  std::int64_t columns = 2048;
  std::int64_t texts = 2;
  void keys(Keys& keys) {
    keys.add("columns", columns, between(1, 65536),
             "words at most, those of most training texts, of equals the first in the alphabet");
    keys.add("texts", texts, at_least(1), "training texts that a word is in, at least");
  }
};

/// Words in the order of their bytes, each with its inverse document frequency
///   ln((1 + texts) / (1 + texts that have it)) + 1,
/// so that a word of every text still counts (Sparck Jones 1972; as scikit-learn smooths it).
void fit_tf_idf(const Section& section, const ModalitySpec&, const FittedSamples& training,
                FittedStep& step) {
  const auto options = options_of<TfIdfOptions>(section);
  std::map<std::string, std::int64_t> texts;
  for (const std::string& text : training.texts) {
    const auto words = words_of_text(text);
    for (const std::string& word : std::set<std::string>(words.begin(), words.end())) ++texts[word];
  }
  std::vector<std::pair<std::int64_t, std::string>> order;  // the most frequent first
  for (const auto& [word, count] : texts)
    if (count >= options.texts) order.emplace_back(-count, word);
  CUTTLE_VALIDATE(!order.empty(),
                  "tf_idf: no word is in {} training texts or more (every text would be zeros); "
                  "ask for fewer texts",
                  options.texts);
  std::sort(order.begin(), order.end());
  order.resize(std::min(order.size(), static_cast<std::size_t>(options.columns)));
  const double all = 1 + static_cast<double>(training.texts.size());
  for (const auto& [count, word] : order) step.texts.push_back(word);
  std::sort(step.texts.begin(), step.texts.end());
  for (const std::string& word : step.texts)
    step.numbers["idf"].push_back(std::log(all / (1 + static_cast<double>(texts[word]))) + 1);
}

/// How often each word is in the text, times that: a row. A text of no such word has zeros.
void apply_tf_idf(const FittedStep& step, FittedSamples& sample) {
  const auto& words = step.texts;
  CUTTLE_VALIDATE(!words.empty() && std::is_sorted(words.begin(), words.end()),
                  "the saved preprocessing has no words of tf_idf (the file is damaged); copy it "
                  "anew, or make it again");
  const auto& idf = numbers_of(step.numbers, "idf", words.size());
  std::vector<double> row(words.size(), 0.0);
  for (const std::string& word : words_of_text(sample.texts[0])) {
    const auto place = std::lower_bound(words.begin(), words.end(), word);
    if (place == words.end() || *place != word) continue;
    const auto at = static_cast<std::size_t>(place - words.begin());
    row[at] += idf[at];
  }
  sample = {static_cast<std::int64_t>(row.size()), std::move(row), {1}};
}

}  // namespace

FittedType row_of_fitted_tf_idf() {
  FittedType type{{"texts as vectors: how often each word is there, rare ones counting more",
                   "Sparck Jones 1972", keys_of<TfIdfOptions>()},
                  {ModalityKind::kText},
                  fit_tf_idf,
                  apply_tf_idf};
  type.makes = ModalityKind::kVector;
  return type;
}

}  // namespace cuttle
