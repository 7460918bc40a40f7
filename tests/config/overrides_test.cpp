#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_support.hpp"

namespace cuttle {
namespace {

using testing::ElementsAre;

TEST(Overrides, WinOverTheFileAndTheLaterOverTheEarlier) {
  const RunConfig config = read("adapt: {inner_steps: 1, inner_lr: 0.1}\n",
                                {"adapt.inner_steps=5", "adapt.inner_steps=7"});
  EXPECT_EQ(learner_of<stand_in::Maml>(config).inner_steps, 7);
  EXPECT_EQ(learner_of<stand_in::Maml>(config).inner_lr, 0.1);
}

TEST(Overrides, ReplaceLists) {
  const RunConfig config = read("data: {shards: [a, b, c]}\n", {"data.shards=[d, 'e f']"});
  EXPECT_THAT(config.data.shards, ElementsAre("d", "e f"));
  EXPECT_TRUE(read("data: {shards: [a]}\n", {"data.shards=[]"}).data.shards.empty());
}

TEST(Overrides, ReachIntoEncodersAndTheirChoices) {
  const RunConfig config =
      read("model: {encoders: {image: {width: 32, norm: running, norm_momentum: 0.5}}}\n",
           {"model.encoders.image.depth=3", "model.encoders.image.norm_momentum=0.25",
            "model.encoders.audio.width=16", "model.encoders.text={width: 8}"});
  const auto image = encoder_of<stand_in::Auto>(config, "image");
  EXPECT_EQ(image.width, 32);
  EXPECT_EQ(image.depth, 3);
  EXPECT_EQ(image.norm.type, "running");
  EXPECT_EQ(options_of<stand_in::RunningNorm>(image.norm).momentum, 0.25);
  EXPECT_EQ(encoder_of<stand_in::Auto>(config, "audio").width, 16);
  EXPECT_EQ(encoder_of<stand_in::Auto>(config, "text").width, 8);
}

TEST(Overrides, OfStepsOrMinutesTakeTheFilesOtherAway) {
  const RunConfig minutes = read("train: {steps: 7}\n", {"train.minutes=2"});
  EXPECT_EQ(minutes.train.minutes, 2);
  EXPECT_EQ(minutes.train.steps, TrainOptions().steps);
  const RunConfig steps = read("train: {minutes: 2}\n", {"train.steps=7"});
  EXPECT_EQ(steps.train.minutes, 0);
  EXPECT_EQ(steps.train.steps, 7);
  EXPECT_EQ(read("train: {steps: 7}\n", {"train.minutes=0"}).train.steps, 7);
  EXPECT_THAT(report_of("seed: 1", {"train.minutes=2", "train.steps=7"}),
              testing::HasSubstr("train.steps: has no effect with train.minutes: 2.0"));
}

TEST(Overrides, NothingAfterTheSignIsEmptyText) {
  EXPECT_EQ(read("train: {init_from: a}\n", {"train.init_from="}).train.init_from, "");
  EXPECT_EQ(report_of("seed: 1", {"seed="}),
            "command line: seed: must be a whole number from 0, found text \"\"");
}

TEST(Overrides, ASecondSignBelongsToTheValue) {
  EXPECT_EQ(read("seed: 1", {"train.init_from=runs/a=b"}).train.init_from, "runs/a=b");
}

struct BadOverride {
  const char* text;
  const char* report;
};
class BadOverrides : public testing::TestWithParam<BadOverride> {};

TEST_P(BadOverrides, AreNamed) {
  EXPECT_EQ(report_of("seed: 1", {GetParam().text}),
            std::string("command line: ") + GetParam().report);
}

INSTANTIATE_TEST_SUITE_P(
    Overrides, BadOverrides,
    testing::Values(
        BadOverride{"seed", "\"seed\" is no override; write key=value, e.g. adapt.inner_steps=5"},
        BadOverride{"=3", "\"=3\" is no override; write key=value, e.g. adapt.inner_steps=5"},
        BadOverride{"", "\"\" is no override; write key=value, e.g. adapt.inner_steps=5"},
        BadOverride{"adapt..x=3",
                    "\"adapt..x=3\" is no override; write key=value, e.g. adapt.inner_steps=5"},
        BadOverride{"adapt.inner_step=5",
                    "adapt.inner_step: unknown key; did you mean adapt.inner_steps?"},
        BadOverride{"adapt.algorithm=mamml",
                    "adapt.algorithm: \"mamml\" is unknown (did you mean maml?); there are anil, "
                    "fomaml, maml, protonet, reptile"},
        BadOverride{"adapt.algorithm=",
                    "adapt.algorithm: \"\" is unknown; there are anil, fomaml, maml, protonet, "
                    "reptile"},
        BadOverride{"adapt.algorithm.x=5",
                    "adapt.algorithm: must be anil, fomaml, maml, protonet or reptile, found keys "
                    "below it"},
        BadOverride{"adapt.refine=1",
                    "adapt.refine: unknown key; it belongs to adapt.algorithm: protonet, not to "
                    "maml; remove it"},
        BadOverride{"adapt.inner_steps.x=5",
                    "adapt.inner_steps: must be a whole number, found keys below it"},
        BadOverride{"adapt=5", "adapt: must be a section of keys, found 5"},
        BadOverride{"model.encoders.x=null",
                    "model.encoders.x: must be a section of keys, found nothing (which takes none "
                    "of the file's keys away); name those that are to be others, as "
                    "model.encoders.x.KEY=VALUE"},
        BadOverride{"episode.way=0", "episode.way: is 0; must be 1 or more"},
        BadOverride{
            "data.shards=*.h5",
            "data.shards: anchors (&) and aliases (*) are not used in a configuration; quote "
            "text that starts with one, e.g. \"*.h5\""},
        BadOverride{
            "data.shards=[a",
            "data.shards: a list or map as a key (is a bracket left open?); keys are plain words"},
        BadOverride{"name=\xFF", "name: byte 0xff is not UTF-8 text; save the file as UTF-8"},
        BadOverride{"na\x01me=3", "\"na\\x01me\": unknown key; did you mean name?"},
        BadOverride{
            "episode.way_min=9",
            "episode.way_min: is 9, above episode.way, 5; lower it, or 0 for a fixed way"}));

TEST(Overrides, DoNotHideMistakesInTheFile) {
  EXPECT_EQ(report_of("seed: x", {"seed=3"}),
            "x.yaml:1: seed: must be a whole number from 0, found text \"x\"");
}

TEST(Overrides, AreReportedBesideAFileThatCannotBeRead) {
  EXPECT_EQ(report_of("- a", {"episode.way_min=9", "seed=x"}),
            "x.yaml:1: must be keys and values, found a list\n"
            "command line: seed: must be a whole number from 0, found text \"x\"");
}

}  // namespace
}  // namespace cuttle
