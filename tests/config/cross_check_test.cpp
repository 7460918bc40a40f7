#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_support.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Clash {
  const char* bad;
  const char* report;  ///< of `bad`, without file and line
  const char* good;    ///< the nearest text that is accepted
};
class Clashes : public testing::TestWithParam<Clash> {};

TEST_P(Clashes, AreRefusedAndTheirNeighbourIsNot) {
  EXPECT_EQ(report_of(GetParam().bad), std::string("x.yaml:1: ") + GetParam().report);
  EXPECT_EQ(report_of(GetParam().good), "");
}

INSTANTIATE_TEST_SUITE_P(
    CrossCheck, Clashes,
    testing::Values(
        Clash{"train: {minutes: 5, steps: 7}",
              "train.steps: has no effect with train.minutes: 5.0; remove it (its default is 1000) "
              "or set train.minutes: 0",
              "train: {minutes: 5}"},
        Clash{"{data: {fold: 1/3, validation_shards: [a.h5]}, train: {validate_every: 5}}",
              "data.fold: does not go with validation_shards (both say which classes validate); "
              "leave one of them out",
              "{data: {fold: 1/3, test_shards: [a.h5]}, train: {validate_every: 5}}"},
        Clash{"{data: {fold: 1/3}, train: {validate_every: 0}}",
              "data.fold: is a fold that validates, and train.validate_every is 0; set it, or "
              "train without folds",
              "{data: {fold: 1/3}, train: {validate_every: 1}}"},
        Clash{"objectives: {align: {weight: 0.3}}",
              "objectives.align.type: is not given (which objective is align?); choose one of "
              "`cuttle list objective`, or mend the name",
              "objectives: {align: {type: contrastive, weight: 0.3}}"},
        Clash{"episode: {way: 5, way_min: 6}",
              "episode.way_min: is 6, above episode.way, 5; lower it, or 0 for a fixed way",
              "episode: {way: 5, way_min: 5}"},
        Clash{"episode: {shot: 3, shot_min: 4}",
              "episode.shot_min: is 4, above episode.shot, 3; lower it, or 0 for a fixed shot",
              "episode: {shot: 3, shot_min: 3}"},
        Clash{"episode: {uneven: true}",
              "episode.uneven: is true, but shot does not vary (classes would have equally many "
              "samples); set episode.shot_min below episode.shot",
              "episode: {uneven: true, shot: 2, shot_min: 1}"},
        Clash{"episode: {uneven: true, shot: 2, shot_min: 2}",
              "episode.uneven: is true, but shot does not vary (classes would have equally many "
              "samples); set episode.shot_min below episode.shot",
              "episode: {uneven: false, shot: 2, shot_min: 2}"},
        Clash{"episode: {way_min: 1}",
              "episode.way_min: is 1 (one class leaves nothing to tell apart); use 2 or more, or 0 "
              "for a fixed way",
              "episode: {way_min: 2}"},
        Clash{"evaluation: {way: 1}",
              "evaluation.way: is 1 (one class leaves nothing to tell apart); use 2 or more, or 0 "
              "for episode.way",
              "evaluation: {way: 2}"},
        Clash{"episode: {way: 1}",
              "episode.way: is 1 (one class leaves nothing to tell apart); use 2 or more, or "
              "episode.target: value for regression",
              "episode: {way: 1, target: value}"},
        Clash{"episode: {target: value}",  // way is 5 unless it is given
              "episode.way: is 5 with episode.target: value (an episode is samples of one class, "
              "whose values are predicted); use 1",
              "{episode: {target: value, way: 1, way_min: 1}, evaluation: {way: 1}}"},
        Clash{"{episode: {target: value, way: 1}, evaluation: {way: 5}}",
              "evaluation.way: is 5 with episode.target: value (an episode is samples of one "
              "class, whose values are predicted); use 1, or 0 for episode.way",
              "{episode: {target: value, way: 1}, evaluation: {way: 0}}"},
        Clash{"episode: {target: value, way: 1, way_min: 2}",
              "episode.way_min: is 2, above episode.way, 1; lower it, or 0 for a fixed way",
              "episode: {target: value, way: 1, way_min: 0}"},
        Clash{"episode: {target: values, way: 1}",
              "episode.target: \"values\" is unknown (did you mean value?); there are class, value",
              "episode: {target: class, way: 2}"},
        Clash{"episode: {meta_batch_size: 4, micro_batch: 5}",
              "episode.micro_batch: is 5, above episode.meta_batch_size, 4; a step has only that "
              "many tasks",
              "episode: {meta_batch_size: 4, micro_batch: 4}"},
        Clash{
            "{sources: {b: {weight: 2}}, data: {shards: [x.h5]}}",
            "data.shards: would do nothing beside `sources` (each has its own: sources.b); remove "
            "the key or them",
            "sources: {b: {weight: 2, shards: [x.h5]}}"},
        Clash{"{sources: {b: {weight: 2}}, data: {test_shards: [x.h5]}}",
              "data.test_shards: would do nothing beside `sources` (each has its own: sources.b); "
              "remove the key or them",
              "sources: {b: {weight: 2, test_shards: [x.h5]}}"},
        Clash{
            "train: {init_statistics: source}",
            "train.init_statistics: is source, and there is none; name a run in train.init_from or "
            "frozen_from of an encoder, or use own",
            "train: {init_statistics: source, init_from: runs/a}"},
        Clash{"sources: {b: {weight: 0}}",
              "sources.b.weight: is 0, like all (no tasks are left); give one of the sources a "
              "weight",
              "sources: {b: {weight: 0}, c: {weight: 0.5}}"},
        Clash{"step: {schedule: step, min_lr: 1e-5}",
              "step.min_lr: has no effect with step.schedule: step; remove it (its default is 0.0) "
              "or set step.schedule: cosine",
              "step: {schedule: cosine, min_lr: 1e-5}"},
        Clash{
            "step: {schedule: cosine, decay: 0.1}",
            "step.decay: has no effect with step.schedule: cosine; remove it (its default is 0.5) "
            "or set step.schedule: step",
            "step: {schedule: step, decay: 0.1}"},
        Clash{
            "step: {decay_every: 10}",
            "step.decay_every: has no effect with step.schedule: constant; remove it (its default "
            "is 2000) or set step.schedule: step",
            "step: {schedule: step, decay_every: 10}"},
        Clash{
            "step: {clip_at: 1}",
            "step.clip_at: has no effect with step.clip: none; remove it (its default is 10.0) or "
            "set step.clip: norm or value",
            "step: {clip: value, clip_at: 1}"},
        Clash{"step: {schedule: cosine, outer_lr: 1e-3, min_lr: 1e-2}",
              "step.min_lr: is 0.01, above step.outer_lr, 0.001; the cosine schedule goes down",
              "step: {schedule: cosine, outer_lr: 1e-3, min_lr: 1e-3}"},
        Clash{"train: {patience: 3, validate_every: 0}",
              "train.patience: needs validations to count; set train.validate_every, or 0 to never "
              "stop early",
              "train: {patience: 3, validate_every: 1}"},
        Clash{"data: {modalities: [a, b, a]}", "data.modalities: names a twice; keep one",
              "data: {modalities: [a, b, c]}"}));

TEST(CrossCheck, IsPlacedWhereItCameAbout) {
  EXPECT_THAT(report_of("episode:\n  way_min: 9\n"), StartsWith("x.yaml:2: episode.way_min"));
  EXPECT_THAT(report_of("episode:\n  way: 3\n  way_min: 4\n"), StartsWith("x.yaml:3: "));
  EXPECT_THAT(report_of("episode:\n  way_min: 4\n  way: 3\n"), StartsWith("x.yaml:2: "));
  EXPECT_THAT(report_of("episode: {way_min: 4}", {"episode.way=3"}),
              StartsWith("command line: episode.way_min"));
}

TEST(CrossCheck, AnOverrideNamesAnObjectiveOfTheFile) {
  const char* file = "objectives: {align: {type: contrastive}}";
  EXPECT_EQ(read(file, {"objectives.align.weight=0.3"}).objectives.at("align").weight, 0.3);
  EXPECT_THAT(report_of(file, {"objectives.algin.weight=0.3"}),
              StartsWith("command line: objectives.algin.type: is not given"));
}

TEST(CrossCheck, OneMistakeOneMessage) {
  EXPECT_EQ(report_of("episode: {way: -20, way_min: 9}"),
            "x.yaml:1: episode.way: is -20; must be 1 or more");
  EXPECT_EQ(report_of("step: {schedule: stepp, decay: 0.1}"),
            "x.yaml:1: step.schedule: is \"stepp\"; must be constant, cosine or step");
  // Which ways a target has is unknown when it is.
  EXPECT_EQ(report_of("episode: {target: clas, way: 1}"),
            "x.yaml:1: episode.target: \"clas\" is unknown (did you mean class?); there are class, "
            "value");
}

TEST(CrossCheck, TheTargetDecidesWhichWaysThereAre) {
  EXPECT_EQ(read("seed: 1").episode.target.type, "class");
  EXPECT_FALSE(read("seed: 1").episode.of_values);
  EXPECT_EQ(read("episode: {target: value, way: 1}").episode.target.type, "value");
  EXPECT_TRUE(read("episode: {target: value, way: 1}").episode.of_values);
  EXPECT_EQ(read("episode: {way: 1}", {"episode.target=value"}).episode.way, 1);
  EXPECT_THAT(report_of("episode: {target: value, way: 1}", {"episode.way=5"}),
              StartsWith("command line: episode.way: is 5 with episode.target: value"));
  EXPECT_THAT(report_of("episode:\n  way: 1\n  target: class\n"),
              StartsWith("x.yaml:2: episode.way: is 1"));
  EXPECT_THAT(dump(RunConfig(), true), HasSubstr("  target: class"));
}

TEST(CrossCheck, TargetsOfOtherProgramsHaveTheWaysTheyWant) {
  Catalog catalog = small_catalog();
  catalog["target"]["lab.rank"] = {"a stand-in", ""};
  for (const char* way : {"1", "5"}) {
    const std::string text = std::string("episode: {target: lab.rank, way: ") + way + "}";
    EXPECT_EQ(report_of(text, {}, catalog), "");
  }
  catalog["target"]["lab.rank"].of_values = true;
  EXPECT_THAT(report_of("episode: {target: lab.rank, way: 5}", {}, catalog),
              HasSubstr("episode.way: is 5 with episode.target: lab.rank"));
}

TEST(CrossCheck, AnOverrideCanMendTheFile) {
  EXPECT_EQ(read("episode: {way_min: 9}", {"episode.way=10"}).episode.way, 10);
}

TEST(CrossCheck, StrengthsThatChangeNothingAreRefused) {
  EXPECT_EQ(report_of("augment: {tasks: query, image: {rotate: 30, flip: true}}"), "");
  EXPECT_EQ(report_of("augment:\n  image: {rotate: 30}\n  vector: {mix: 0.2}\n"),
            "x.yaml:2: augment.image.rotate: has no effect with augment.tasks: none; remove it "
            "(its default is 10.0) or set augment.tasks: support, query or both");
  EXPECT_THAT(report_of("augment: {tasks: query, image: {rotation: 30}}"),
              HasSubstr("augment.image.rotation: unknown key"));
  EXPECT_THAT(report_of("augment: {tasks: query, image: {rotat: 30}}"),
              HasSubstr("did you mean augment.image.rotate?"));
  EXPECT_THAT(report_of("augment: {tasks: quary}"),
              HasSubstr("must be none, support, query or both"));
  EXPECT_THAT(
      report_of("{episode: {target: value, way: 1}, augment: {tasks: both, vector: {mix: 1}}}"),
      HasSubstr("augment.vector.mix: has no effect with episode.target: value"));
  EXPECT_EQ(report_of("augment: {tasks: query, copies: 4}"), "");
  EXPECT_THAT(report_of("augment: {tasks: query, copies: 4, vector: {mix: 0.5}}"),
              HasSubstr("augment.vector.mix: has no effect with augment.copies"));
  EXPECT_THAT(report_of("augment: {copies: 4}"),
              HasSubstr("augment.copies: has no effect with augment.tasks: none"));
}

TEST(CrossCheck, NothingIsRefusedForTheSakeOfOneModality) {
  // A single-modality run of a multimodal configuration changes one key.
  EXPECT_EQ(report_of("model: {modality_dropout: 0.2, encoders: {image: {}, text: {}}}\n",
                      {"data.modalities=[text]"}),
            "");
}

}  // namespace
}  // namespace cuttle
