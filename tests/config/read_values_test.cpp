#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "config/config_support.hpp"

namespace cuttle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ReadValues, EveryTypeOfMember) {
  const RunConfig config = read(
      "name: trial-1.b\n"
      "seed: 18446744073709551615\n"
      "threads: 2\n"
      "data:\n"
      "  shards: [.data/a/*.h5, \"with space.h5\"]\n"
      "  modalities:\n"
      "    - image\n"
      "    - text\n"
      "  in_memory: true\n"
      "adapt: {inner_steps: +3, inner_lr: 1e-2}\n"
      "model:\n"
      "  encoders:\n"
      "    image: {width: 32, norm: none, fused: false}\n"
      "    text:\n");
  EXPECT_EQ(config.name, "trial-1.b");
  EXPECT_EQ(config.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(config.threads, 2);
  EXPECT_THAT(config.data.shards, ElementsAre(".data/a/*.h5", "with space.h5"));
  EXPECT_THAT(config.data.modalities, ElementsAre("image", "text"));
  EXPECT_TRUE(config.data.in_memory);
  EXPECT_EQ(learner_of<stand_in::Maml>(config).inner_steps, 3);
  EXPECT_EQ(learner_of<stand_in::Maml>(config).inner_lr, 0.01);
  ASSERT_EQ(config.model.encoders.size(), 2u);
  const auto image = encoder_of<stand_in::Auto>(config, "image");
  EXPECT_EQ(image.width, 32);
  EXPECT_EQ(image.norm.type, "none");
  EXPECT_FALSE(image.fused);
  EXPECT_EQ(encoder_of<stand_in::Auto>(config, "text").width, stand_in::Auto().width);
}

TEST(ReadValues, WhatIsNotGivenKeepsItsDefault) {
  const RunConfig config = read("name: x\nadapt:\ndata: {}\n");
  EXPECT_EQ(config.adapt.type, "maml");
  EXPECT_THAT(config.adapt.values, IsEmpty());
  EXPECT_EQ(learner_of<stand_in::Maml>(config).inner_steps, stand_in::Maml().inner_steps);
  EXPECT_EQ(config.episode.query, EpisodeOptions().query);
  EXPECT_THAT(config.data.shards, IsEmpty());
}

TEST(ReadValues, TruthValues) {
  for (const char* word : {"true", "True", "TRUE"}) {
    EXPECT_TRUE(read(std::string("data: {in_memory: ") + word + "}").data.in_memory);
  }
  EXPECT_EQ(report_of("data: {in_memory: yes}"),
            "x.yaml:1: data.in_memory: must be true or false, found text \"yes\"");
  EXPECT_EQ(report_of("data: {in_memory: 1}"),
            "x.yaml:1: data.in_memory: must be true or false, found 1");
}

TEST(ReadValues, NamesRegisteredByOthersPass) {
  Catalog catalog = small_catalog();
  catalog["fusion"]["my_fusion-2"] = stand_in::type<stand_in::Gated>();
  catalog["encoder"]["lab.resnet"] = stand_in::type<stand_in::ResNet12>();
  catalog["learner"]["lab:leo"] = {"has no keys", "Rusu et al. 2019"};
  const RunConfig config = read(
      "model: {fusion: my_fusion-2, embedding: 8, encoders: {image: {type: lab.resnet}}}\n"
      "adapt: {algorithm: lab:leo}\n",
      {}, catalog);
  EXPECT_EQ(config.model.fusion.type, "my_fusion-2");
  EXPECT_EQ(options_of<stand_in::Gated>(config.model.fusion).embedding, 8);
  EXPECT_EQ(config.model.encoders.at("image").network.type, "lab.resnet");
  EXPECT_EQ(config.adapt.type, "lab:leo");
  EXPECT_THAT(report_of("adapt: {algorithm: \"\"}"), HasSubstr("adapt.algorithm: \"\" is unknown"));
  EXPECT_THAT(report_of("model: {fusion: \"a\\nb\"}"),
              HasSubstr("model.fusion: \"a\\x0ab\" is unknown"));
}

TEST(ReadValues, CommentsBlocksByteOrderMarkAndLineEndsOfOtherSystems) {
  EXPECT_EQ(read("\xEF\xBB\xBFseed: 3  # three\r\n\r\nname: y\r\n").seed, 3u);
  EXPECT_EQ(read("%YAML 1.2\n---\nseed: 4\n...\n").seed, 4u);
}

struct WrongValue {
  const char* yaml;
  const char* report;
};
class WrongValues : public testing::TestWithParam<WrongValue> {};

TEST_P(WrongValues, SayWhatWasFound) {
  EXPECT_EQ(report_of(GetParam().yaml), std::string("x.yaml:1: ") + GetParam().report);
}

constexpr const char* kTooLarge = "seed: is beyond 64 bits";
INSTANTIATE_TEST_SUITE_P(
    ReadValues, WrongValues,
    testing::Values(
        WrongValue{"episode: {way: ten}",
                   "episode.way: must be a whole number, found text \"ten\""},
        WrongValue{"episode: {way: 2.5}", "episode.way: must be a whole number, found 2.5"},
        WrongValue{"episode: {way: [5]}", "episode.way: must be a whole number, found a list"},
        WrongValue{"episode: {way: {a: 5}}",
                   "episode.way: must be a whole number, found keys below it"},
        WrongValue{"episode: {way: }", "episode.way: must be a whole number, found nothing"},
        WrongValue{"episode: {way: \"5\"}",
                   "episode.way: must be a whole number, found text \"5\"; remove the quotes"},
        WrongValue{"episode: {way: 0}", "episode.way: is 0; must be 1 or more"},
        WrongValue{"episode: {shot: -1}", "episode.shot: is -1; must be 1 or more"},
        WrongValue{"episode: {query: 0}", "episode.query: is 0; must be 1 or more"},
        WrongValue{"episode: {way: 1000000001}", "episode.way: is too large; at most 1000000000"},
        WrongValue{"episode: {way: 99999999999999999999}",
                   "episode.way: is too large; at most 1000000000"},
        WrongValue{"episode: {way: 0x10}",
                   "episode.way: must be a whole number, found text \"0x10\""},
        WrongValue{"threads: 3000000000", "threads: is too large; at most 1024"},
        WrongValue{"threads: 2000", "threads: is 2000; must be 1 to 1024"},
        WrongValue{"seed: -1", "seed: must be a whole number from 0, found -1"},
        WrongValue{"seed: 18446744073709551616", kTooLarge},
        WrongValue{"adapt: {inner_lr: fast}",
                   "adapt.inner_lr: must be a number, found text \"fast\""},
        WrongValue{"adapt: {inner_lr: .inf}",
                   "adapt.inner_lr: must be a finite number, found .inf"},
        WrongValue{"adapt: {inner_lr: -.Inf}",
                   "adapt.inner_lr: must be a finite number, found -.Inf"},
        WrongValue{"adapt: {inner_lr: nan}", "adapt.inner_lr: must be a finite number, found nan"},
        WrongValue{"adapt: {inner_lr: 0}", "adapt.inner_lr: is 0; must be above 0"},
        WrongValue{"step: {beta1: 1}", "step.beta1: is 1; must be 0 to below 1"},
        WrongValue{
            "step: {outer_lr: 1e999}",
            "step.outer_lr: \"1e999\" is beyond double precision; use a number between 1e-300 "
            "and 1e300 or 0"},
        WrongValue{"model: {modality_dropout: 1.0}",
                   "model.modality_dropout: is 1; must be 0 to below 1"},
        WrongValue{"step: {clip: Norm}", "step.clip: is \"Norm\"; must be none, norm or value"},
        WrongValue{
            "name: a/b",
            "name: is \"a/b\" (it begins the name of a folder); use letters, digits, _ - and "
            "., at most 64"},
        WrongValue{"name: [x]", "name: must be text, found a list"},
        WrongValue{"name: ~", "name: must be text, found nothing; write \"\" for no text"},
        WrongValue{
            "train: {init_from: \"a\\nb\"}",
            "train.init_from: holds a control character or line break (\"a\\x0ab\"); remove it"},
        WrongValue{"data: {shards: a.h5}",
                   "data.shards: must be a list, found text \"a.h5\"; write [a.h5]"},
        WrongValue{"data: {shards: }",
                   "data.shards: must be a list, found nothing; write [] for none"},
        WrongValue{"data: {shards: [a, [b]]}", "data.shards: item 2 must be text, found a list"},
        WrongValue{"data: {shards: [a, \"\"]}", "data.shards: item 2 is empty; remove it"},
        WrongValue{"data: {modalities: [my image]}",
                   "data.modalities: item 1 is \"my image\"; use letters, digits, _ and - only"},
        WrongValue{"adapt: 5", "adapt: must be a section of keys, found 5"},
        WrongValue{"adapt: [5]", "adapt: must be a section of keys, found a list"},
        WrongValue{"model: {encoders: [image]}",
                   "model.encoders: must be a section of keys, found a list"},
        WrongValue{"model: {encoders: {image: conv4}}",
                   "model.encoders.image: must be a section of keys, found text \"conv4\""},
        WrongValue{"model: {encoders: {a.b: {}}}",
                   "model.encoders: \"a.b\" is no name; use letters, digits, _ and -"},
        WrongValue{"model: {encoders: {a: {norm_momentum: 1}}}",
                   "model.encoders.a.norm_momentum: unknown key; it belongs to "
                   "model.encoders.a.norm: running, not to batch; remove it"},
        WrongValue{"model: {encoders: {a: {norm: running, norm_momentum: 0}}}",
                   "model.encoders.a.norm_momentum: is 0; must be above 0, up to 1"},
        WrongValue{"adapt: {algorithm: reptile, inner_steps: 0}",
                   "adapt.inner_steps: is 0; must be 1 or more"},
        WrongValue{"objectives: {align: {type: contrastive, temperature: -1}}",
                   "objectives.align.temperature: is -1; must be above 0"},
        WrongValue{"objectives: {align: {type: contrastive, where: outside}}",
                   "objectives.align.where: is \"outside\"; must be outer, inner or both"},
        WrongValue{"objectives: {a b: {}}",
                   "objectives: \"a b\" is no name; use letters, digits, _ and -"}));

TEST(ReadValues, LongTextIsShortenedAtACharacter) {
  std::string word;
  for (int i = 0; i < 30; ++i) word += "\xC3\xA9";  // 60 bytes
  std::string shown;
  for (int i = 0; i < 20; ++i) shown += "\xC3\xA9";
  EXPECT_EQ(report_of("seed: " + word),
            "x.yaml:1: seed: must be a whole number from 0, found text \"" + shown + "\"...");
}

TEST(ReadValues, AllProblemsInOneReportByLine) {
  EXPECT_EQ(
      report_of("episode:\n"
                "  way_min: 9\n"
                "  shots: 1\n"
                "  way: 5\n"
                "step: {clip: x}\n"
                "nonsense: {a: b, c: d}\n"
                "episode: {way: 4}\n",
                {"adapt.inner_steps=x", "seed=y"}),
      "x.yaml:2: episode.way_min: is 9, above episode.way, 5; lower it, or 0 for a fixed way\n"
      "x.yaml:3: episode.shots: unknown key; did you mean episode.shot?\n"
      "x.yaml:5: step.clip: is \"x\"; must be none, norm or value\n"
      "x.yaml:6: nonsense: unknown key; valid here: name, seed, threads, device, data, episode, "
      "sources, augment, model, "
      "objectives, adapt, step, reduce, train, evaluation, sinks, comm\n"
      "x.yaml:7: episode: given twice (first in line 1); keep one\n"
      "command line: adapt.inner_steps: must be a whole number, found text \"x\"\n"
      "command line: seed: must be a whole number from 0, found text \"y\"");
}

TEST(ReadValues, DuplicatesAtEveryDepth) {
  EXPECT_EQ(report_of("step:\n  clip: norm\n  warmup: 3\n  clip: value\n"),
            "x.yaml:4: step.clip: given twice (first in line 2); keep one");
  EXPECT_EQ(report_of("model:\n encoders:\n  a: {width: 1}\n  a: {width: 2}\n"),
            "x.yaml:4: model.encoders.a: given twice (first in line 3); keep one");
  EXPECT_EQ(report_of("model: {encoders: {a: {norm: none,\n norm: none}}}\n"),
            "x.yaml:2: model.encoders.a.norm: given twice (first in line 1); keep one");
}

TEST(ReadValues, UnknownKeysGetAdvice) {
  EXPECT_THAT(report_of("inner_lr: 3"), HasSubstr("did you mean adapt.inner_lr?"));
  EXPECT_THAT(report_of("adapt.inner_lr: 3"), HasSubstr("dotted keys are for the command line"));
  EXPECT_THAT(report_of("comm: {wibble: 3}"), HasSubstr("valid here: backend, deadline_s"));
  EXPECT_THAT(report_of("model: {encoders: {a: {widht: 3}}}"),
              HasSubstr("did you mean model.encoders.a.width?"));
}

TEST(ReadValues, AFloodOfProblemsIsCut) {
  std::string yaml;
  for (int i = 0; i < 5000; ++i) yaml += "k" + std::to_string(i) + ": 1\n";
  const std::string report = report_of(yaml);
  EXPECT_EQ(std::count(report.begin(), report.end(), '\n'), 50);
  EXPECT_THAT(report, testing::EndsWith("... and 4950 more problems"));
}

}  // namespace
}  // namespace cuttle
