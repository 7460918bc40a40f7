#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "cuttle/task/episode.hpp"
#include "cuttle/task/schedule.hpp"
#include "task/fake_dataset.hpp"

namespace cuttle {
namespace {

using testing::ElementsAre;

TEST(materialise, lays_samples_end_to_end_and_marks_what_is_missing) {
  FakeDataset data;
  data.add_class(Split::kTrain, {0, 0, 0}, {3, 1, 2});
  const RawBatch batch = read_batch(data, {2, 0, 1});
  EXPECT_EQ(batch.size, 3);
  ASSERT_EQ(batch.modalities.size(), 2u);
  EXPECT_THAT(batch.modalities[0].bytes, ElementsAre(0, 1));
  EXPECT_THAT(batch.modalities[0].offsets, ElementsAre(0, 0, 1, 2));
  EXPECT_THAT(batch.modalities[0].present, ElementsAre(0, 1, 1));
  EXPECT_THAT(batch.modalities[1].bytes, ElementsAre(2, 2, 0, 0));
  EXPECT_THAT(batch.modalities[1].offsets, ElementsAre(0, 2, 4, 4));
  EXPECT_TRUE(batch.labels.empty());
  EXPECT_EQ(read_batch(data, {}).modalities[0].offsets.size(), 1u);
}

TEST(materialise, an_episode_is_what_its_plan_says) {
  FakeDataset data;
  data.add_classes(6, Split::kTrain, {0, 1, 2});
  EpisodeOptions options;
  options.query = 2;
  const EpisodePlan plan =
      EpisodePlanner(data, Split::kTrain, options).plan({1, Stream::kTrain, 2, 3});
  const Episode episode = materialise(data, plan);
  EXPECT_EQ(episode.way, 5);
  EXPECT_EQ(episode.classes, plan.classes);
  EXPECT_EQ(episode.key.slot, 3u);
  EXPECT_EQ(episode.support.labels, plan.support_labels);
  EXPECT_EQ(episode.query.labels, plan.query_labels);
  EXPECT_EQ(episode.query.size, 10);
  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_EQ(episode.query.modalities[0].bytes[i], plan.query[i]);
}

TEST(schedule, every_slot_once_in_order_whatever_the_world) {
  for (std::int64_t total = 0; total < 30; ++total) {
    for (std::int64_t micro_batch = 1; micro_batch < 8; ++micro_batch) {
      const auto alone = micro_batches_of(total, micro_batch, 0, 1);
      for (const int size : {1, 2, 3, 4, 6, 40}) {
        std::vector<std::pair<std::int64_t, std::int64_t>> joined;
        std::size_t least = 1000, most = 0;
        for (int rank = 0; rank < size; ++rank) {
          const auto mine = micro_batches_of(total, micro_batch, rank, size);
          least = std::min(least, mine.size());
          most = std::max(most, mine.size());
          for (const MicroBatch& batch : mine) joined.emplace_back(batch.first_slot, batch.count);
        }
        EXPECT_LE(most - least, 1u);
        ASSERT_EQ(joined.size(), alone.size());
        std::int64_t next = 0;
        for (std::size_t i = 0; i < joined.size(); ++i) {
          EXPECT_EQ(joined[i], std::make_pair(alone[i].first_slot, alone[i].count));
          EXPECT_EQ(joined[i].first, next);
          EXPECT_TRUE(joined[i].second == micro_batch ||
                      (i + 1 == joined.size() && joined[i].second > 0));
          next += joined[i].second;
        }
        EXPECT_EQ(next, total);
      }
    }
  }
}

TEST(schedule, unequal_costs_are_balanced_and_nothing_is_lost) {
  Random random({1, Stream::kTesting, 0, 0});
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> costs(1 + random.below(40));
    for (double& cost : costs) cost = 1.0 + static_cast<double>(random.below(50));
    const std::int64_t micro_batch = 1 + static_cast<std::int64_t>(random.below(3));
    const auto total = static_cast<std::int64_t>(costs.size());
    const auto cost_of = [&](const MicroBatch& micro) {
      const auto first = costs.begin() + micro.first_slot;
      return std::accumulate(first, first + micro.count, 0.0);
    };
    const auto alone = micro_batches_of(total, micro_batch, 0, 1);
    double sum = 0, dearest = 0;
    for (const MicroBatch& micro : alone) {
      sum += cost_of(micro);
      dearest = std::max(dearest, cost_of(micro));
    }
    for (const int size : {1, 2, 3, 7}) {
      std::map<std::int64_t, std::int64_t> dealt;
      double most = 0;
      for (int rank = 0; rank < size; ++rank) {
        const auto mine = balanced_micro_batches(costs, micro_batch, rank, size);
        EXPECT_EQ(mine.empty(), static_cast<std::size_t>(rank) >= alone.size());
        double load = 0;
        for (std::size_t i = 0; i < mine.size(); ++i) {
          EXPECT_TRUE(i == 0 || mine[i].first_slot > mine[i - 1].first_slot);
          EXPECT_TRUE(dealt.emplace(mine[i].first_slot, mine[i].count).second);
          load += cost_of(mine[i]);
        }
        most = std::max(most, load);
      }
      EXPECT_EQ(dealt.size(), alone.size());
      for (const MicroBatch& micro : alone) EXPECT_EQ(dealt.at(micro.first_slot), micro.count);
      // What is known of the best schedule from below, and Graham's bound on how far one may be
      // off.
      EXPECT_LE(most, (4.0 / 3.0) * std::max(sum / size, dearest) + dearest / 3.0);
    }
  }
}

TEST(schedule, the_dearest_are_dealt_first) {
  const std::vector<double> costs{1, 1, 1, 1, 1, 5};
  const auto dear = balanced_micro_batches(costs, 1, 0, 2);
  ASSERT_EQ(dear.size(), 1u);
  EXPECT_EQ(dear[0].first_slot, 5);
  EXPECT_EQ(balanced_micro_batches(costs, 1, 1, 2).size(), 5u);
}

TEST(schedule, equal_costs_are_dealt_in_runs) {
  const std::vector<double> costs(11, 2.5);
  for (int rank = 0; rank < 3; ++rank) {
    const auto mine = balanced_micro_batches(costs, 2, rank, 3),
               runs = micro_batches_of(11, 2, rank, 3);
    ASSERT_EQ(mine.size(), runs.size());
    for (std::size_t i = 0; i < mine.size(); ++i) EXPECT_EQ(mine[i].first_slot, runs[i].first_slot);
  }
}

TEST(planner_size, is_that_of_the_plan) {
  FakeDataset data;
  data.add_classes(8, Split::kTrain, std::vector<std::int32_t>(12, 0));
  EpisodeOptions options;
  options.way_min = 2;
  options.shot = 4;
  options.shot_min = 1;
  options.query = 3;
  const EpisodePlanner planner(data, Split::kTrain, options);
  std::set<std::int64_t> sizes;
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    const RandomKey key{1, Stream::kTrain, 0, slot};
    const auto plan = planner.plan(key);
    const auto size = planner.size(key);
    EXPECT_EQ(size.way, static_cast<std::int64_t>(plan.classes.size()));
    EXPECT_EQ(size.support, static_cast<std::int64_t>(plan.support.size()));
    EXPECT_EQ(size.query, static_cast<std::int64_t>(plan.query.size()));
    EXPECT_EQ(size.support, size.way * size.shot);
    sizes.insert(size.support);
  }
  EXPECT_GT(sizes.size(), 5u);
}

}  // namespace
}  // namespace cuttle
