#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_support.hpp"

// Texts that a program wrote, an older one perhaps.
namespace cuttle {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::Pair;

/// As a version wrote it for which every learner, fusion and encoder had the same keys.
const char* const kOld =
    "name: tiny\n"
    "seed: 7\n"
    "model:\n"
    "  fusion: late\n"
    "  embedding: 64\n"
    "  missing: embedding\n"
    "  modality_dropout: 0.2\n"
    "  encoders:\n"
    "    image:\n"
    "      type: conv4\n"
    "      width: 8\n"
    "      depth: 2\n"
    "      norm: batch\n"
    "      norm_momentum: 0.1\n"
    "      fused: true\n"
    "      max_length: 0\n"
    "      frozen_from: \"\"\n"
    "      extra: {}\n"
    "    text:\n"
    "      type: \"\"\n"
    "      width: 4\n"
    "      extra: {mode: fast}\n"
    "    x:\n"
    "      type: mlp\n"
    "      norm: batch\n"
    "      norm_momentum: 0.1\n"
    "adapt:\n"
    "  algorithm: protonet\n"
    "  inner_steps: 1\n"
    "  eval_inner_steps: 0\n"
    "  inner_lr: 0.4\n"
    "  inner_optimizer: sgd\n"
    "  keep: parameters\n"
    "  part_loss: 0.5\n"
    "  refine: 1\n"
    "  diagnostics: false\n"
    "step:\n"
    "  optimizer: sgd\n"
    "  beta1: 0.9\n"
    "  beta2: 0.999\n"
    "  momentum: 0.5\n";

TEST(SavedConfig, KeysOfTypesThatAreNotChosenArePassedBy) {
  EXPECT_EQ(saved_report_of(kOld), "");
  const RunConfig config = read_saved(kOld);
  EXPECT_EQ(config.seed, 7u);
  EXPECT_EQ(learner_of<stand_in::ProtoNet>(config).part_loss, 0.5);
  EXPECT_THAT(config.adapt.values, Not(Contains(Key("inner_lr"))));
  EXPECT_EQ(config.model.fusion.type, "late");
  EXPECT_THAT(config.model.fusion.values, IsEmpty());
  EXPECT_EQ(encoder_of<stand_in::Conv4>(config, "image").depth, 2);
  EXPECT_EQ(config.step.optimizer.type, "sgd");
  EXPECT_THAT(config.step.optimizer.values, ElementsAre(Pair("momentum", "0.5")));
  EXPECT_THAT(report_of(kOld), HasSubstr("x.yaml:5: model.embedding: unknown key; it belongs"));
}

TEST(SavedConfig, AnEmptyEncoderTypeIsTheUsualOne) {
  const RunConfig config = read_saved(kOld);
  EXPECT_EQ(config.model.encoders.at("text").network.type, "auto");
  EXPECT_EQ(encoder_of<stand_in::Auto>(config, "text").width, 4);
  EXPECT_THAT(report_of("model: {encoders: {a: {type: \"\"}}}"),
              HasSubstr("there are auto, conv4"));
  EXPECT_THAT(saved_report_of("adapt: {algorithm: \"\"}"), HasSubstr("\"\" is unknown"));
}

TEST(SavedConfig, IsAsIfItHadBeenWrittenToday) {
  const RunConfig config = read_saved(kOld);
  EXPECT_THAT(compare(config, read(dump(config))), IsEmpty());
  EXPECT_EQ(dump(read_saved(dump(config))), dump(config));
}

TEST(SavedConfig, AnOverrideMayChooseAnotherType) {
  const char* saved = "adapt: {algorithm: maml, inner_steps: 3, keep: all}";
  const RunConfig config = read_saved(saved, {"adapt.algorithm=protonet", "adapt.refine=2"});
  EXPECT_EQ(learner_of<stand_in::ProtoNet>(config).refine, 2);
  EXPECT_EQ(learner_of<stand_in::Loop>(read_saved(saved, {"adapt.algorithm=anil"})).inner_steps, 3);
  EXPECT_EQ(saved_report_of("model: {encoders: {a: {type: resnet12, norm: running,\n"
                            "  norm_momentum: 0.5}}}",
                            {"model.encoders.a.type=mlp"}),
            "");
}

TEST(SavedConfig, OverridesAreNotPassedBy) {
  EXPECT_EQ(saved_report_of(kOld, {"adapt.inner_lr=0.1"}),
            "command line: adapt.inner_lr: unknown key; it belongs to adapt.algorithm: anil, "
            "fomaml, maml or reptile, not to protonet; remove it");
  EXPECT_THAT(saved_report_of(kOld, {"model.encoders.image.extra={}"}),
              HasSubstr("command line: model.encoders.image.extra: unknown key"));
  EXPECT_THAT(saved_report_of(kOld, {"model.encoders.image.type="}),
              HasSubstr("command line: model.encoders.image.type: \"\" is unknown"));
}

TEST(SavedConfig, WhatNoTypeHasIsRefused) {
  EXPECT_EQ(saved_report_of("adapt: {inner_step: 5}"),
            "x.yaml:1: adapt.inner_step: unknown key; did you mean adapt.inner_steps?");
  EXPECT_EQ(saved_report_of("adapt: {algorithm: mamml, inner_steps: 5}"),
            "x.yaml:1: adapt.algorithm: \"mamml\" is unknown (did you mean maml?); there are anil, "
            "fomaml, maml, protonet, reptile");
  // Of the chosen type's own keys and of every other section nothing is forgiven.
  EXPECT_EQ(saved_report_of("adapt: {algorithm: protonet, refine: x}"),
            "x.yaml:1: adapt.refine: must be a whole number, found text \"x\"");
  EXPECT_THAT(saved_report_of("step: {refine: 1}"), HasSubstr("step.refine: unknown key"));
  EXPECT_THAT(saved_report_of("step: {extra: {}}"), HasSubstr("step.extra: unknown key"));
  EXPECT_THAT(saved_report_of("model: {extra: {}}"), HasSubstr("model.extra: unknown key"));
  EXPECT_THAT(saved_report_of("model: {extra: {}, encoders: {a: {extras: {}}}}"),
              HasSubstr("model.encoders.a.extras: unknown key"));
}

TEST(SavedConfig, AnEncoderMayBeNamedAsARetiredKeyIs) {
  EXPECT_EQ(
      encoder_of<stand_in::Auto>(read_saved("model: {encoders: {extra: {width: 3}}}"), "extra")
          .width,
      3);
}

TEST(SavedConfig, WhatIsPassedByIsNoProblemAmongMany) {
  std::string yaml = "adapt: {algorithm: protonet, inner_lr: 0.1}\n";
  for (int i = 0; i < 60; ++i) yaml.insert(0, "k" + std::to_string(i) + ": 1\n");
  EXPECT_THAT(saved_report_of(yaml), testing::EndsWith("\n... and 10 more problems"));
}

}  // namespace
}  // namespace cuttle
