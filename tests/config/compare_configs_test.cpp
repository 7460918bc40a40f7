#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "config/config_schema.hpp"
#include "config/config_support.hpp"

namespace cuttle {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A different value of the same type, which the rule allows where it lists values.
struct Change {
  const ConfigRule& rule;
  void operator()(bool* value) const { *value = !*value; }
  void operator()(int* value) const { *value += 1; }
  void operator()(std::int64_t* value) const { *value += 1; }
  void operator()(std::uint64_t* value) const { *value += 1; }
  void operator()(double* value) const { *value = *value == 0 ? 0.25 : *value / 2; }
  void operator()(std::string* value) const {
    *value = rule.allowed.empty() ? *value + "x" : rule.allowed[*value == rule.allowed[0] ? 1 : 0];
  }
  void operator()(std::vector<std::string>* value) const { value->push_back("x"); }
};

/// 'key: was -> is' of every change.
std::vector<std::string> shown(const std::vector<ConfigChange>& changes) {
  std::vector<std::string> lines;
  for (const ConfigChange& change : changes)
    lines.push_back(change.key + ": " + change.was + " -> " + change.is);
  return lines;
}

TEST(CompareConfigs, EqualOnes) {
  EXPECT_THAT(compare(RunConfig(), RunConfig()), IsEmpty());
  const RunConfig config = read(
      "{adapt: {algorithm: reptile, inner_optimizer: adam}, objectives: {o: {type: contrastive, "
      "weight: 2}},\n"
      "model: {encoders: {a: {type: conv4, norm: running, norm_momentum: 0.3}}}}");
  EXPECT_THAT(compare(config, config), IsEmpty());
}

TEST(CompareConfigs, ValuesAreComparedNotHowTheyWereGiven) {
  EXPECT_THAT(compare(read("adapt: {inner_steps: 1, inner_lr: 4e-1}"), RunConfig()), IsEmpty());
  RunConfig given;
  given.adapt = Section("maml", {{"inner_lr", "0.40"}, {"refine", "3"}});  // maml has no refine
  EXPECT_THAT(compare(given, RunConfig()), IsEmpty());
}

TEST(CompareConfigs, AnotherOptimizerIsAnotherRun) {
  const auto changes = compare(RunConfig(), read("step: {optimizer: sgd, momentum: 0.9}"));
  EXPECT_THAT(shown(changes),
              ElementsAre("step.optimizer: adam -> sgd", "step.momentum: (absent) -> 0.9",
                          "step.beta1: 0.9 -> (absent)", "step.beta2: 0.999 -> (absent)",
                          "step.epsilon: 1.0e-08 -> (absent)"));
  for (const ConfigChange& change : changes)
    EXPECT_THAT(change.reason, HasSubstr("it has a part in the bits")) << change.key;
}

TEST(CompareConfigs, WhatMayChangeIsListed) {
  RunConfig config;
  EXPECT_THAT(keys_that_may_change(config, small_catalog()),
              ElementsAre("name", "data.shards", "data.validation_shards", "data.test_shards",
                          "data.in_memory", "data.feature_bank", "data.prefetch",
                          "train.steps (to more)", "train.minutes", "train.checkpoint_every",
                          "train.keep_checkpoints", "sinks", "comm.backend", "comm.deadline_s"));
  config.step.schedule = "cosine";
  config.sources["a"];
  const auto keys = keys_that_may_change(config, small_catalog());
  EXPECT_THAT(keys, testing::Contains("sources.a.test_shards"));
  EXPECT_THAT(keys, testing::Not(testing::Contains(HasSubstr("train.steps"))));
}

TEST(CompareConfigs, EveryKeyIsSeenAndOnlyTheListedOnesMayChange) {
  const std::set<std::string> allowed = {"name",
                                         "data.shards",
                                         "data.validation_shards",
                                         "data.test_shards",
                                         "data.in_memory",
                                         "data.feature_bank",
                                         "data.prefetch",
                                         "train.steps",
                                         "train.minutes",
                                         "train.checkpoint_every",
                                         "train.keep_checkpoints",
                                         "sinks.board.every",
                                         "sinks.console.every_s",
                                         "comm.backend",
                                         "comm.deadline_s"};
  RunConfig base;
  base.model.encoders["image"];
  base.objectives["align"];
  base.sinks["board"];
  RunConfig shape = base;
  const ConfigSchema schema(shape, small_catalog());
  std::size_t fields = 0, of_types = 0;
  for (const std::string& key : schema.keys()) {
    if (schema.find(key)->kind != ConfigItem::Kind::kField) continue;
    ++fields;
    RunConfig changed = base;
    const ConfigSchema into(changed, small_catalog());
    const ConfigItem& item = *into.find(key);
    std::visit(Change{item.rule}, item.target);
    ConfigSchema::keep(item);  // what belongs to a type lives in the config as text
    if (!item.owner.empty()) ++of_types;
    const std::vector<ConfigChange> changes = compare(base, changed);
    ASSERT_EQ(changes.size(), 1u) << key;
    EXPECT_EQ(changes[0].key, key);
    EXPECT_NE(changes[0].was, changes[0].is);
    EXPECT_EQ(changes[0].allowed, allowed.count(key) == 1) << key;
    EXPECT_EQ(changes[0].reason.empty(), changes[0].allowed) << key;
  }
  EXPECT_GT(fields, allowed.size());
  EXPECT_GT(of_types, 8u);
}

TEST(CompareConfigs, EveryChoiceIsSeenAndOnlySinksMayChange) {
  RunConfig base;
  base.model.encoders["image"];
  RunConfig shape = base;
  const ConfigSchema schema(shape, small_catalog());
  int others = 0;
  for (const ConfigItem& choice : schema.items()) {
    if (choice.kind != ConfigItem::Kind::kChoice) continue;
    for (const auto& type : schema.types_of(choice)) {
      if (type.first == choice.section->type) continue;
      ++others;
      RunConfig changed = base;
      ConfigSchema(changed, small_catalog()).select(choice.key, type.first);
      const std::vector<ConfigChange> changes = compare(base, changed);
      ASSERT_FALSE(changes.empty()) << choice.key;
      EXPECT_EQ(changes[0].key, choice.key);
      EXPECT_EQ(changes[0].is, type.first);
      const bool sink = choice.key.rfind("sinks.", 0) == 0;
      for (const ConfigChange& change : changes) {
        EXPECT_EQ(change.allowed, sink) << change.key;
        EXPECT_EQ(change.reason.empty(), sink) << change.key;
      }
    }
  }
  // Learner, encoder, norm, fusion, head, target, optimizer, two sinks.
  EXPECT_EQ(others, 4 + 3 + 2 + 2 + 1 + 1 + 1 + 2 * 2);
}

TEST(CompareConfigs, ValuesAndOrderAreThoseOfTheFile) {
  const auto changes = compare(read("seed: 1\nadapt: {inner_lr: 0.1}\n"),
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
  auto changes = compare(was, read("train: {steps: 2000}"));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].allowed);
  changes = compare(was, read("train: {steps: 999}"));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_FALSE(changes[0].allowed);
  EXPECT_THAT(changes[0].reason, HasSubstr("only become larger"));
}

TEST(CompareConfigs, MoreStepsWouldStretchACosine) {
  const char* schedule = "step: {schedule: cosine}\ntrain: {steps: 1000}\n";
  const auto changes = compare(read(schedule), read(schedule, {"train.steps=2000"}));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_FALSE(changes[0].allowed);
  EXPECT_THAT(changes[0].reason, HasSubstr("cosine"));
}

TEST(CompareConfigs, EncodersThatComeOrGo) {
  const RunConfig with = read("model: {encoders: {text: {width: 8}}}");
  const auto added = compare(RunConfig(), with);
  const auto removed = compare(with, RunConfig());
  ASSERT_EQ(added.size(), 8u);
  ASSERT_EQ(removed.size(), 8u);
  EXPECT_EQ(added[1].key, "model.encoders.text.width");
  EXPECT_EQ(added[1].was, "(absent)");
  EXPECT_EQ(added[1].is, "8");
  EXPECT_EQ(removed[1].was, "8");
  EXPECT_FALSE(added[1].allowed);
}

TEST(CompareConfigs, SinksMayComeAndGo) {
  const RunConfig with = read("sinks: {board: {every: 3}}");
  for (const auto& changes : {compare(RunConfig(), with), compare(with, RunConfig())}) {
    ASSERT_EQ(changes.size(), 2u);
    EXPECT_EQ(changes[0].key, "sinks.board.type");
    EXPECT_EQ(changes[1].key, "sinks.board.every");
    for (const ConfigChange& change : changes) EXPECT_TRUE(change.allowed) << change.key;
  }
  // What stands after them may not.
  EXPECT_FALSE(compare(RunConfig(), read("objectives: {o: {type: contrastive}}")).at(0).allowed);
}

TEST(CompareConfigs, KeysOfTypesThatComeOrGoStandWhereTheFileHasThem) {
  EXPECT_THAT(
      shown(compare(read("{adapt: {algorithm: fomaml}, seed: 3}"),
                    read("adapt: {algorithm: protonet, refine: 2}\nstep: {warmup: 3}"))),
      ElementsAre("seed: 3 -> 1", "adapt.algorithm: fomaml -> protonet",
                  "adapt.part_loss: (absent) -> 0.0", "adapt.refine: (absent) -> 2",
                  "adapt.inner_steps: 1 -> (absent)", "adapt.eval_inner_steps: 0 -> (absent)",
                  "adapt.diagnostics: false -> (absent)", "adapt.inner_lr: 0.4 -> (absent)",
                  "step.warmup: 0 -> 3"));
  // What both types have is compared as ever.
  EXPECT_THAT(shown(compare(read("adapt: {algorithm: maml, inner_steps: 3}"),
                            read("adapt: {algorithm: anil, inner_steps: 5}"))),
              ElementsAre("adapt.algorithm: maml -> anil", "adapt.inner_steps: 3 -> 5",
                          "adapt.keep: parameters -> (absent)"));
}

TEST(CompareConfigs, KeysOfInnerChoicesComeAndGoToo) {
  const RunConfig batch = read("model: {encoders: {a: {norm: batch}}}");
  EXPECT_THAT(shown(compare(batch, read("model: {encoders: {a: {norm: running}}}"))),
              ElementsAre("model.encoders.a.norm: batch -> running",
                          "model.encoders.a.norm_momentum: (absent) -> 0.1"));
  EXPECT_THAT(
      shown(compare(read("model: {encoders: {a: {type: resnet12}}}"),
                    read("model: {encoders: {a: {type: mlp}}}"))),
      ElementsAre("model.encoders.a.type: resnet12 -> mlp", "model.encoders.a.width: 32 -> 64",
                  "model.encoders.a.norm: running -> (absent)",
                  "model.encoders.a.norm_momentum: 0.1 -> (absent)"));
}

TEST(CompareConfigs, TheLastBitOfANumberCounts) {
  RunConfig was, is;
  is.step.outer_lr = std::nextafter(was.step.outer_lr, 1.0);
  EXPECT_EQ(compare(was, is).size(), 1u);
  EXPECT_THAT(shown(compare(RunConfig(), read("adapt: {inner_lr: 0.40000000000000008}"))),
              Contains("adapt.inner_lr: 0.4 -> 0.4000000000000001"));
}

}  // namespace
}  // namespace cuttle
