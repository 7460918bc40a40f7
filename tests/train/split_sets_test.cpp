// Validation and test from data sets of their own: whose classes, in which senses, standardised by
// what, and what of them counts for a resumed run.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "cuttle/core/log.hpp"
#include "cuttle/train/run_data.hpp"
#include "support/temp_folder.hpp"
#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SplitSets : public testing::Test {
 protected:
  SplitSets() {
    init_log(0, 1, LogLevel::kError);
    write("own", {"image", "text"}, {8, 6, 6}, 1);
    write("other", {"vector", "text", "image"}, {2, 5, 7}, 9);
    config_ = tiny_config(folder_ / "own", "protonet");
  }
  std::vector<std::string> write(const std::string& name, std::vector<std::string> senses,
                                 std::array<std::int64_t, 3> classes, std::uint64_t seed,
                                 std::int64_t side = 12) const {
    SyntheticOptions options;
    options.modalities = std::move(senses);
    options.classes = classes;
    options.seed = seed;
    options.image_side = side;
    options.shards = 1;
    std::filesystem::create_directory(folder_ / name);
    write_synthetic_shards(folder_ / name, options);
    return {folder_ / name + "/*.h5"};
  }
  std::unique_ptr<RunData> open() const { return RunData::open(config_, extensions_); }
  std::vector<std::string> other() const { return {folder_ / "other" + "/*.h5"}; }

  TempFolder folder_;
  Extensions extensions_;
  RunConfig config_;
};

TEST_F(SplitSets, EachSplitIsOfItsOwnSet) {
  config_.data.validation_shards = other();
  const auto data = open();
  EXPECT_EQ(data->inputs().classes, 8);
  EXPECT_EQ(data->alone(Split::kTrain)->classes_of(Split::kTrain).size(), 8u);
  EXPECT_EQ(data->alone(Split::kValidation)->classes_of(Split::kValidation).size(), 5u);
  EXPECT_EQ(data->alone(Split::kTest), data->alone(Split::kTrain));
  EXPECT_EQ(data->shards_of(Split::kValidation), config_.data.validation_shards);
  EXPECT_EQ(data->shards_of(Split::kTest), config_.data.shards);
  EXPECT_THAT(data->own_sets(), ElementsAre(HasSubstr("validation: 5 classes of ")));
  EXPECT_THAT(refusal_of([&] { data->alone(Split::kAll); }), HasSubstr("--shards"));
}

TEST_F(SplitSets, TheyAreSeenAsTheTrainingSetIs) {
  config_.data.test_shards = other();
  const auto data = open();
  EXPECT_EQ(data->alone(Split::kTest)->modalities(), data->alone(Split::kTrain)->modalities());
  const auto parts = assemble(config_, data->inputs(), extensions_);
  auto kept = data->keep(*parts.model, ParameterList::initial(parts.model->layout(), 1), true);
  EXPECT_EQ(kept.size(), 2u);  // samples of two data sets have the same numbers
  const auto source = data->source(parts, {Split::kTest, config_.episode, 0.0, true}, &kept);
  EXPECT_EQ(source->make({1, Stream::kTest, 0, 0}).query.modalities.size(), 2u);
  config_.data.test_shards = write("larger", {"image"}, {1, 1, 6}, 3, 16);
  EXPECT_THAT(refusal_of([&] { open(); }),
              HasSubstr("data.test_shards: " + config_.data.test_shards[0] +
                        ": modality image has another kind, shape or sample rate"));
  config_.data.test_shards = {folder_ / "nowhere/*.h5"};
  EXPECT_THAT(refusal_of([&] { open(); }), HasSubstr("data.test_shards: no shard matches"));
}

TEST_F(SplitSets, TheFingerprintIsOfWhatHasAPartInTheBits) {
  const auto before = open()->fingerprint();
  config_.data.test_shards = other();
  EXPECT_EQ(open()->fingerprint(), before);
  config_.data.validation_shards = other();
  const auto validated = open()->fingerprint();
  EXPECT_NE(validated, before);
  config_.data.validation_shards = write("moved", {"vector", "text", "image"}, {2, 5, 7}, 9);
  EXPECT_EQ(open()->fingerprint(), validated);
}

TEST_F(SplitSets, ClassesThatTrainingSawAreNamed) {
  EXPECT_THAT(open()->seen_classes(), IsEmpty());
  config_.data.test_shards = other();  // 7 classes from class_007, of which training has one
  EXPECT_THAT(open()->seen_classes(),
              ElementsAre(HasSubstr("split test: 1 of its 7 classes is by name of training classes "
                                    "('class_007')")));
  config_.data.test_shards = write("many", {"text"}, {1, 1, 9}, 3);
  EXPECT_THAT(open()->seen_classes(),
              ElementsAre(HasSubstr("6 of its 9 classes are by name of training classes "
                                    "('class_002', 'class_003', 'class_004' and 3 more)")));
  config_.data.test_shards.clear();
  const auto data = open();
  const Dataset& all = *data->alone(Split::kTrain);
  EXPECT_EQ(seen_in_training(all, all, Split::kTest), "");
  EXPECT_THAT(seen_in_training(all, all, Split::kAll), HasSubstr("8 of its 20 classes"));
}

TEST_F(SplitSets, ASourceHasItsOwn) {
  config_.sources["a"] = {Section("episodes"), 1.0, std::exchange(config_.data.shards, {})};
  config_.sources["b"] = {Section("episodes"), 1.0, other(), {}, config_.sources["a"].shards};
  const auto data = open();
  EXPECT_THAT(data->own_sets(), ElementsAre(HasSubstr("sources.b, test: 6 classes of ")));
  EXPECT_EQ(data->shards_of(Split::kTest), config_.sources["a"].shards);
  config_.sources["b"] = {Section("sinusoids"), 1.0, {}, {}, other()};
  EXPECT_THAT(refusal_of([&] { open(); }),
              HasSubstr("sources.b.test_shards: sinusoids makes its tasks itself"));
}

TEST_F(SplitSets, StatisticsOfAnotherRunTakeThePlaceOfTheShards) {
  auto theirs = open()->inputs().modalities;
  theirs[0].mean = {0.125f};
  theirs[0].stddev = {2.0f};
  config_.data.shards = other();
  config_.data.modalities = {"image", "vector"};
  const auto own = open()->inputs().modalities;
  const auto data = RunData::open(config_, extensions_, nullptr, &theirs);
  const auto& seen = data->inputs().modalities;
  EXPECT_NE(own[0].mean, theirs[0].mean);
  EXPECT_EQ(seen[0].mean, theirs[0].mean);
  EXPECT_EQ(seen[0].stddev, theirs[0].stddev);
  EXPECT_EQ(seen[1].mean, own[1].mean);  // a sense that the other run does not know
  EXPECT_EQ(data->alone(Split::kTest)->modalities(), seen);
}

}  // namespace
}  // namespace cuttle
