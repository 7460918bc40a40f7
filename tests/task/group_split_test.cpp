#include "task/plan/group_split.hpp"

#include <gtest/gtest.h>

#include "cuttle/core/random.hpp"

namespace cuttle {
namespace {

/// Whether any division gives support `shot` and query `query` samples: tries all of them.
bool possible(const std::vector<std::int64_t>& counts, std::int64_t shot, std::int64_t query) {
  for (std::uint32_t chosen = 0; chosen < 1u << counts.size(); ++chosen) {
    std::int64_t support = 0, rest = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) (chosen >> i & 1 ? support : rest) += counts[i];
    if (support >= shot && rest >= query) return true;
  }
  return false;
}

TEST(group_split, finds_a_division_exactly_when_there_is_one) {
  Random random(RandomKey{3, Stream::kTesting});
  int found = 0;
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::int64_t> counts(random.below(7));
    for (std::int64_t& count : counts) count = 1 + static_cast<std::int64_t>(random.below(6));
    const auto shot = 1 + static_cast<std::int64_t>(random.below(8));
    const auto query = 1 + static_cast<std::int64_t>(random.below(8));
    const auto support = split_groups(counts, shot, query);
    ASSERT_EQ(!support.empty(), possible(counts, shot, query));
    if (support.empty()) continue;
    ++found;
    std::int64_t in_support = 0, in_query = 0, groups = 0;
    for (std::size_t g = 0; g < counts.size(); ++g) {
      (support[g] ? in_support : in_query) += counts[g];
      groups += support[g];
    }
    EXPECT_GE(in_support, shot);
    EXPECT_GE(in_query, query);
    EXPECT_LE(groups, shot);
  }
  EXPECT_GT(found, 1000);
}

TEST(group_split, gives_support_the_first_groups_it_can) {
  using Flags = std::vector<std::uint8_t>;
  EXPECT_EQ(split_groups({1, 1, 1}, 1, 2), (Flags{1, 0, 0}));
  EXPECT_EQ(split_groups({4, 4, 4, 4}, 3, 4), (Flags{1, 1, 1, 0}));
  EXPECT_EQ(split_groups({4, 4, 4, 4}, 3, 5), (Flags{1, 1, 0, 0}));
  EXPECT_EQ(split_groups({1, 5}, 3, 1), (Flags{0, 1}));
  EXPECT_EQ(split_groups({5, 1, 2}, 1, 4), (Flags{0, 1, 0}));
}

}  // namespace
}  // namespace cuttle
