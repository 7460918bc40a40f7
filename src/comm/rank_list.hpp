#pragma once

#include <string>
#include <vector>

namespace cuttle {

/// "rank 3" or "ranks 0-2, 5", from ranks in ascending order.
std::string rank_list(const std::vector<int>& ranks);

/// What each of some ranks says; ranks that say the same are named together, in the order of their
/// lowest rank: "ranks 0, 2: a; rank 1: b".
struct Saying {
  int rank;
  std::string text;
};
std::string group_sayings(const std::vector<Saying>& sayings, const std::string& separator);

}  // namespace cuttle
