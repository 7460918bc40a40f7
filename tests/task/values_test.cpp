// Regression episodes: samples of one class, with target values (episode.target: value).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "cuttle/core/error.hpp"
#include "cuttle/task/episode.hpp"
#include "cuttle/task/prefetch.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"
#include "task/fake_dataset.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

EpisodeOptions options_of(std::int64_t shot, std::int64_t query) {
  EpisodeOptions options = episodes_of(1, shot, query);
  options.target = "value";
  options.of_values = true;
  return options;
}

FakeDataset functions(int count, std::int64_t width = 1) {
  FakeDataset data;
  data.add_classes(count, Split::kTrain, {0, 0, 1, 1, 2, 2});
  data.add_targets(width);
  return data;
}

RandomKey key_of(std::uint64_t step) {
  return {5, Stream::kTrain, step, 0};
}

std::string complaint(const FakeDataset& data, const EpisodeOptions& options) {
  try {
    EpisodePlanner(data, Split::kTrain, options);
  } catch (const UserError& problem) {
    return problem.what();
  }
  return "";
}

bool same_samples(const EpisodePlan& a, const EpisodePlan& b) {
  return a.classes == b.classes && a.support == b.support && a.query == b.query &&
         a.support_labels == b.support_labels && a.query_labels == b.query_labels;
}

TEST(values, an_episode_is_samples_of_one_class) {
  const FakeDataset data = functions(7);
  const EpisodePlanner planner(data, Split::kTrain, options_of(2, 3));
  std::map<std::int32_t, int> drawn;
  for (std::uint64_t step = 0; step < 300; ++step) {
    const EpisodePlan plan = planner.plan(key_of(step));
    EXPECT_TRUE(plan.values);
    ASSERT_EQ(plan.classes.size(), 1u);
    ++drawn[plan.classes[0]];
    EXPECT_EQ(plan.support.size(), 2u);
    EXPECT_EQ(plan.query.size(), 3u);
    EXPECT_THAT(plan.support_labels, ElementsAre(0, 0));
    EXPECT_THAT(plan.query_labels, ElementsAre(0, 0, 0));
    std::set<std::int64_t> samples(plan.support.begin(), plan.support.end());
    samples.insert(plan.query.begin(), plan.query.end());
    EXPECT_EQ(samples.size(), 5u);
    for (const std::int64_t sample : samples)
      EXPECT_EQ(data.samples()[sample].class_id, plan.classes[0]);
  }
  EXPECT_EQ(drawn.size(), 7u);
}

TEST(values, a_plan_depends_on_its_key_alone_and_not_on_the_targets) {
  const FakeDataset data = functions(7), wider = functions(7, 4);
  const EpisodePlanner one(data, Split::kTrain, options_of(2, 3)),
      other(wider, Split::kTrain, options_of(2, 3));
  for (std::uint64_t step = 50; step-- > 0;) other.plan(key_of(step));
  for (std::uint64_t step = 0; step < 50; ++step)
    EXPECT_TRUE(same_samples(one.plan(key_of(step)), other.plan(key_of(step))));
  EXPECT_FALSE(same_samples(one.plan(key_of(1)), one.plan(key_of(2))));
}

// The same keys, draws and samples: only the flag says what is learned.
TEST(values, plans_of_classes_do_not_know_of_targets) {
  FakeDataset without;
  without.add_classes(7, Split::kTrain, {0, 0, 1, 1, 2, 2});
  const FakeDataset with = functions(7);
  EpisodeOptions options = options_of(2, 3);
  options.target = "class";
  options.of_values = false;
  options.way = 3;
  const EpisodePlanner plain(without, Split::kTrain, options), other(with, Split::kTrain, options);
  for (std::uint64_t step = 0; step < 50; ++step) {
    const EpisodePlan plan = other.plan(key_of(step));
    EXPECT_FALSE(plan.values);
    EXPECT_TRUE(same_samples(plan, plain.plan(key_of(step))));
  }
  const Episode episode = materialise(with, other.plan(key_of(1)));
  EXPECT_TRUE(episode.support.targets.empty());
  EXPECT_TRUE(episode.query.targets.empty());
}

TEST(values, groups_variable_shot_and_missing_senses_work_as_for_classes) {
  const FakeDataset data = functions(4);
  EpisodeOptions options = options_of(2, 2);
  options.groups = "apart";
  options.shot_min = 1;
  options.way_min = 1;
  const EpisodePlanner planner(data, Split::kTrain, options);
  std::set<std::size_t> shots;
  for (std::uint64_t step = 0; step < 100; ++step) {
    const EpisodePlan plan = planner.plan(key_of(step));
    shots.insert(plan.support.size());
    for (const std::int64_t s : plan.support)
      for (const std::int64_t q : plan.query)
        EXPECT_NE(data.samples()[s].group_id, data.samples()[q].group_id);
  }
  EXPECT_EQ(shots, (std::set<std::size_t>{1, 2}));
}

TEST(values, materialise_lays_targets_row_by_row) {
  const FakeDataset data = functions(5, 3);
  const EpisodePlan plan = EpisodePlanner(data, Split::kTrain, options_of(2, 4)).plan(key_of(8));
  const Episode episode = materialise(data, plan);
  EXPECT_EQ(episode.way, 1);
  const auto check = [](const RawBatch& batch, const std::vector<std::int64_t>& samples) {
    std::vector<float> expected;
    for (const std::int64_t sample : samples)
      for (const float part : {0.0f, 0.125f, 0.25f})
        expected.push_back(static_cast<float>(sample) + part);
    EXPECT_EQ(batch.targets, expected);
    EXPECT_THAT(batch.labels, Each(0));
    EXPECT_EQ(batch.labels.size(), samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i)
      EXPECT_EQ(batch.modalities[0].bytes[i], samples[i]);
  };
  check(episode.support, plan.support);
  check(episode.query, plan.query);
}

TEST(values, come_from_shards) {
  const TempFolder folder;
  SyntheticOptions shards;
  shards.targets = 3;
  shards.modalities = {"vector"};
  DataOptions files;
  files.shards = write_synthetic_shards(folder.path(), shards);
  const auto data = Dataset::open(files);
  const EpisodePlan plan = EpisodePlanner(*data, Split::kTest, options_of(5, 5)).plan(key_of(3));
  const Episode episode = materialise(*data, plan);
  ASSERT_EQ(episode.query.targets.size(), 15u);
  for (std::size_t i = 0; i < 15; ++i)
    EXPECT_EQ(episode.query.targets[i], data->target(plan.query[i / 3])[i % 3]);
}

TEST(values, are_read_ahead_as_they_are_read_in_place) {
  const FakeDataset data = functions(5, 2);
  const EpisodePlanner planner(data, Split::kTrain, options_of(1, 2));
  const auto read = [&](std::int64_t i) {
    std::vector<Episode> episodes;
    if (i < 6) episodes.push_back(materialise(data, planner.plan(key_of(i))));
    return episodes;
  };
  Prefetcher<Episode> ahead(read, 3), in_place(read, 0);
  for (int i = 0; i < 6; ++i) {
    const Episode a = ahead.next().at(0), b = in_place.next().at(0);
    EXPECT_EQ(a.query.targets.size(), 4u);
    EXPECT_EQ(a.support.targets, b.support.targets);
    EXPECT_EQ(a.query.targets, b.query.targets);
  }
}

TEST(values, impossible_options_are_refused_with_their_key) {
  const FakeDataset data = functions(5);
  EpisodeOptions options = options_of(1, 1);
  options.way = 5;
  EXPECT_THAT(complaint(data, options),
              AllOf(HasSubstr("episode.way is 5 with episode.target: value"), HasSubstr("use 1")));
  options.way = 1;
  options.way_min = 2;
  EXPECT_THAT(complaint(data, options), HasSubstr("episode.way_min is 2"));
  options.way_min = 0;
  EXPECT_THAT(complaint(data, options_of(4, 3)), HasSubstr("4 + 3 samples"));
  EXPECT_EQ(complaint(data, options_of(3, 3)), "");
}

TEST(values, data_without_targets_are_refused_with_a_way_out) {
  FakeDataset data;
  data.add_classes(5, Split::kTrain, {0, 0, 0});
  EXPECT_THAT(complaint(data, options_of(1, 1)),
              AllOf(HasSubstr("episode.target is value, but the shards hold no targets"),
                    HasSubstr("data_tools/FORMAT.md"), HasSubstr("episode.target: class")));
}

}  // namespace
}  // namespace cuttle
