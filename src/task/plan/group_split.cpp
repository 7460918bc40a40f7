#include "task/plan/group_split.hpp"

#include <algorithm>
#include <cstddef>

namespace cuttle {

std::vector<std::uint8_t> split_groups(const std::vector<std::int64_t>& counts, std::int64_t shot,
                                       std::int64_t query) {
  // best[i * width + need]: the most samples that query can have of groups i.. if support needs
  // `need` more of them.
  constexpr std::int64_t kImpossible = -1;
  const std::size_t groups = counts.size(), width = static_cast<std::size_t>(shot) + 1;
  std::vector<std::int64_t> best((groups + 1) * width, kImpossible);
  best[groups * width] = 0;
  const auto left = [](std::size_t need, std::int64_t count) {
    return static_cast<std::size_t>(
        std::max<std::int64_t>(0, static_cast<std::int64_t>(need) - count));
  };
  for (std::size_t i = groups; i-- > 0;) {
    const std::int64_t* next = &best[(i + 1) * width];
    for (std::size_t need = 0; need < width; ++need) {
      const std::int64_t to_query =
          next[need] == kImpossible ? kImpossible : next[need] + counts[i];
      best[i * width + need] = std::max(next[left(need, counts[i])], to_query);
    }
  }
  if (best[width - 1] < query) return {};

  std::vector<std::uint8_t> support(groups, 0);
  std::size_t need = width - 1;
  std::int64_t given = 0, in_query = 0;
  for (std::size_t i = 0; i < groups; ++i) {
    const std::int64_t rest = best[(i + 1) * width + left(need, counts[i])];
    if (given < shot && rest != kImpossible && in_query + rest >= query) {
      support[i] = 1;
      need = left(need, counts[i]);
      ++given;
    } else {
      in_query += counts[i];
    }
  }
  return support;
}

}  // namespace cuttle
