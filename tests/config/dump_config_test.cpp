#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <regex>
#include <set>
#include <sstream>
#include <type_traits>

#include "config/config_schema.hpp"
#include "config/config_support.hpp"
#include "config/yaml/config_value.hpp"
#include "cuttle/core/random.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Converts to anything, so that an aggregate can be tried with n of them.
struct Anything {
  template <class T>
  operator T() const;
};
template <class T, class Tuple, class = void>
struct TakesAll : std::false_type {};
template <class T, class... Args>
struct TakesAll<T, std::tuple<Args...>, std::void_t<decltype(T{std::declval<Args>()...})>>
    : std::true_type {};

/// How many members the options struct T has, as the compiler sees it.
template <class T, class... Args>
constexpr std::size_t member_count() {
  if constexpr (TakesAll<T, std::tuple<Args..., Anything>>::value) {
    return member_count<T, Args..., Anything>();
  } else {
    return sizeof...(Args);
  }
}

/// Keys directly below `section` ("model.") that stand for members of its options struct; those of
/// chosen types have structs of their own.
std::size_t keys_below(const std::string& section) {
  RunConfig config;
  config.model.encoders["image"];
  config.objectives["align"];
  config.sources["drawings"];
  const ConfigSchema schema(config, small_catalog());
  return static_cast<std::size_t>(
      std::count_if(schema.items().begin(), schema.items().end(), [&](const ConfigItem& item) {
        return item.owner.empty() && item.key.compare(0, section.size(), section) == 0 &&
               item.key.find('.', section.size()) == item.key.npos;
      }));
}

TEST(DumpConfig, EveryMemberOfEveryOptionsStructHasItsKey) {
  EXPECT_EQ(keys_below(""), member_count<RunConfig>());
  EXPECT_EQ(keys_below("data."), member_count<DataOptions>());
  EXPECT_EQ(keys_below("episode."), member_count<EpisodeOptions>() - 1);  // the target: of_values
  EXPECT_EQ(keys_below("augment."), member_count<AugmentOptions>());
  EXPECT_EQ(keys_below("augment.image."), member_count<ImageAugmentation>());
  EXPECT_EQ(keys_below("augment.audio."), member_count<AudioAugmentation>());
  EXPECT_EQ(keys_below("augment.text."), member_count<TextAugmentation>());
  EXPECT_EQ(keys_below("augment.series."), member_count<SeriesAugmentation>());
  EXPECT_EQ(keys_below("augment.vector."), member_count<VectorAugmentation>());
  EXPECT_EQ(keys_below("augment.graph."), member_count<GraphAugmentation>());
  EXPECT_EQ(keys_below("model."), member_count<ModelOptions>());
  EXPECT_EQ(keys_below("objectives.align."), member_count<ObjectiveOptions>());
  EXPECT_EQ(keys_below("step."), member_count<StepOptions>());
  EXPECT_EQ(keys_below("reduce."), member_count<ReduceOptions>());
  EXPECT_EQ(keys_below("train."), member_count<TrainOptions>());
  EXPECT_EQ(keys_below("evaluation."), member_count<EvaluationOptions>());
  EXPECT_EQ(keys_below("sinks.console."), member_count<SinkOptions>());
  EXPECT_EQ(keys_below("comm."), member_count<CommOptions>());
  EXPECT_EQ(keys_below("adapt."), 1u);
  // It has constructors, which hide its members from member_count; this names them all.
  const auto& [network, frozen_from, fitted] = EncoderOptions();
  EXPECT_EQ(network.type, "auto");
  EXPECT_EQ(frozen_from, "");
  EXPECT_TRUE(fitted.empty());
  EXPECT_EQ(keys_below("model.encoders.image."), 3u);
}

TEST(DumpConfig, EveryStrengthIsAmongTheStrengths) {
  const AugmentOptions o;
  EXPECT_EQ(o.image.strengths().size(), member_count<ImageAugmentation>());
  EXPECT_EQ(o.audio.strengths().size(), member_count<AudioAugmentation>());
  EXPECT_EQ(o.text.strengths().size(), member_count<TextAugmentation>());
  EXPECT_EQ(o.series.strengths().size(), member_count<SeriesAugmentation>());
  EXPECT_EQ(o.vector.strengths().size(), member_count<VectorAugmentation>());
  EXPECT_EQ(o.graph.strengths().size(), member_count<GraphAugmentation>());
}

TEST(DumpConfig, MemberCountCounts) {
  struct Three {
    std::string a = "x";
    double b = 1, c = 2;
  };
  EXPECT_EQ(member_count<Three>(), 3u);
}

TEST(DumpConfig, NoTwoKeysShareAMember) {
  RunConfig config;
  config.model.encoders["image"];
  config.objectives["align"];
  config.sources["drawings"];
  const ConfigSchema schema(config, small_catalog());
  std::set<const void*> members;
  for (const ConfigItem& item : schema.items()) {
    if (item.kind != ConfigItem::Kind::kField && item.kind != ConfigItem::Kind::kChoice) continue;
    const void* member = std::visit([](auto* value) -> const void* { return value; }, item.target);
    EXPECT_TRUE(members.insert(member).second) << item.key;
  }
}

TEST(DumpConfig, EveryDocumentedKeyHasAComment) {
  const std::set<std::string> entries{
      "#    image:", "#  align:", "#  drawings:", "  console:", "  records:"};
  std::istringstream lines(dump(RunConfig(), true));
  std::string line;
  while (std::getline(lines, line)) {
    if (line.empty() || entries.count(line) > 0) continue;
    EXPECT_NE(line.find(" # "), std::string::npos) << line;
  }
}

TEST(DumpConfig, DefaultsReadBackBothWays) {
  for (const bool documented : {false, true}) {
    const RunConfig back = read(dump(RunConfig(), documented));
    EXPECT_TRUE(compare(RunConfig(), back).empty());
  }
}

TEST(DumpConfig, TheCommentedExamplesWorkWhenUncommented) {
  const std::string text = dump(RunConfig(), true);
  const RunConfig config = read(std::regex_replace(text, std::regex("\n#"), "\n"));
  ASSERT_EQ(config.model.encoders.count("image"), 1u);
  ASSERT_EQ(config.objectives.count("align"), 1u);
  ASSERT_EQ(config.sources.count("drawings"), 1u);
  RunConfig expected;
  expected.model.encoders["image"];
  expected.objectives["align"];
  expected.sources["drawings"];
  EXPECT_TRUE(compare(expected, config).empty());
}

TEST(DumpConfig, ChoicesAreDocumentedByTheirTypes) {
  const std::string text = dump(RunConfig(), true);
  EXPECT_THAT(text, HasSubstr("\n  algorithm: maml                   # anil | fomaml | maml | "
                              "protonet | reptile; the meta-learning algorithm\n"));
  EXPECT_THAT(text, HasSubstr("\n  target: class                     # class | value; what is "
                              "learned\n"));
  EXPECT_THAT(text, HasSubstr("\n#      norm: batch                   # batch | none | running; "
                              "after each convolution\n"));
}

TEST(DumpConfig, TheResolvedConfigHasNoComments) {
  const std::string text = dump(RunConfig());
  EXPECT_THAT(text, Not(HasSubstr("#")));
  EXPECT_THAT(text, HasSubstr("\n  encoders: {}\n"));
  EXPECT_THAT(text, HasSubstr("\nobjectives: {}\n"));
  EXPECT_THAT(text, HasSubstr("\n  epsilon: 1.0e-08\n"));
  EXPECT_THAT(text, HasSubstr("\n  deadline_s: 300.0\n"));
}

TEST(DumpConfig, OnlyChosenTypesHaveTheirKeysBelowTheirChoice) {
  EXPECT_THAT(dump(RunConfig()), HasSubstr("\nadapt:\n"
                                           "  algorithm: maml\n"
                                           "  inner_steps: 1\n"
                                           "  eval_inner_steps: 0\n"
                                           "  diagnostics: false\n"
                                           "  inner_lr: 0.4\n"
                                           "  keep: parameters\n"
                                           "step:\n"));
  const RunConfig config = read(
      "adapt: {algorithm: protonet, refine: 3}\n"
      "model: {fusion: late, head: cosine, encoders: {b: {type: mlp}, a: {type: resnet12}}}\n"
      "objectives: {near: {type: contrastive, temperature: 0.5}}\n");
  EXPECT_THAT(dump(config), HasSubstr("\nmodel:\n"
                                      "  fusion: late\n"
                                      "  completion: none\n"
                                      "  head: cosine\n"
                                      "  head_scale: 10.0\n"
                                      "  modality_dropout: 0.0\n"
                                      "  dropout: 0.0\n"
                                      "  lite: 0\n"
                                      "  encoders:\n"
                                      "    a:\n"
                                      "      type: resnet12\n"
                                      "      width: 32\n"
                                      "      norm: running\n"
                                      "      norm_momentum: 0.1\n"
                                      "      frozen_from: \"\"\n"
                                      "      fitted: []\n"
                                      "    b:\n"
                                      "      type: mlp\n"
                                      "      width: 64\n"
                                      "      frozen_from: \"\"\n"
                                      "      fitted: []\n"
                                      "objectives:\n"
                                      "  near:\n"
                                      "    type: contrastive\n"
                                      "    temperature: 0.5\n"
                                      "    weight: 1.0\n"
                                      "    where: outer\n"
                                      "adapt:\n"
                                      "  algorithm: protonet\n"
                                      "  part_loss: 0.0\n"
                                      "  refine: 3\n"
                                      "step:\n"));
  for (const bool documented : {false, true}) {
    const RunConfig back = read(dump(config, documented));
    EXPECT_TRUE(compare(config, back).empty());
    EXPECT_EQ(dump(back, documented), dump(config, documented));
  }
}

TEST(DumpConfig, SinksThatAreAlwaysThereAreWrittenToo) {
  EXPECT_THAT(dump(RunConfig()), HasSubstr("\nsinks:\n"
                                           "  console:\n"
                                           "    type: console\n"
                                           "    every_s: 10.0\n"
                                           "  records:\n"
                                           "    type: jsonl\n"
                                           "comm:\n"));
  EXPECT_THAT(dump(RunConfig(), true),
              HasSubstr("\n    type: jsonl                     # console | jsonl | tensorboard; "));
}

TEST(DumpConfig, EveryChoiceOfEveryTypeReadsBack) {
  RunConfig base;
  base.model.encoders["a"];
  base.objectives["o"];
  RunConfig shape = base;
  const ConfigSchema schema(shape, small_catalog());
  for (const ConfigItem& choice : schema.items()) {
    if (choice.kind != ConfigItem::Kind::kChoice) continue;
    for (const auto& type : schema.types_of(choice)) {
      RunConfig config = base;
      if (type.first == "value") config.episode.way = 1;
      ConfigSchema(config, small_catalog()).select(choice.key, type.first);
      const RunConfig back = read(dump(config));
      EXPECT_TRUE(compare(config, back).empty()) << choice.key << " " << type.first;
      EXPECT_EQ(dump(back), dump(config));
    }
  }
}

TEST(DumpConfig, SectionsMadeInCodeReadBack) {
  RunConfig config;
  config.adapt = Section("maml", {{"inner_steps", "3"}, {"keep", "all"}, {"refine", "9"}});
  config.model.fusion = "gated";
  config.model.encoders["a"] =
      Section("conv4", {{"norm", "running"}, {"norm_momentum", "0.5"}, {"width", "8"}});
  config.objectives["o"].objective = Section("contrastive", {{"temperature", "2"}});
  const std::string text = dump(config);
  EXPECT_THAT(text, HasSubstr("\n  inner_steps: 3\n"));
  EXPECT_THAT(text, HasSubstr("\n      norm: running\n      norm_momentum: 0.5\n"));
  EXPECT_THAT(text, Not(HasSubstr("refine")));  // of another type: it has no effect
  const RunConfig back = read(text);
  EXPECT_TRUE(compare(config, back).empty());
  EXPECT_EQ(learner_of<stand_in::Maml>(back).inner_steps, 3);
  EXPECT_EQ(learner_of<stand_in::Maml>(back).keep, "all");
  const auto a = encoder_of<stand_in::Conv4>(back, "a");
  EXPECT_EQ(a.width, 8);
  EXPECT_EQ(options_of<stand_in::RunningNorm>(a.norm).momentum, 0.5);
  EXPECT_EQ(options_of<stand_in::Contrastive>(back.objectives.at("o").objective).temperature, 2.0);
  EXPECT_EQ(config.adapt.values.size(), 3u);  // dumping changes nothing
}

TEST(DumpConfig, NumbersKeepEveryBit) {
  Random random({7, Stream::kTesting, 0, 0});
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t bits = (std::uint64_t{random.bits()} << 32 | random.bits()) & ~(1ull << 63);
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value) || value < std::numeric_limits<double>::min()) continue;
    RunConfig config;
    config.step.outer_lr = value;
    config.adapt.values["inner_lr"] = fmt::format("{}", value);
    config.seed = bits;
    const RunConfig back = read(dump(config));
    ASSERT_EQ(std::memcmp(&back.step.outer_lr, &value, sizeof value), 0) << value;
    const double inner_lr = learner_of<stand_in::Maml>(back).inner_lr;
    ASSERT_EQ(std::memcmp(&inner_lr, &value, sizeof value), 0) << value;
    ASSERT_EQ(back.seed, bits);
  }
}

TEST(DumpConfig, ExtremeNumbers) {
  for (const double value : {std::numeric_limits<double>::max(), std::numeric_limits<double>::min(),
                             std::numeric_limits<double>::denorm_min(), 1e22, 123456789012345680.0,
                             0.1, 1.0 / 3, 5e-324}) {
    RunConfig config;
    config.step.outer_lr = value;
    EXPECT_EQ(read(dump(config)).step.outer_lr, value);
  }
}

/// Texts of any content among a type's keys.
struct Texts {
  std::string note;
  std::vector<std::string> notes;
  void keys(Keys& keys) {
    keys.add("note", note, anything(), "a text");
    keys.add("notes", notes, anything(), "texts");
  }
};

TEST(DumpConfig, TextsThatLookLikeSomethingElse) {
  const std::vector<std::string> texts = {"null",
                                          "~",
                                          "true",
                                          "no",
                                          "5",
                                          "1e3",
                                          ".5",
                                          ".inf",
                                          "-",
                                          "- a",
                                          "a: b",
                                          "a #b",
                                          "#a",
                                          "*a",
                                          "&a",
                                          "!a",
                                          "%a",
                                          "@a",
                                          "`a`",
                                          "'",
                                          "\"",
                                          "it's",
                                          "\"quoted\"",
                                          "back\\slash",
                                          "[a]",
                                          "{a}",
                                          "a,b",
                                          "a]",
                                          " lead",
                                          "trail ",
                                          "?",
                                          "? a",
                                          "|",
                                          ">",
                                          "---",
                                          "...",
                                          "a:",
                                          ":",
                                          "a\\nb",
                                          "caf\xC3\xA9",
                                          "\xF0\x9F\x90\x99",
                                          ".data/*.h5",
                                          "../x",
                                          "/tmp/[0-9]?.h5",
                                          "=",
                                          "<<",
                                          "Null"};
  Catalog catalog = small_catalog();
  // Names of types as well.
  for (const char* name : {"lab.x", "lab:x", "no", "5", "1e3", ".inf", "a: b", "#"})
    catalog["encoder"][name] = stand_in::type<Texts>();
  RunConfig config;
  config.data.shards = texts;
  config.model.encoders["null"].frozen_from = "a: b";
  config.model.encoders["5"].network = Section("conv4", {{"depth", "2"}});
  config.model.encoders["-"];
  for (const auto& type : catalog["encoder"])
    config.model.encoders["e" + std::to_string(config.model.encoders.size())].network = {
        type.first};
  const std::size_t encoders = config.model.encoders.size();
  for (const bool documented : {false, true}) {
    const RunConfig back = read(dump(config, documented, catalog), {}, catalog);
    EXPECT_EQ(back.data.shards, texts);
    EXPECT_EQ(back.model.encoders.size(), encoders);
    EXPECT_TRUE(compare(config, back, catalog).empty());
  }
  for (const std::string& text : texts) {
    RunConfig single;
    single.train.init_from = text;
    single.model.encoders["a"].network =
        Section("no", {{"note", write_value(ConfigTarget(&single.train.init_from))},
                       {"notes", write_value(ConfigTarget(&config.data.shards))}});
    const RunConfig back = read(dump(single, false, catalog), {}, catalog);
    EXPECT_EQ(back.train.init_from, text);
    EXPECT_EQ(encoder_of<Texts>(back, "a").note, text);
    EXPECT_EQ(encoder_of<Texts>(back, "a").notes, texts);
    EXPECT_TRUE(compare(single, back, catalog).empty());
  }
}

TEST(DumpConfig, WritingTwiceGivesTheSameText) {
  const std::string once =
      dump(read("{model: {encoders: {b: {}, a: {width: 3, norm: running}}},\n"
                "objectives: {z: {type: contrastive}, o: {type: contrastive}}}"),
           true);
  EXPECT_EQ(dump(read(once), true), once);
}

TEST(DumpConfig, ATypeThatIsNotThereIsNamedAllTheSame) {
  RunConfig config;
  config.adapt = Section("lab:leo", {{"codes", "3"}});
  EXPECT_THAT(dump(config), HasSubstr("\nadapt:\n  algorithm: \"lab:leo\"\nstep:\n"));
}

}  // namespace
}  // namespace cuttle
