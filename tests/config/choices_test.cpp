#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_schema.hpp"
#include "config/config_support.hpp"
#include "cuttle/core/timer.hpp"

// Which keys a config has depends on the types that it chooses.
namespace cuttle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Choices, TheChosenTypeBringsItsKeys) {
  const RunConfig config = read(
      "adapt: {algorithm: protonet, refine: 3}\n"
      "model: {fusion: gated, embedding: 16, head: cosine, head_scale: 4}\n"
      "objectives: {near: {type: contrastive, temperature: 0.5, weight: 2}}\n");
  EXPECT_EQ(config.adapt.type, "protonet");
  EXPECT_EQ(learner_of<stand_in::ProtoNet>(config).refine, 3);
  EXPECT_EQ(config.model.fusion.type, "gated");
  EXPECT_EQ(options_of<stand_in::Gated>(config.model.fusion).embedding, 16);
  EXPECT_EQ(config.model.head.type, "cosine");
  EXPECT_EQ(options_of<stand_in::Cosine>(config.model.head).scale, 4.0);
  const ObjectiveOptions& near = config.objectives.at("near");
  EXPECT_EQ(near.weight, 2.0);
  EXPECT_EQ(options_of<stand_in::Contrastive>(near.objective).temperature, 0.5);
}

TEST(Choices, OnlyWhatIsGivenIsKept) {
  const RunConfig config = read("adapt: {algorithm: reptile, inner_lr: 0.1}");
  ASSERT_EQ(config.adapt.values.size(), 1u);
  EXPECT_EQ(config.adapt.values.at("inner_lr"), "0.1");
  EXPECT_EQ(learner_of<stand_in::Reptile>(config).inner_optimizer, "sgd");
}

/// 'name: type' of each sink.
std::vector<std::string> sinks_of(const RunConfig& config) {
  std::vector<std::string> names;
  for (const auto& [name, options] : config.sinks) names.push_back(name + ": " + options.sink.type);
  return names;
}

TEST(Choices, EntriesThatAreAlwaysThereStayBesideThoseOfAFile) {
  const auto usual = ElementsAre("console: console", "records: jsonl");
  const auto with_board = ElementsAre("board: tensorboard", "console: console", "records: jsonl");
  EXPECT_THAT(sinks_of(read("seed: 1")), usual);
  EXPECT_THAT(sinks_of(read("sinks: {}")), usual);
  EXPECT_THAT(sinks_of(read("sinks: {board: {type: tensorboard}}")), with_board);
  EXPECT_THAT(sinks_of(read("sinks: {board: }")), with_board);  // the type that is not there yet
  EXPECT_THAT(sinks_of(read("seed: 1", {"sinks.board.every=5"})), with_board);
  EXPECT_THAT(sinks_of(read_saved("seed: 1")), usual);  // of a version that had none
  EXPECT_THAT(sinks_of(read("sinks: {records: {type: console}}")),
              ElementsAre("console: console", "records: console"));
  const RunConfig slow = read("sinks: {board: {}}", {"sinks.console.every_s=60"});
  EXPECT_EQ(options_of<stand_in::Console>(slow.sinks.at("console").sink).every_s, 60.0);
  EXPECT_THAT(sinks_of(slow), with_board);
}

TEST(Choices, KeysOfEntriesThatAreAlwaysThereGoWithTheirType) {
  EXPECT_EQ(report_of("sinks: {records: {every_s: 5}}"),
            "x.yaml:1: sinks.records.every_s: unknown key; it belongs to sinks.records.type: "
            "console, not to jsonl; remove it");
  EXPECT_EQ(report_of("sinks: {console: {every_s: -1}, boards: {type: tensorbord}}"),
            "x.yaml:1: sinks.console.every_s: is -1; must be 0 or more\n"
            "x.yaml:1: sinks.boards.type: \"tensorbord\" is unknown (did you mean tensorboard?); "
            "there are console, jsonl, tensorboard");
  EXPECT_EQ(report_of("sinks: {console: {every_s: 5}}", {"sinks.console.type=tensorboard"}), "");
}

TEST(Choices, TheOrderOfKeysDoesNotMatter) {
  const RunConfig config = read(
      "model:\n"
      "  embedding: 16\n"
      "  encoders: {image: {norm_momentum: 0.5, norm: running, depth: 2, type: conv4}}\n"
      "  fusion: gated\n"
      "adapt: {refine: 1, algorithm: protonet}\n");
  EXPECT_EQ(learner_of<stand_in::ProtoNet>(config).refine, 1);
  EXPECT_EQ(options_of<stand_in::Gated>(config.model.fusion).embedding, 16);
  const auto image = encoder_of<stand_in::Conv4>(config, "image");
  EXPECT_EQ(image.depth, 2);
  EXPECT_EQ(options_of<stand_in::RunningNorm>(image.norm).momentum, 0.5);
  EXPECT_EQ(read("{adapt: {refine: 1}}", {"adapt.algorithm=protonet"}).adapt.type, "protonet");
}

TEST(Choices, TheOverrideDecidesWhichKeysThereAre) {
  EXPECT_EQ(report_of("adapt: {refine: 2}"),
            "x.yaml:1: adapt.refine: unknown key; it belongs to adapt.algorithm: protonet, not to "
            "maml; remove it");
  EXPECT_EQ(report_of("adapt: {refine: 2}", {"adapt.algorithm=protonet"}), "");
  EXPECT_EQ(report_of("seed: 1", {"adapt.algorithm=protonet", "adapt.refine=2"}), "");
  // The last override decides, also of what an earlier one may say.
  EXPECT_EQ(report_of("seed: 1", {"adapt.refine=2", "adapt.algorithm=anil",
                                  "adapt={algorithm: protonet, part_loss: 1}"}),
            "");
  EXPECT_EQ(
      report_of("seed: 1", {"adapt.algorithm=protonet", "adapt.refine=2", "adapt.algorithm=anil"}),
      "command line: adapt.refine: unknown key; it belongs to adapt.algorithm: protonet, not "
      "to anil; remove it");
}

TEST(Choices, TheFilesKeysGoWithATypeThatAnOverrideReplaces) {
  const char* proto = "adapt:\n  algorithm: protonet\n  refine: 2\n";
  EXPECT_EQ(read(proto, {"adapt.algorithm=maml"}).adapt.type, "maml");
  EXPECT_TRUE(read(proto, {"adapt.algorithm=maml"}).adapt.values.empty());
  EXPECT_EQ(report_of("adapt: {keep: all}", {"adapt.algorithm=fomaml"}), "");  // the default's
  // What both have stays.
  const RunConfig anil = read("adapt: {inner_steps: 3, keep: all}", {"adapt.algorithm=anil"});
  EXPECT_EQ(learner_of<stand_in::Loop>(anil).inner_steps, 3);
  // A mistake in the file stays one, and overrides get no such grace.
  EXPECT_EQ(report_of("adapt: {refine: 2}", {"adapt.algorithm=anil"}),
            "x.yaml:1: adapt.refine: unknown key; it belongs to adapt.algorithm: protonet, not to "
            "anil; remove it");
  EXPECT_EQ(report_of(proto, {"adapt.algorithm=anil", "adapt.part_loss=1"}),
            "command line: adapt.part_loss: unknown key; it belongs to adapt.algorithm: protonet, "
            "not to anil; remove it");
  EXPECT_THAT(report_of("adapt.inner_lr: 1", {"adapt.algorithm=protonet"}),
              StartsWith("x.yaml:1: adapt.inner_lr: unknown key"));
}

TEST(Choices, MisplacedKeysNameTheirOwners) {
  EXPECT_EQ(report_of("adapt: {algorithm: protonet, inner_steps: 5}"),
            "x.yaml:1: adapt.inner_steps: unknown key; it belongs to adapt.algorithm: anil, "
            "fomaml, maml or reptile, not to protonet; remove it");
  EXPECT_EQ(report_of("adapt: {keep: all, algorithm: fomaml}"),
            "x.yaml:1: adapt.keep: unknown key; it belongs to adapt.algorithm: maml, not to "
            "fomaml; remove it");
  EXPECT_EQ(report_of("model: {encoders: {a: {max_length: 3, type: conv4}}}"),
            "x.yaml:1: model.encoders.a.max_length: unknown key; it belongs to "
            "model.encoders.a.type: auto, not to conv4; remove it");
  EXPECT_EQ(report_of("model: {encoders: {a: {depth: 3, type: mlp}}}"),
            "x.yaml:1: model.encoders.a.depth: unknown key; it belongs to model.encoders.a.type: "
            "auto or conv4, not to mlp; remove it");
}

TEST(Choices, TheOptimizersKeysStandBesideThoseOfEveryStep) {
  const RunConfig config =
      read("step: {momentum: 0.9, optimizer: sgd, outer_lr: 0.1, decay: 0.1, schedule: step}");
  EXPECT_EQ(options_of<stand_in::Sgd>(config.step.optimizer).momentum, 0.9);
  EXPECT_EQ(config.step.outer_lr, 0.1);
  EXPECT_EQ(options_of<stand_in::Adam>(read("step: {beta1: 0.5}").step.optimizer).beta1, 0.5);
  EXPECT_EQ(report_of("step: {optimizer: sgd, beta1: 0.9}"),
            "x.yaml:1: step.beta1: unknown key; it belongs to step.optimizer: adam, not to sgd; "
            "remove it");
  EXPECT_EQ(report_of("step: {momentum: 0.0}"),
            "x.yaml:1: step.momentum: unknown key; it belongs to step.optimizer: sgd, not to adam; "
            "remove it");
  EXPECT_EQ(
      report_of("step: {optimizer: sdg, momentum: 0.9}"),
      "x.yaml:1: step.optimizer: \"sdg\" is unknown (did you mean sgd?); there are adam, sgd");
  // The file's keys go with the optimizer that an override replaces.
  EXPECT_EQ(read("step: {beta2: 0.9}", {"step.optimizer=sgd"}).step.optimizer.type, "sgd");
}

TEST(Choices, TwoChoicesInOneSectionAreToldApart) {
  EXPECT_EQ(report_of("model: {embedding: 8, head_scale: 3}"),
            "x.yaml:1: model.embedding: unknown key; it belongs to model.fusion: gated, not to "
            "concat; remove it\n"
            "x.yaml:1: model.head_scale: unknown key; it belongs to model.head: cosine, not to "
            "linear; remove it");
  EXPECT_EQ(report_of("model: {fusion: late, missing: zeros, head: cosine, head_scale: 3}"),
            "x.yaml:1: model.missing: unknown key; it belongs to model.fusion: concat, not to "
            "late; remove it");
}

TEST(Choices, ATypoInAKeyOfTheChosenTypeGetsItsNearestKey) {
  EXPECT_EQ(report_of("adapt: {algorithm: protonet, refin: 5}"),
            "x.yaml:1: adapt.refin: unknown key; did you mean adapt.refine?");
  EXPECT_EQ(report_of("adapt: {algorithm: protonet, wibble: 5}"),
            "x.yaml:1: adapt.wibble: unknown key; valid here: algorithm, part_loss, refine");
  // A key of another section is still found.
  EXPECT_EQ(report_of("adapt: {algorithm: protonet}\nrefine: 1"),
            "x.yaml:2: refine: unknown key; did you mean adapt.refine?");
}

TEST(Choices, UnknownTypesGetTheListAndTheNearestName) {
  EXPECT_EQ(report_of("model: {fusion: gatted}"),
            "x.yaml:1: model.fusion: \"gatted\" is unknown (did you mean gated?); there are "
            "concat, gated, late");
  EXPECT_EQ(report_of("model: {head: wibble}"),
            "x.yaml:1: model.head: \"wibble\" is unknown; there are cosine, linear");
  EXPECT_EQ(report_of("episode: {source: shards}"),
            "x.yaml:1: episode.source: \"shards\" is unknown; there are episodes");
  EXPECT_EQ(report_of("objectives: {a: {type: 5}}"),
            "x.yaml:1: objectives.a.type: \"5\" is unknown; there are contrastive");
  EXPECT_EQ(report_of("adapt: {algorithm: " + std::string(100, 'a') + "}"),
            "x.yaml:1: adapt.algorithm: \"" + std::string(40, 'a') +
                "\"... is unknown; there are anil, fomaml, maml, protonet, reptile");
}

TEST(Choices, KeysOfUnknownTypesAreNotReportedBesides) {
  EXPECT_EQ(report_of("adapt: {algorithm: protonett, refine: 1, shots: 5, inner_lr: x}"),
            "x.yaml:1: adapt.algorithm: \"protonett\" is unknown (did you mean protonet?); there "
            "are anil, fomaml, maml, protonet, reptile");
  EXPECT_EQ(report_of("adapt: {refine: 1}", {"adapt.algorithm=proto"}),
            "command line: adapt.algorithm: \"proto\" is unknown; there are anil, fomaml, maml, "
            "protonet, reptile");
  // Those of other sections are.
  EXPECT_EQ(
      report_of("adapt: {algorithm: x, y: 1}\nstep: {y: 1, clip: z}\n"),
      "x.yaml:1: adapt.algorithm: \"x\" is unknown; there are anil, fomaml, maml, protonet, "
      "reptile\n"
      "x.yaml:2: step.y: unknown key; valid here: optimizer, beta1, beta2, epsilon, outer_lr, "
      "weight_decay, l1, schedule, min_lr, warmup, decay, decay_every, clip, clip_at\n"
      "x.yaml:2: step.clip: is \"z\"; must be none, norm or value");
}

TEST(Choices, AnOverrideDoesNotHideAnUnknownTypeInTheFile) {
  EXPECT_EQ(report_of("adapt: {algorithm: x, refine: 1}", {"adapt.algorithm=protonet"}),
            "x.yaml:1: adapt.algorithm: \"x\" is unknown; there are anil, fomaml, maml, protonet, "
            "reptile");
}

TEST(Choices, WhatIsNoNameIsTheOnlyThingReported) {
  const std::string report =
      "x.yaml:1: adapt.algorithm: must be anil, fomaml, maml, protonet or reptile, found ";
  EXPECT_EQ(report_of("adapt: {algorithm: [protonet], refine: 1}"), report + "a list");
  EXPECT_EQ(report_of("adapt: {algorithm: {type: protonet}, refine: 1}"), report + "keys below it");
  EXPECT_EQ(report_of("adapt: {algorithm: , refine: 1}"), report + "nothing");
  EXPECT_EQ(report_of("model: {encoders: {a: {type: conv4, norm: ~, norm_momentum: 1}}}"),
            "x.yaml:1: model.encoders.a.norm: must be batch, none or running, found nothing");
  EXPECT_EQ(read("adapt: {algorithm: \"anil\"}").adapt.type, "anil");
}

TEST(Choices, GivenTwiceCountsAsGivenFirst) {
  EXPECT_EQ(report_of("adapt:\n  algorithm: protonet\n  refine: 1\n  algorithm: maml\n"),
            "x.yaml:4: adapt.algorithm: given twice (first in line 2); keep one");
  EXPECT_EQ(report_of("adapt: {algorithm: protonet, refine: 1}\nadapt: {algorithm: maml}\n"),
            "x.yaml:2: adapt: given twice (first in line 1); keep one");
  EXPECT_EQ(report_of("model: {encoders: {a: {type: conv4, depth: 1},\n a: {type: mlp}}}\n"),
            "x.yaml:2: model.encoders.a: given twice (first in line 1); keep one");
}

TEST(Choices, EveryEncoderChoosesForItself) {
  const RunConfig config =
      read("model: {encoders: {a: {type: conv4, depth: 2}, b: {type: mlp}, c: {}, d: }}\n",
           {"model.encoders.b.width=3", "model.encoders.e.type=resnet12"});
  EXPECT_EQ(encoder_of<stand_in::Conv4>(config, "a").depth, 2);
  EXPECT_EQ(encoder_of<stand_in::Mlp>(config, "b").width, 3);
  EXPECT_EQ(config.model.encoders.at("c").network.type, "auto");
  EXPECT_EQ(config.model.encoders.at("d").network.type, "auto");
  EXPECT_EQ(encoder_of<stand_in::ResNet12>(config, "e").width, 32);
}

TEST(Choices, NestedOnesHaveTheirKeysBesideThem) {
  const RunConfig config = read(
      "model: {encoders: {a: {type: resnet12, norm_momentum: 0.5},\n"
      "                   b: {type: conv4, norm: running},\n"
      "                   c: {type: resnet12, norm: batch}}}\n");
  const auto a = encoder_of<stand_in::ResNet12>(config, "a");
  EXPECT_EQ(a.norm.type, "running");  // resnet12's default, so its key needs no choice
  EXPECT_EQ(options_of<stand_in::RunningNorm>(a.norm).momentum, 0.5);
  const auto b = encoder_of<stand_in::Conv4>(config, "b");
  EXPECT_EQ(b.norm.type, "running");
  EXPECT_EQ(options_of<stand_in::RunningNorm>(b.norm).momentum, 0.1);
  EXPECT_EQ(encoder_of<stand_in::ResNet12>(config, "c").norm.type, "batch");
  EXPECT_THAT(report_of("model: {encoders: {a: {type: resnet12, norm: none, norm_momentum: 1}}}"),
              HasSubstr("it belongs to model.encoders.a.norm: running, not to none"));
}

TEST(Choices, AnInnerChoiceThatWasGivenIsKeptWhereItIsTheDefault) {
  // Another type may read these keys, with another default: auto hands them to the usual encoder.
  const RunConfig config = read("model: {encoders: {a: {norm: batch, width: 64}}}");
  EXPECT_THAT(config.model.encoders.at("a").network.values,
              ElementsAre(testing::Pair("norm", "batch"), testing::Pair("width", "64")));
}

TEST(Choices, AnotherOuterTypeForgetsTheInnerOnesKeys) {
  const char* file = "model:\n  encoders:\n    a: {type: resnet12, norm: running, width: 8}\n";
  EXPECT_EQ(report_of(file, {"model.encoders.a.norm_momentum=0.5"}), "");
  EXPECT_EQ(report_of(file, {"model.encoders.a.norm=batch", "model.encoders.a.norm_momentum=1"}),
            "command line: model.encoders.a.norm_momentum: unknown key; it belongs to "
            "model.encoders.a.norm: running, not to batch; remove it");
  EXPECT_EQ(report_of(file, {"model.encoders.a.type=mlp", "model.encoders.a.norm_momentum=1"}),
            "command line: model.encoders.a.norm_momentum: unknown key; it belongs to "
            "model.encoders.a.type: auto, conv4 or resnet12, not to mlp; remove it");
  // The norm goes with its encoder, and its keys with it or with the norm.
  const char* inner = "model: {encoders: {a: {type: resnet12, norm_momentum: 0.5, width: 8}}}";
  EXPECT_EQ(encoder_of<stand_in::Mlp>(read(inner, {"model.encoders.a.type=mlp"}), "a").width, 8);
  EXPECT_EQ(report_of(inner, {"model.encoders.a.norm=batch"}), "");
  EXPECT_EQ(report_of("model: {encoders: {a: {type: resnet12, norm: batch, norm_momentum: 1}}}",
                      {"model.encoders.a.type=mlp"}),
            "x.yaml:1: model.encoders.a.norm_momentum: unknown key; it belongs to "
            "model.encoders.a.type: auto, conv4 or resnet12, not to mlp; remove it");
  const RunConfig config = read("model: {encoders: {a: {norm: none}}}",
                                {"model.encoders.a.type=resnet12", "model.encoders.a.width=8"});
  EXPECT_EQ(encoder_of<stand_in::ResNet12>(config, "a").norm.type, "none");
  EXPECT_EQ(encoder_of<stand_in::ResNet12>(config, "a").width, 8);
}

/// What `wrapper` has as a choice is a number for `plain`, whose name comes first.
struct Wrapper {
  Section norm{"batch"};
  void keys(Keys& keys) { keys.choose("norm", norm, "norm", "of what is inside"); }
};
struct Plain {
  double norm = 1.0;
  void keys(Keys& keys) { keys.add("norm", norm, above(0), "a number"); }
};

TEST(Choices, OneNameMayBeAChoiceHereAndAValueThere) {
  Catalog catalog = small_catalog();
  catalog["learner"]["maml"] = stand_in::type<Wrapper>();
  catalog["learner"]["plain"] = stand_in::type<Plain>();
  for (const char* yaml :
       {"adapt: {algorithm: plain, norm: 3}", "adapt: {norm: 3, algorithm: plain}"})
    EXPECT_EQ(learner_of<Plain>(read(yaml, {}, catalog)).norm, 3.0);
  EXPECT_EQ(report_of("adapt: {algorithm: plain, norm: running}", {}, catalog),
            "x.yaml:1: adapt.norm: must be a number, found text \"running\"");
  EXPECT_EQ(learner_of<Wrapper>(read("adapt: {norm: running}", {}, catalog)).norm.type, "running");
  EXPECT_EQ(report_of("adapt: {norm_momentum: 0.5}", {}, catalog),
            "x.yaml:1: adapt.norm_momentum: unknown key; it belongs to adapt.norm: running, not to "
            "batch; remove it");
  EXPECT_EQ(report_of("adapt: {algorithm: plain, norm_momentum: 0.5}", {}, catalog),
            "x.yaml:1: adapt.norm_momentum: unknown key; it belongs to adapt.algorithm: maml, not "
            "to plain; remove it");
}

/// Encoders that hold encoders.
struct Pair {
  Section inner{"mlp"};
  void keys(Keys& keys) { keys.choose("inner", inner, "encoder", "the one inside"); }
};

TEST(Choices, AKindMayChooseItself) {
  Catalog catalog = small_catalog();
  catalog["encoder"]["pair"] = stand_in::type<Pair>();
  const RunConfig config =
      read("model: {encoders: {a: {type: pair, inner: conv4, norm: running, norm_momentum: 0.5}}}",
           {}, catalog);
  const auto inner = options_of<stand_in::Conv4>(encoder_of<Pair>(config, "a").inner);
  EXPECT_EQ(options_of<stand_in::RunningNorm>(inner.norm).momentum, 0.5);
  EXPECT_EQ(dump(read(dump(config, false, catalog), {}, catalog), false, catalog),
            dump(config, false, catalog));
  EXPECT_EQ(report_of("model: {encoders: {a: {type: pair, norm_momentum: 1}}}", {}, catalog),
            "x.yaml:1: model.encoders.a.norm_momentum: unknown key; it belongs to "
            "model.encoders.a.inner: auto, conv4, pair or resnet12, not to mlp; remove it");
  EXPECT_EQ(report_of("model: {encoders: {a: {type: pair, wibble: 1}}}", {}, catalog),
            "x.yaml:1: model.encoders.a.wibble: unknown key; valid here: type, inner, width, "
            "frozen_from, fitted");
}

/// Encoders that hold two others, each with its keys in a section of its own.
struct Nest {
  std::int64_t width = 7;
  Section first{"conv4"}, second{"mlp"};
  void keys(Keys& keys) {
    keys.add("width", width, at_least(1), "of the whole");
    keys.nest("first", first, "encoder", "the first one inside");
    keys.nest("second", second, "encoder", "the second one inside");
  }
};

Catalog catalog_with_nest() {
  Catalog catalog = small_catalog();
  catalog["encoder"]["nest"] = stand_in::type<Nest>();
  return catalog;
}

TEST(Choices, NestedSectionsHaveTheKeysOfTheirTypes) {
  const Catalog catalog = catalog_with_nest();
  const char* yaml =
      "model: {encoders: {a: {second: {width: 5}, width: 3, type: nest,\n"
      "  first: {norm_momentum: 0.5, width: 4, norm: running}}}}\n";
  const RunConfig config = read(yaml, {}, catalog);
  EXPECT_THAT(
      config.model.encoders.at("a").network.values,
      ElementsAre(testing::Pair("first.norm", "running"),
                  testing::Pair("first.norm_momentum", "0.5"), testing::Pair("first.width", "4"),
                  testing::Pair("second.width", "5"), testing::Pair("width", "3")));
  const Nest nest = encoder_of<Nest>(config, "a");
  EXPECT_EQ(nest.width, 3);
  const auto first = options_of<stand_in::Conv4>(nest.first);
  EXPECT_EQ(first.width, 4);
  EXPECT_EQ(options_of<stand_in::RunningNorm>(first.norm).momentum, 0.5);
  EXPECT_EQ(options_of<stand_in::Mlp>(nest.second).width, 5);
  for (const bool documented : {false, true}) {
    const std::string text = dump(config, documented, catalog);
    EXPECT_EQ(dump(read(text, {}, catalog), documented, catalog), text);
  }
  EXPECT_THAT(dump(config, false, catalog),
              HasSubstr("      width: 3\n      first:\n        type: conv4\n        width: 4\n"));
  const RunConfig other = read(
      yaml, {"model.encoders.a.first.type=nest", "model.encoders.a.first.second.type=resnet12"},
      catalog);
  const auto inner = options_of<Nest>(encoder_of<Nest>(other, "a").first);
  EXPECT_EQ(inner.second.type, "resnet12");
  EXPECT_EQ(inner.width, 4);  // the file's: both types have such a key
  EXPECT_EQ(dump(read(dump(other, false, catalog), {}, catalog), false, catalog),
            dump(other, false, catalog));
}

TEST(Choices, NestedSectionsAreComparedKeyByKey) {
  const Catalog catalog = catalog_with_nest();
  const auto with = [&](const std::string& inside) {
    return read("model: {encoders: {a: {type: nest, " + inside + "}}}", {}, catalog);
  };
  std::vector<std::string> lines;
  for (const ConfigChange& change :
       compare_configs(with("first: {width: 3}, second: {width: 5}"),
                       with("first: {type: mlp, width: 3}, second: {width: 6}"), catalog))
    lines.push_back(change.key + ": " + change.was + " -> " + change.is);
  EXPECT_THAT(lines, ElementsAre("model.encoders.a.first.type: conv4 -> mlp",
                                 "model.encoders.a.first.depth: 4 -> (absent)",
                                 "model.encoders.a.first.norm: batch -> (absent)",
                                 "model.encoders.a.first.fused: true -> (absent)",
                                 "model.encoders.a.second.width: 5 -> 6"));
  const auto keys = describe_keys(catalog.at("encoder").at("nest"));
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[1].name + ": " + keys[1].usual, "first: {type: conv4}");
}

TEST(Choices, NestedSectionsAreCheckedWhereTheyStand) {
  const Catalog catalog = catalog_with_nest();
  const auto report = [&](const std::string& inside,
                          const std::vector<std::string>& overrides = {}) {
    return report_of("model: {encoders: {a: {type: nest, " + inside + "}}}", overrides, catalog);
  };
  EXPECT_EQ(report("first: {type: mlp, depth: 2}"),
            "x.yaml:1: model.encoders.a.first.depth: unknown key; it belongs to "
            "model.encoders.a.first.type: auto or conv4, not to mlp; remove it");
  EXPECT_EQ(report("second: {width: 0}"),
            "x.yaml:1: model.encoders.a.second.width: is 0; must be 1 to 65536");
  EXPECT_EQ(report("first: conv4"),
            "x.yaml:1: model.encoders.a.first: must be a section of keys, found text \"conv4\"");
  EXPECT_THAT(report("first: {type: conv5}"),
              HasSubstr("first.type: \"conv5\" is unknown (did you"));
  EXPECT_EQ(report("second: {type: conv4}", {"model.encoders.a.second.type=mlp"}), "");
  EXPECT_EQ(report_of("model: {encoders: {a: {first: {width: 3}}}}", {}, catalog),
            "x.yaml:1: model.encoders.a.first: unknown key; it belongs to model.encoders.a.type: "
            "nest, not to auto; remove it");
}

TEST(Choices, TypesThatShareAKeyInOneSectionAreADefectOfTheProgram) {
  Catalog catalog = small_catalog();
  catalog["head"]["linear"] = stand_in::type<stand_in::Concat>();
  RunConfig config;
  try {
    const ConfigSchema schema(config, catalog);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the config key model.missing is described twice");
  }
}

TEST(Choices, TheSchemaFollowsASelection) {
  RunConfig config;
  config.model.encoders["a"];
  config.model.encoders["b"];
  ConfigSchema schema(config, small_catalog());
  const std::vector<std::string> before = schema.keys();
  schema.select("model.encoders.a.type", "resnet12");
  EXPECT_NE(schema.find("model.encoders.a.norm_momentum"), nullptr);
  EXPECT_EQ(schema.find("model.encoders.a.depth"), nullptr);
  EXPECT_NE(schema.find("model.encoders.b.depth"), nullptr);
  schema.select("model.encoders.a.type", "mlp");
  EXPECT_EQ(schema.find("model.encoders.a.norm"), nullptr);
  EXPECT_EQ(schema.find("model.encoders.a.norm_momentum"), nullptr);
  schema.select("model.encoders.a.type", "auto");
  EXPECT_EQ(schema.keys(), before);
  schema.select("adapt.algorithm", "no such");
  EXPECT_EQ(schema.find("adapt.inner_lr"), nullptr);
  EXPECT_EQ(config.adapt.type, "no such");
  EXPECT_EQ(schema.choices_in("model.").size(), 3u);
  EXPECT_EQ(schema.choices_in("model.encoders.a.").size(), 2u);
  EXPECT_EQ(schema.choices_in("").size(), 0u);
}

TEST(Choices, ThousandsOfEncodersAreReadQuickly) {
  const auto encoders = [](const std::string& keys) {
    std::string yaml = "model:\n  encoders:\n";
    for (int i = 0; i < 6000; ++i) yaml += "    m" + std::to_string(i) + ": {" + keys + "}\n";
    return yaml;
  };
  const Timer timer;
  EXPECT_EQ(report_of(encoders("type: resnet12, norm: batch")), "");
  EXPECT_THAT(report_of(encoders("type: resnet12, norm: batch, norm_momentum: 1")),
              StartsWith("x.yaml:3: model.encoders.m0.norm_momentum: unknown key; it belongs"));
  EXPECT_THAT(
      report_of(encoders("widht: 3")),
      StartsWith("x.yaml:3: model.encoders.m0.widht: unknown key; valid here: type, width"));
  EXPECT_LT(timer.seconds(), 60.0);  // about 2 on a busy machine
}

}  // namespace
}  // namespace cuttle
