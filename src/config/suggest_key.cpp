#include "config/suggest_key.hpp"

#include <algorithm>
#include <cstddef>

namespace cuttle {
namespace {

/// A longer word is no typo of a key, and comparing it would take long.
constexpr std::size_t kLongestKey = 80;

std::string last_part(const std::string& key) {
  return key.substr(key.rfind('.') + 1);
}

/// Insertions, deletions, replacements of one character and swaps of two neighbours.
std::size_t count_edits(const std::string& a, const std::string& b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> edits((a.size() + 1) * width);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& {
    return edits[i * width + j];
  };
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        at(i, j) = i + j;
        continue;
      }
      const std::size_t replaced = at(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
      at(i, j) = std::min({replaced, at(i - 1, j) + 1, at(i, j - 1) + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
    }
  }
  return edits.back();
}

}  // namespace

std::string suggest_key(const std::string& unknown, const std::vector<std::string>& valid) {
  if (unknown.size() > kLongestKey) return "";
  const std::string name = last_part(unknown);
  std::string best;
  std::size_t fewest = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const std::string& key : valid) {
    // A wrong section costs as much as one wrong character: typos in the same section win.
    const std::size_t edits =
        std::min(count_edits(unknown, key), count_edits(name, last_part(key)) + 1);
    if (edits < fewest) {
      fewest = edits;
      best = key;
    }
  }
  return best;
}

}  // namespace cuttle
