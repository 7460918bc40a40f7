#include "cuttle/core/nearest_name.hpp"

#include <gtest/gtest.h>

namespace cuttle {
namespace {

TEST(count_edits, counts_each_kind_of_edit_once) {
  EXPECT_EQ(count_edits("shot", "shot"), 0u);
  EXPECT_EQ(count_edits("shot", "shots"), 1u);   // insertion
  EXPECT_EQ(count_edits("query", "qury"), 1u);   // deletion
  EXPECT_EQ(count_edits("way", "wax"), 1u);      // replacement
  EXPECT_EQ(count_edits("imgae", "image"), 1u);  // swap of neighbours
  EXPECT_EQ(count_edits("kitten", "sitting"), 3u);
  EXPECT_EQ(count_edits("", "abc"), 3u);
}

TEST(nearest_name, is_the_one_with_the_fewest_edits) {
  EXPECT_EQ(nearest_name("imgae", {"audio", "image", "text"}), "image");
  EXPECT_EQ(nearest_name("", {"audio", "text"}), "text");
  EXPECT_EQ(nearest_name("x", {}), "");
}

}  // namespace
}  // namespace cuttle
