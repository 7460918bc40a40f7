#include "cuttle/core/nearest_name.hpp"

#include <algorithm>
#include <utility>

namespace cuttle {

std::size_t count_edits(const std::string& a, const std::string& b, char any) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> edits((a.size() + 1) * width);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& {
    return edits[i * width + j];
  };
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      const bool anything = i > 0 && any != 0 && a[i - 1] == any;
      if (i == 0 || j == 0) {
        at(i, j) = i == 0 ? j : at(i - 1, 0) + (anything ? 0 : 1);
        continue;
      }
      if (anything) {
        at(i, j) = std::min(at(i - 1, j), at(i, j - 1));
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

std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates,
                         char any) {
  const auto small = [](std::string text) {
    for (char& letter : text)
      if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return text;
  };
  const std::string asked = small(name);
  const auto distance = [&](const std::string& candidate) {
    const std::string own = small(candidate);
    const bool begun = asked.size() > 1 && own.compare(0, asked.size(), asked) == 0;
    return std::make_pair(!begun, count_edits(asked, own, any));
  };
  const auto nearest = std::min_element(
      candidates.begin(), candidates.end(),
      [&](const std::string& a, const std::string& b) { return distance(a) < distance(b); });
  return nearest == candidates.end() ? std::string() : *nearest;
}

}  // namespace cuttle
