#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "cuttle/episode/episode.hpp"
#include "cuttle/episode/schedule.hpp"
#include "episode/fake_dataset.hpp"

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

}  // namespace
}  // namespace cuttle
