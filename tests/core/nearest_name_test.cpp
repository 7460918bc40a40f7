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

TEST(count_edits, anything_stands_for_what_it_must) {
  EXPECT_EQ(count_edits("encoder.*.bias", "encoder.image.0.conv.bias", '*'), 0u);
  EXPECT_EQ(count_edits("*.bias", ".bias", '*'), 0u);
  EXPECT_EQ(count_edits("*", "", '*'), 0u);
  EXPECT_EQ(count_edits("**ab*", "aab", '*'), 0u);
  EXPECT_EQ(count_edits("a*", "ba", '*'), 1u);
  EXPECT_EQ(count_edits("encoder.img.*", "encoder.image.0.bias", '*'), 2u);
  EXPECT_EQ(count_edits("*.bais", "head.bias", '*'), 1u);
  EXPECT_EQ(count_edits("*.bias", "head.bias"), 4u);  // a character like others
  EXPECT_EQ(count_edits("head", "h*", '*'), 3u);      // in the second too
}

TEST(nearest_name, is_the_one_with_the_fewest_edits) {
  EXPECT_EQ(nearest_name("imgae", {"audio", "image", "text"}), "image");
  EXPECT_EQ(nearest_name("valid", {"all", "train", "validation"}), "validation");
  EXPECT_EQ(nearest_name("a", {"b", "audio"}), "b");
  EXPECT_EQ(nearest_name("", {"audio", "text"}), "text");
  EXPECT_EQ(nearest_name("x", {}), "");
  EXPECT_EQ(nearest_name("LOWER", {"clip", "lower"}), "lower");
  EXPECT_EQ(nearest_name("*.bais", {"bias", "head.bias", "head.weight"}, '*'), "head.bias");
}

}  // namespace
}  // namespace cuttle
