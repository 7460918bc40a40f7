#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "config/config_schema.hpp"
#include "config/config_support.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// A different value of the same type.
struct Change {
  void operator()(bool* value) const { *value = !*value; }
  void operator()(int* value) const { *value += 1; }
  void operator()(std::int64_t* value) const { *value += 1; }
  void operator()(std::uint64_t* value) const { *value += 1; }
  void operator()(double* value) const { *value += 0.25; }
  void operator()(std::string* value) const { *value += "x"; }
  void operator()(std::vector<std::string>* value) const { value->push_back("x"); }
  void operator()(std::map<std::string, std::string>* value) const { (*value)["x"] = "y"; }
};

TEST(CompareConfigs, EqualOnes) {
  EXPECT_THAT(compare_configs(RunConfig(), RunConfig()), IsEmpty());
  const RunConfig config = read("model: {encoders: {a: {extra: {k: v}}}}");
  EXPECT_THAT(compare_configs(config, config), IsEmpty());
}

TEST(CompareConfigs, EveryKeyIsSeenAndOnlyTheListedOnesMayChange) {
  const std::set<std::string> allowed = {"name",
                                         "data.shards",
                                         "data.in_memory",
                                         "data.prefetch",
                                         "train.steps",
                                         "train.checkpoint_every",
                                         "train.keep_checkpoints",
                                         "comm.backend",
                                         "comm.deadline_s"};
  RunConfig base;
  base.model.encoders["image"];
  RunConfig shape = base;
  const ConfigSchema schema(shape);
  std::size_t fields = 0;
  for (const std::string& key : schema.keys()) {
    if (schema.find(key)->kind != ConfigItem::Kind::kField) continue;
    ++fields;
    RunConfig changed = base;
    const ConfigSchema into(changed);
    std::visit(Change(), into.find(key)->target);
    const std::vector<ConfigChange> changes = compare_configs(base, changed);
    ASSERT_EQ(changes.size(), 1u) << key;
    EXPECT_EQ(changes[0].key, key);
    EXPECT_NE(changes[0].was, changes[0].is);
    EXPECT_EQ(changes[0].allowed, allowed.count(key) == 1) << key;
    EXPECT_EQ(changes[0].reason.empty(), changes[0].allowed) << key;
  }
  EXPECT_GT(fields, allowed.size());
}

TEST(CompareConfigs, ValuesAndOrderAreThoseOfTheFile) {
  const auto changes =
      compare_configs(read("seed: 1\nadapt: {inner_lr: 0.1}\n"),
                      read("seed: 2\nadapt: {inner_lr: 0.2}\ncomm: {deadline_s: 5}\n"));
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].key, "seed");
  EXPECT_EQ(changes[1].key, "adapt.inner_lr");
  EXPECT_EQ(changes[1].was, "0.1");
  EXPECT_EQ(changes[1].is, "0.2");
  EXPECT_THAT(changes[1].reason, HasSubstr("bits"));
  EXPECT_EQ(changes[2].key, "comm.deadline_s");
  EXPECT_TRUE(changes[2].allowed);
}

TEST(CompareConfigs, StepsMayOnlyGrow) {
  const RunConfig was = read("train: {steps: 1000}");
  auto changes = compare_configs(was, read("train: {steps: 2000}"));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].allowed);
  changes = compare_configs(was, read("train: {steps: 999}"));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_FALSE(changes[0].allowed);
  EXPECT_THAT(changes[0].reason, HasSubstr("only become larger"));
}

TEST(CompareConfigs, MoreStepsWouldStretchACosine) {
  const char* schedule = "step: {schedule: cosine}\ntrain: {steps: 1000}\n";
  const auto changes = compare_configs(read(schedule), read(schedule, {"train.steps=2000"}));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_FALSE(changes[0].allowed);
  EXPECT_THAT(changes[0].reason, HasSubstr("cosine"));
}

TEST(CompareConfigs, EncodersThatComeOrGo) {
  const RunConfig with = read("model: {encoders: {text: {width: 8}}}");
  const auto added = compare_configs(RunConfig(), with);
  const auto removed = compare_configs(with, RunConfig());
  ASSERT_EQ(added.size(), 8u);
  ASSERT_EQ(removed.size(), 8u);
  EXPECT_EQ(added[1].key, "model.encoders.text.width");
  EXPECT_EQ(added[1].was, "(absent)");
  EXPECT_EQ(added[1].is, "8");
  EXPECT_EQ(removed[1].was, "8");
  EXPECT_FALSE(added[1].allowed);
}

TEST(CompareConfigs, TheLastBitOfANumberCounts) {
  RunConfig was, is;
  is.adapt.inner_lr = std::nextafter(was.adapt.inner_lr, 1.0);
  EXPECT_EQ(compare_configs(was, is).size(), 1u);
}

}  // namespace
}  // namespace cuttle
