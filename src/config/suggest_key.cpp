#include "config/suggest_key.hpp"

#include <algorithm>
#include <cstddef>

#include "cuttle/core/nearest_name.hpp"

namespace cuttle {
namespace {

/// A longer word is no typo of a key, and comparing it would take long.
constexpr std::size_t kLongestKey = 80;

std::string last_part(const std::string& key) {
  return key.substr(key.rfind('.') + 1);
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
