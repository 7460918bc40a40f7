// Classes by weights: what a file says of them, and how often and in which order they are drawn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuttle/core/files.hpp"
#include "cuttle/core/random.hpp"
#include "cuttle/task/episode.hpp"
#include "support/temp_folder.hpp"
#include "task/fake_dataset.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class SamplingWeightsTest : public testing::Test {
 protected:
  SamplingWeightsTest() {
    data_.add_classes(4, Split::kTrain, {0, 0, 0});
    data_.add_classes(3, Split::kTest, {0, 0, 0});
  }
  std::string written(const std::string& text) const {
    write_file_atomically(folder_ / "weights.csv", text);
    return folder_ / "weights.csv";
  }
  std::string refusal_of_file(const std::string& text) const {
    try {
      read_sampling_weights(written(text));
    } catch (const UserError& problem) {
      EXPECT_THAT(problem.what(), HasSubstr("weights.csv: "));
      return problem.what();
    }
    return {};
  }
  std::string refusal_of(const SamplingWeights& weights, std::int64_t way = 2) const {
    try {
      EpisodePlanner(data_, Split::kTrain, episodes_of(way, 1, 1), weights);
    } catch (const UserError& problem) {
      return problem.what();
    }
    return {};
  }

  FakeDataset data_;
  TempFolder folder_;
  SamplingWeights weights_{{"class 0", 1}, {"class 1", 2}, {"class 2", 3}, {"class 3", 4}};
};

RandomKey key_at(std::uint64_t step) {
  return {5, Stream::kTrain, step, 1};
}

TEST_F(SamplingWeightsTest, AFileGivesThemByName) {
  EXPECT_EQ(read_sampling_weights(written("class,distance,weight\n\"a, b\",x,2\nc,,0.5\nd,,0\n")),
            (SamplingWeights{{"a, b", 2}, {"c", 0.5}, {"d", 0}}));
  EXPECT_EQ(read_sampling_weights(written("weight,class\r\n 1e-3 ,c\r\n")),
            (SamplingWeights{{"c", 1e-3}}));
  const auto one = sampling_weights_sha256(written("class,weight\na,1\n"));
  EXPECT_NE(one, sampling_weights_sha256(written("class,weight\na,2\n")));
  EXPECT_EQ(one, sampling_weights_sha256(written("class,weight\na,1\n")));
}

TEST_F(SamplingWeightsTest, AFileThatIsNoneIsRefused) {
  for (const char* text : {"", "class,weight\n", "a,1\n"})
    EXPECT_THAT(refusal_of_file(text), HasSubstr("it has no weights"));
  EXPECT_THAT(refusal_of_file("name,weight\na,1\n"),
              AllOf(HasSubstr("no column 'class'"), HasSubstr("name, weight")));
  EXPECT_THAT(refusal_of_file("class,weights\na,1\n"), HasSubstr("no column 'weight'"));
  for (const char* weight : {"-1", "nan", "inf", "1e999", "much", "", "1 2", "1;2"})
    EXPECT_THAT(refusal_of_file(std::string("class,weight\na,") + weight + "\n"),
                HasSubstr(std::string("the weight of class 'a' is '") + weight + "'"));
  EXPECT_THAT(refusal_of_file("class,weight\na,b,1\n"), HasSubstr("'a' has 3 fields"));
  EXPECT_THAT(refusal_of_file("class,weight\na,1\nb,1\na,1\n"), HasSubstr("'a' has two weights"));
  EXPECT_THAT(refusal_of_file("class,weight\n\"a,1\n"), HasSubstr("quote is not closed"));
  EXPECT_THROW(read_sampling_weights(folder_ / "none.csv"), UserError);
}

TEST_F(SamplingWeightsTest, TheyAreOfTheClassesOfTheSplitAndOfAll) {
  EXPECT_THAT(weights_of_classes(weights_, data_, Split::kTrain), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(refusal_of(weights_), "");
  FakeDataset many;
  many.add_classes(11, Split::kTrain, {0});  // "class 10" is before "class 2" by name
  SamplingWeights of_many;
  for (int i = 0; i < 11; ++i) of_many["class " + std::to_string(i)] = i;
  EXPECT_THAT(weights_of_classes(of_many, many, Split::kTrain),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  auto others = weights_;
  others["class 5"] = 1;  // of the test split
  EXPECT_THAT(refusal_of(others), AllOf(HasSubstr("'class 5' is no class of split train"),
                                        HasSubstr("did you mean 'class 0'")));
  weights_.erase("class 2");
  EXPECT_THAT(refusal_of(weights_), AllOf(HasSubstr("1 of 4 classes of split train have no weight"),
                                          HasSubstr("'class 2'")));
  weights_ = {{"class 0", 0}, {"class 1", 0}, {"class 2", 0}, {"class 3", 0}};
  EXPECT_THAT(refusal_of(weights_), HasSubstr("all are 0"));
  weights_["class 1"] = 1;
  EXPECT_THAT(refusal_of(weights_), AllOf(HasSubstr("1 classes that episodes can use"),
                                          HasSubstr("4 classes (3 of weight 0)")));
}

// The keys of Algorithm A itself: the largest u^(1/w) come first.
TEST_F(SamplingWeightsTest, AnEpisodeHasTheClassesOfTheLargestKeys) {
  const EpisodePlanner planner(data_, Split::kTrain, episodes_of(3, 1, 1), weights_);
  for (std::uint64_t step = 0; step < 200; ++step) {
    Random random(key_at(step));
    std::vector<std::pair<double, std::int32_t>> keys;
    for (std::int32_t i = 0; i < 4; ++i)
      keys.emplace_back(std::pow(1 - random.uniform(), 1.0 / (i + 1)), i);
    std::sort(keys.rbegin(), keys.rend());
    EXPECT_THAT(planner.plan(key_at(step)).classes,
                testing::UnorderedElementsAre(keys[0].second, keys[1].second, keys[2].second));
  }
}

/// What is drawn most often has no label of its own, which could be learned by heart.
TEST_F(SamplingWeightsTest, LabelsDoNotTellTheWeights) {
  weights_["class 0"] = 50;
  const EpisodePlanner planner(data_, Split::kTrain, episodes_of(3, 1, 1), weights_);
  std::array<double, 3> labels{};
  double episodes = 0;
  for (std::uint64_t step = 0; step < 6000; ++step) {
    const auto classes = planner.plan(key_at(step)).classes;
    for (std::size_t label = 0; label < 3; ++label)
      if (classes[label] == 0) ++labels[label], ++episodes;
  }
  EXPECT_GT(episodes, 5500);
  for (const double count : labels)
    EXPECT_NEAR(count, episodes / 3, 4 * std::sqrt(episodes * 2 / 9));
}

TEST_F(SamplingWeightsTest, ClassesComeOneAfterTheOtherInProportionToThem) {
  constexpr int kEpisodes = 20000;
  std::array<std::array<double, 4>, 4> drawn{};
  for (std::uint64_t step = 0; step < kEpisodes; ++step) {
    const auto classes = Random(key_at(step)).sample(std::vector<double>{1, 2, 3, 4}, 2);
    ++drawn[static_cast<std::size_t>(classes[0])][static_cast<std::size_t>(classes[1])];
  }
  for (int first = 0; first < 4; ++first)
    for (int second = 0; second < 4; ++second) {
      if (first == second) {
        EXPECT_EQ(drawn[first][second], 0);
        continue;
      }
      const double share = (first + 1) / 10.0 * (second + 1) / (10.0 - (first + 1));
      EXPECT_NEAR(drawn[first][second], kEpisodes * share, 4 * std::sqrt(kEpisodes * share));
    }
}

TEST_F(SamplingWeightsTest, AClassOfWeightZeroIsNeverDrawnAndNotTold) {
  data_.add_class(Split::kTrain, {0});  // has too few samples for an episode
  weights_["class 1"] = 0;
  weights_["class 7"] = 1;
  const EpisodePlanner planner(data_, Split::kTrain, episodes_of(2, 1, 1), weights_);
  EXPECT_EQ(planner.usable_classes(), 3);
  EXPECT_THAT(planner.left_out(), AllOf(HasSubstr("3 of 4 classes"), HasSubstr("'class 7'")));
  for (std::uint64_t step = 0; step < 300; ++step)
    for (const std::int32_t id : planner.plan(key_at(step)).classes)
      EXPECT_TRUE(id == 0 || id == 2 || id == 3) << id;
}

TEST_F(SamplingWeightsTest, WayAndShotsAreThoseWithoutThem) {
  EpisodeOptions options = episodes_of(4, 2, 1);
  options.way_min = options.shot_min = 1;
  options.uneven = true;
  const EpisodePlanner with(data_, Split::kTrain, options, weights_),
      without(data_, Split::kTrain, options);
  for (std::uint64_t step = 0; step < 50; ++step) {
    const auto plan = with.plan(key_at(step)), other = without.plan(key_at(step));
    EXPECT_EQ(plan.support_labels, other.support_labels);
    EXPECT_EQ(with.size(key_at(step)).support, static_cast<std::int64_t>(plan.support.size()));
  }
}

// What no sum of weights could tell apart, and what rejection would take for ever to draw.
TEST_F(SamplingWeightsTest, TheRareOnesAreDrawnTooWhereAllMustBe) {
  const std::vector<double> weights{1e300, 1e-300, 5e-324, 1};
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    Random random({5, Stream::kTesting, 0, slot});
    auto chosen = random.sample(weights, 4);
    EXPECT_EQ(chosen[0], 0);
    EXPECT_EQ(chosen[1], 3);
    std::sort(chosen.begin(), chosen.end());
    EXPECT_THAT(chosen, ElementsAre(0, 1, 2, 3));
  }
  Random random(key_at(0));
  EXPECT_TRUE(random.sample(weights, 0).empty());
  EXPECT_THROW(random.sample(weights, 5), Error);
  EXPECT_THROW(random.sample({1, 0}, 1), Error);
}

}  // namespace
}  // namespace cuttle
