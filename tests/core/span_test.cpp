#include "cuttle/core/span.hpp"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>
#include <vector>

namespace cuttle {
namespace {

int sum_of(Span<const int> values) {
  return std::accumulate(values.begin(), values.end(), 0);
}

TEST(Span, ViewsWhatOthersOwn) {
  std::vector<int> owner = {1, 2, 3};
  const Span<int> view = owner;
  view[1] = 20;
  EXPECT_EQ(owner[1], 20);
  EXPECT_EQ(view.size(), 3u);
  EXPECT_EQ(view.data(), owner.data());
}

TEST(Span, ConvertsToConstAndFromContainers) {
  std::vector<int> changing = {1, 2};
  const std::array<int, 2> fixed = {3, 4};
  const Span<int> view = changing;
  EXPECT_EQ(sum_of(view), 3);
  EXPECT_EQ(sum_of(changing), 3);
  EXPECT_EQ(sum_of(fixed), 7);
  EXPECT_TRUE((std::is_constructible_v<Span<const int>, const std::vector<int>&>));
  EXPECT_FALSE((std::is_constructible_v<Span<int>, const std::vector<int>&>));
  EXPECT_FALSE((std::is_constructible_v<Span<int>, std::vector<double>&>));
}

TEST(Span, EmptyByDefault) {
  const Span<const char> nothing;
  EXPECT_TRUE(nothing.empty());
  EXPECT_EQ(nothing.begin(), nothing.end());
}

}  // namespace
}  // namespace cuttle
