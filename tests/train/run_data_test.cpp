// Runs that draw from several sources: what their tasks look like, what is refused, and that the
// same bits come out at every world size (proofs_world_size_test.cpp).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <nlohmann/json.hpp>

#include "cuttle/core/log.hpp"
#include "cuttle/train/run_data.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"
#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

/// Two data sets: image and text, and text and vector.
class Sources : public testing::Test {
 protected:
  Sources() {
    init_log(0, 1, LogLevel::kError);
    write("pictures", {"image", "text"}, 12);
    write("numbers", {"text", "vector"}, 12);
    config_ = tiny_config(folder_ / "pictures", "protonet");
    config_.data.shards.clear();
    config_.model.encoders["vector"] = Section("mlp", {{"width", "8"}, {"depth", "1"}});
    config_.sources["a"] = {Section("episodes"), 3.0, {folder_ / "pictures" + "/*.h5"}};
    config_.sources["b"] = {Section("episodes"), 1.0, {folder_ / "numbers" + "/*.h5"}};
  }
  void write(const std::string& name, std::vector<std::string> senses, std::int64_t side,
             std::int64_t targets = 0) const {
    SyntheticOptions options;
    options.modalities = std::move(senses);
    options.image_side = side;
    options.targets = targets;
    options.shards = 1;
    std::filesystem::create_directory(folder_ / name);
    write_synthetic_shards(folder_ / name, options);
  }
  std::vector<std::string> senses_of(const RunData& data) const {
    std::vector<std::string> names;
    for (const auto& spec : data.inputs().modalities) names.push_back(spec.name);
    return names;
  }
  std::string refusal() const {
    return refusal_of([&] {
      const auto data = RunData::open(config_, extensions_);
      assemble(config_, data->inputs(), extensions_);
    });
  }

  TempFolder folder_;
  Extensions extensions_;
  RunConfig config_;
};

TEST_F(Sources, TheModelTakesTheSensesOfAllAndTasksLackTheOthers) {
  const auto data = RunData::open(config_, extensions_);
  EXPECT_EQ(senses_of(*data), (std::vector<std::string>{"image", "text", "vector"}));
  EXPECT_EQ(data->alone(Split::kTrain), nullptr);
  const auto parts = assemble(config_, data->inputs(), extensions_);
  const auto source = data->source(parts, {Split::kTrain, config_.episode, 0.0, false}, nullptr);
  int pictures = 0;
  for (std::uint32_t slot = 0; slot < 200; ++slot) {
    const Task task = source->make({1, Stream::kTrain, 0, slot});
    const auto& senses = task.support.modalities;
    EXPECT_NE(senses[0].values.defined(), senses[2].values.defined());
    EXPECT_TRUE(senses[1].values.defined());
    pictures += senses[0].values.defined();
    EXPECT_EQ(task.support.size, 3);
  }
  EXPECT_NEAR(pictures, 150, 20);
}

/// Of which some are missing: zeros in their place would be learned from, without a word.
TEST_F(Sources, TheirTablesHaveTheSameColumns) {
  const auto named = [&](const std::string& name, const std::string& first) {
    SyntheticOptions options;
    options.modalities = {"text", "vector"};
    options.shards = 1;
    ShardContent content = synthetic_shard(options, 0);
    auto header = nlohmann::json::parse(content.header);
    auto& vector = header["modalities"][1];
    std::vector<std::string> columns(vector["shape"][0].get<std::size_t>());
    for (std::size_t i = 0; i < columns.size(); ++i) columns[i] = fmt::format("column {}", i);
    columns[0] = first;
    vector["columns"] = columns;
    content.header = header.dump();
    std::filesystem::create_directory(folder_ / name);
    write_shard(folder_ / name + "/0.h5", content);
    return std::vector<std::string>{folder_ / name + "/*.h5"};
  };
  config_.model.encoders.erase("image");
  config_.sources["a"].shards = named("one", "column 0");
  config_.sources["b"].shards = named("alike", "column 0");
  EXPECT_EQ(refusal(), "");
  config_.sources["b"].shards = named("other", "another");
  EXPECT_THAT(refusal(), HasSubstr("sources.b: its vector has no column column 0"));
}

TEST_F(Sources, EachIsEvaluatedAloneByAWeight) {
  const auto all = RunData::open(config_, extensions_);
  const TaskInputs trained = all->inputs();
  config_.sources["a"].weight = 0;
  const auto data = RunData::open(config_, extensions_, &trained);
  EXPECT_EQ(senses_of(*data), (std::vector<std::string>{"image", "text", "vector"}));
  ASSERT_NE(data->alone(Split::kTest), nullptr);
  const auto parts = assemble(config_, data->inputs(), extensions_);
  const auto source = data->source(parts, {Split::kTest, config_.episode, 0.0, true}, nullptr);
  const Task task = source->make({1, Stream::kTest, 0, 3});
  EXPECT_FALSE(task.query.modalities[0].values.defined());
  EXPECT_TRUE(task.query.modalities[2].values.defined());
  EXPECT_EQ(task.classes.size(), 3u);  // of one data set: they mean something
}

TEST_F(Sources, TheConfigChoosesAmongTheirSenses) {
  config_.data.modalities = {"vector", "image"};
  config_.model.encoders.erase("text");
  EXPECT_EQ(senses_of(*RunData::open(config_, extensions_)), config_.data.modalities);
  config_.data.modalities = {"vectr"};
  EXPECT_THAT(refusal(),
              HasSubstr("no source has the modality 'vectr' (data.modalities), they have "
                        "image, text, vector; did you mean 'vector'?"));
  config_.data.modalities = {"vector"};
  EXPECT_THAT(refusal(), HasSubstr("sources.a: it has none of the modalities in use (vector)"));
}

TEST_F(Sources, FingerprintIsOfAllOfThem) {
  const auto of = [&] { return RunData::open(config_, extensions_)->fingerprint(); };
  const auto both = of();
  EXPECT_EQ(of(), both);
  write("others", {"text", "vector"}, 12, 1);
  config_.sources["b"].shards = {folder_ / "others" + "/*.h5"};
  EXPECT_NE(of(), both);
}

TEST_F(Sources, RefusesThoseThatDoNotFit) {
  write("larger", {"image"}, 16);
  config_.sources["b"].shards = {folder_ / "larger" + "/*.h5"};
  EXPECT_THAT(refusal(),
              HasSubstr("sources.b: its modality image has another kind, shape or sample "
                        "rate than an earlier source's"));
  config_.sources["b"].shards.clear();
  EXPECT_THAT(refusal(), HasSubstr("sources.b.shards is missing"));
  config_.sources["b"].weight =
      0;  // one that was written wrongly would else be a source of its own
  EXPECT_THAT(refusal(), HasSubstr("did you mean sources.a?"));
  config_.sources["b"] = {Section("episodes"), 1.0, {folder_ / "nowhere" + "/*.h5"}};
  EXPECT_THAT(refusal(), HasSubstr("sources.b: no shard matches"));
  config_.sources["b"] = {Section("sinusoids"), 1.0, {"x.h5"}};
  EXPECT_THAT(refusal(), HasSubstr("sources.b.shards: sinusoids makes its tasks itself"));
  config_.sources["b"].shards.clear();
  EXPECT_THAT(refusal(), HasSubstr("episode.target: class needs classes, and sources.b: sinusoids "
                                   "gives values"));
  config_.sources["b"] = {Section("minibatches"), 1.0, config_.sources["a"].shards};
  EXPECT_THAT(refusal(), HasSubstr("protonet learns from episodes, but sources.b: minibatches"));
  config_.sources["b"].source = "episods";
  EXPECT_THAT(refusal(), HasSubstr("sources.b.type: 'episods' is unknown"));
}

TEST_F(Sources, ValuesMustBeEquallyMany) {
  write("one", {"vector"}, 12, 1);
  write("two", {"vector"}, 12, 2);
  config_.episode.target = "value";
  config_.episode.way = 1;
  config_.model.encoders.erase("image");
  config_.model.encoders.erase("text");
  config_.adapt.type = "maml";
  config_.sources["a"].shards = {folder_ / "one" + "/*.h5"};
  config_.sources["b"].shards = {folder_ / "two" + "/*.h5"};
  EXPECT_THAT(refusal(), HasSubstr("sources.b: its samples have 2 target values, an earlier "
                                   "source's 1"));
  config_.sources["b"] = config_.sources["a"];
  EXPECT_EQ(refusal(), "");
}

TEST_F(Sources, AModelIsNotGivenTasksOfOtherOutputs) {
  const auto answer = [&](const TaskInputs& trained) {
    const auto parts = assemble(config_, trained, extensions_);
    return refusal_of([&] {
      const auto data = RunData::open(config_, extensions_, &trained);
      data->source(parts, {Split::kTest, config_.episode, 0.0, true}, nullptr);
    });
  };
  config_ = RunConfig();
  config_.episode.way = 1;
  config_.episode.query = 2;
  config_.episode.source = Section("tabular_mdp", {{"states", "4"}, {"actions", "3"}});
  config_.episode.target = "return";
  config_.adapt = Section("maml_rl");
  const TaskInputs acting = RunData::open(config_, extensions_)->inputs();
  EXPECT_EQ(answer(acting), "");
  for (const char* actions : {"2", "4"}) {
    config_.episode.source.values["actions"] = actions;
    EXPECT_THAT(answer(acting), HasSubstr(std::string("episode.source: tasks of tabular_mdp with "
                                                      "these keys and data ask for ") +
                                          actions + " outputs, and the model gives 3"));
  }
  write("one", {"vector"}, 12, 1);
  write("two", {"vector"}, 12, 2);
  config_.episode.source = "episodes";
  config_.episode.target = "value";
  config_.adapt = Section("maml");
  config_.data.shards = {folder_ / "one" + "/*.h5"};
  const TaskInputs predicting = RunData::open(config_, extensions_)->inputs();
  EXPECT_EQ(answer(predicting), "");
  config_.data.shards = {folder_ / "two" + "/*.h5"};
  EXPECT_THAT(answer(predicting), HasSubstr("ask for 2 outputs, and the model gives 1"));
}

TEST_F(Sources, TargetsOfShardsDoNotMatterToClasses) {
  write("one", {"image", "text"}, 12, 1);
  config_.sources.erase("b");
  config_.model.encoders.erase("vector");
  const TaskInputs trained = RunData::open(config_, extensions_)->inputs();
  config_.sources["a"].shards = {folder_ / "one" + "/*.h5"};
  const auto parts = assemble(config_, trained, extensions_);
  const auto data = RunData::open(config_, extensions_, &trained);
  EXPECT_EQ(data->inputs().target_width, 0);
  const auto source = data->source(parts, {Split::kTest, config_.episode, 0.0, true}, nullptr);
  EXPECT_EQ(source->make({1, Stream::kTest, 0, 0}).support.size, 3);
}

TEST_F(Sources, WhatIsLeftOutIsThatOfEach) {
  const auto source = [](const std::string& lacks) {
    struct Lacking final : TaskSource {
      EpisodeSize size(const RandomKey&) const override { return {}; }
      Task make(const RandomKey&) const override { return {}; }
      std::string left_out() const override { return lacks; }
      std::string lacks;
    };
    auto made = std::make_unique<Lacking>();
    made->lacks = lacks;
    return made;
  };
  std::vector<MixturePart> parts(3);
  for (std::size_t i = 0; i < 3; ++i)
    parts[i].source = source(std::vector<std::string>{"a few", "", "others"}[i]);
  EXPECT_EQ(mix(std::move(parts), 1)->left_out(), "a few; others");
}

/// A shard whose samples lack this sense in some splits.
std::string without(const TempFolder& folder, const std::string& sense,
                    const std::vector<std::uint8_t>& splits) {
  SyntheticOptions options;
  options.modalities = {"text", "vector"};
  options.shards = 1;
  auto content = synthetic_shard(options, 0);
  auto& present = content.arrays.at("/modalities/" + sense + "/present").bytes;
  const auto& of_sample = content.arrays.at("/samples/split").bytes;
  std::size_t rows = 0;
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (std::count(splits.begin(), splits.end(), of_sample[i]) > 0) present[i] = 0;
    rows += present[i];
  }
  for (const char* name : {"/crc32", "/data"}) {
    ShardArray& array = content.arrays.at("/modalities/" + sense + name);
    array.bytes.resize(array.bytes.size() / array.dims[0] * rows);
    array.dims[0] = rows;
  }
  const std::string path = folder / sense + ".h5";
  write_shard(path, content);
  return path;
}

TEST_F(Sources, SensesThatASplitLacksAreNamed) {
  const auto told = [&](const std::vector<std::uint8_t>& splits) {
    RunConfig config;
    config.data.shards = {without(folder_, "vector", splits)};
    return RunData::open(config, extensions_)->absent_senses();
  };
  EXPECT_THAT(told({}), testing::IsEmpty());
  EXPECT_THAT(told({0, 1, 2}),
              testing::ElementsAre(HasSubstr("the sense vector: no sample of train, validation, "
                                             "test has it (nothing is learned of it)")));
  EXPECT_THAT(told({0}), testing::ElementsAre(
                             HasSubstr("no sample of train has it (nothing is learned of it, and "
                                       "validation, test goes by it); add such samples")));
  EXPECT_THAT(told({1, 2}),
              testing::ElementsAre(HasSubstr("no sample of validation, test has it (what is")));
}

TEST_F(Sources, ASenseThatOneSourceHasIsThere) {
  EXPECT_THAT(RunData::open(config_, extensions_)->absent_senses(), testing::IsEmpty());
  config_.sources["a"].shards = {without(folder_, "vector", {0, 1, 2})};
  EXPECT_THAT(RunData::open(config_, extensions_)->absent_senses(), testing::IsEmpty());
  config_.sources["b"].weight = 0;
  EXPECT_THAT(RunData::open(config_, extensions_)->absent_senses(), testing::SizeIs(1));
}

TEST_F(Sources, ATrainingRunIsRefusedAKeyThatDoesNothing) {
  config_.episode.groups = "apart";  // a: goes by it
  config_.sources["b"].weight = 0;
  EXPECT_EQ(refusal_of([&] { check_protocol(config_, RunConfig(), extensions_); }), "");
  for (auto& entry : config_.sources) entry.second = {Section("sinusoids"), 1.0, {}};
  EXPECT_THAT(refusal_of([&] { check_protocol(config_, RunConfig(), extensions_); }),
              HasSubstr("episode.groups: has no effect with sinusoids"));
}

TEST_F(Sources, PretrainingKeepsToOne) {
  config_.adapt = Section("pretrain");
  for (auto& entry : config_.sources) entry.second.source = "minibatches";
  EXPECT_THAT(refusal(), HasSubstr("pretrain learns the classes of one data set"));
  config_.sources["b"].weight = 0;
  config_.model.encoders.erase("vector");
  EXPECT_EQ(refusal(), "");
}

TEST_F(Sources, TogetherTheyHaveAsManySensesAsADataSetMayHave) {
  for (const char* name : {"pictures", "numbers"}) {
    std::vector<ModalitySpec> many;
    for (int i = 0; i < 20; ++i)
      many.push_back({fmt::format("{}{}", name, i), ModalityKind::kText, {}, 0.0, {}, {}});
    EXPECT_EQ(in_senses(Dataset::open({{folder_ / name + "/*.h5"}, {}, false, 0}), many)
                  ->modalities()
                  .size(),
              20u);
    many.resize(33);
    EXPECT_THROW(in_senses(Dataset::open({{folder_ / name + "/*.h5"}, {}, false, 0}), many), Error);
  }
}

TEST_F(Sources, OnlyWhatIsInUseIsHeldInMemory) {
  config_.data.in_memory = true;
  config_.data.modalities = {"text"};
  const auto data = RunData::open(config_, extensions_);
  EXPECT_EQ(senses_of(*data), config_.data.modalities);
  config_.sources["a"].weight = 0;
  const auto one = RunData::open(config_, extensions_);
  std::vector<std::uint8_t> bytes;
  EXPECT_GT(one->alone(Split::kTrain)->read(0, 0, bytes), 0);
}

TEST_F(Sources, AModelTakesDataThatLackSomeOfItsSenses) {
  const auto trained = RunData::open(config_, extensions_)->inputs().modalities;
  DataOptions options;
  options.shards = config_.sources["b"].shards;
  for (const bool in_memory : {false, true}) {
    options.in_memory = in_memory;
    const auto data = open_for(trained, options, Extensions());
    ASSERT_EQ(data->modalities().size(), 3u);
    EXPECT_EQ(data->samples()[0].present, 6u);
    std::vector<std::uint8_t> bytes;
    EXPECT_GT(data->read(0, 2, bytes), 0);
  }
  EXPECT_THAT(refusal_of([&] { open_for({trained[0]}, options, Extensions()); }),
              HasSubstr("it has text, vector, and the model takes image"));
}

}  // namespace
}  // namespace cuttle
