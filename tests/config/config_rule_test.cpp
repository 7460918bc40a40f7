#include "cuttle/config/rule.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace cuttle {
namespace {

TEST(ConfigRule, RangesHaveTheirEnds) {
  EXPECT_EQ(at_least(2).objection(2.0), "");
  EXPECT_EQ(at_least(2).objection(1.0), "is 1; must be 2 or more");
  EXPECT_EQ(above(0).objection(1e-300), "");
  EXPECT_EQ(above(0).objection(0.0), "is 0; must be above 0");
  EXPECT_EQ(between(1, 3).objection(1.0), "");
  EXPECT_EQ(between(1, 3).objection(3.0), "");
  EXPECT_EQ(between(1, 3).objection(3.5), "is 3.5; must be 1 to 3");
  EXPECT_EQ(from_below(0, 1).objection(0.0), "");
  EXPECT_EQ(from_below(0, 1).objection(1.0), "is 1; must be 0 to below 1");
  EXPECT_EQ(above_to(0, 1).objection(1.0), "");
  EXPECT_EQ(above_to(0, 1).objection(0.0), "is 0; must be above 0, up to 1");
  EXPECT_EQ(anything().objection(-1e308), "");
}

TEST(ConfigRule, NotFiniteIsNeverFine) {
  for (const ConfigRule& rule : {anything(), at_least(0), above(0)}) {
    EXPECT_NE(rule.objection(std::numeric_limits<double>::quiet_NaN()), "");
    EXPECT_NE(rule.objection(std::numeric_limits<double>::infinity()), "");
  }
}

TEST(ConfigRule, Choices) {
  const ConfigRule rule = one_of({"a", "b", "c"});
  EXPECT_EQ(rule.objection(std::string("b")), "");
  EXPECT_EQ(rule.objection(std::string("B")), "is \"B\"; must be a, b or c");
  EXPECT_NE(rule.objection(std::string()), "");
  EXPECT_EQ(rule.summary(), "a | b | c");
}

TEST(ConfigRule, Names) {
  EXPECT_EQ(plain_word().objection(std::string("image_2")), "");
  EXPECT_NE(plain_word().objection(std::string("a.b")), "");
  EXPECT_NE(plain_word().objection(std::string("caf\xC3\xA9")), "");
  EXPECT_NE(plain_word().objection(std::string("a\0b", 3)), "");
}

TEST(ConfigRule, RunNamesStayInTheirFolder) {
  EXPECT_EQ(run_name().objection(std::string("emoji-5w1s.b")), "");
  EXPECT_EQ(run_name().objection(std::string(64, 'a')), "");
  for (const char* bad : {"", ".", "..", ".hidden", "a/b", "../a", "a b", "a\n"}) {
    EXPECT_NE(run_name().objection(std::string(bad)), "") << bad;
  }
  EXPECT_NE(run_name().objection(std::string(65, 'a')), "");
}

}  // namespace
}  // namespace cuttle
