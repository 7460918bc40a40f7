#include "config/suggest_key.hpp"

#include <gtest/gtest.h>

namespace cuttle {
namespace {

const std::vector<std::string> kKeys = {"seed",           "episode.way",    "episode.way_min",
                                        "step.beta1",     "step.beta2",     "adapt.inner_steps",
                                        "adapt.inner_lr", "evaluation.way", "step.schedule"};

TEST(SuggestKey, OneSlip) {
  EXPECT_EQ(suggest_key("adapt.inner_step", kKeys), "adapt.inner_steps");    // a letter less
  EXPECT_EQ(suggest_key("adapt.inner_stepss", kKeys), "adapt.inner_steps");  // one more
  EXPECT_EQ(suggest_key("step.beta3", kKeys), "step.beta1");  // another; the first wins
  EXPECT_EQ(suggest_key("sede", kKeys), "seed");              // two swapped
  EXPECT_EQ(suggest_key("step.shcedule", kKeys), "step.schedule");
}

TEST(SuggestKey, TheWrongSection) {
  EXPECT_EQ(suggest_key("inner_lr", kKeys), "adapt.inner_lr");
  EXPECT_EQ(suggest_key("train.schedule", kKeys), "step.schedule");
  EXPECT_EQ(suggest_key("adpt.inner_steps", kKeys), "adapt.inner_steps");
}

TEST(SuggestKey, TheSameSectionComesFirst) {
  EXPECT_EQ(suggest_key("evaluation.ways", kKeys), "evaluation.way");
  EXPECT_EQ(suggest_key("episode.ways", kKeys), "episode.way");
}

TEST(SuggestKey, NothingNear) {
  EXPECT_EQ(suggest_key("wibble", kKeys), "");
  EXPECT_EQ(suggest_key("step.x", kKeys), "");
  EXPECT_EQ(suggest_key("", kKeys), "");
  EXPECT_EQ(suggest_key(std::string(1 << 20, 'a'), kKeys), "");
  EXPECT_EQ(suggest_key("seed", {}), "");
}

}  // namespace
}  // namespace cuttle
