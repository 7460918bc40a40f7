#include "comm/rank_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace cuttle {

std::string rank_list(const std::vector<int>& ranks) {
  std::string text;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t last = i;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    if (last == i) {
      text += fmt::format("{}", ranks[i]);
    } else {
      text += fmt::format("{}{}{}", ranks[i], last == i + 1 ? ", " : "-", ranks[last]);
    }
    i = last + 1;
  }
  return (ranks.size() == 1 ? "rank " : "ranks ") + text;
}

std::string group_sayings(const std::vector<Saying>& sayings, const std::string& separator) {
  std::vector<std::pair<std::string, std::vector<int>>> groups;
  for (const auto& saying : sayings) {
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const auto& known) { return known.first == saying.text; });
    if (group == groups.end()) group = groups.insert(groups.end(), {saying.text, {}});
    group->second.push_back(saying.rank);
  }
  std::string text;
  for (const auto& [said, ranks] : groups) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : separator, rank_list(ranks), said);
  }
  return text;
}

}  // namespace cuttle
