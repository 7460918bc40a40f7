#include "cuttle/task/prefetch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "cuttle/task/episode.hpp"

#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"
#include "task/fake_dataset.hpp"

namespace cuttle {
namespace {

EpisodeOptions small_options() {
  EpisodeOptions options;
  options.way = 3;
  options.query = 2;
  return options;
}

using Sequence = std::function<std::vector<RandomKey>(std::int64_t)>;

/// Reads the episodes of a sequence of micro-batches.
Prefetcher<Episode>::Make reader(const Dataset& data, const EpisodePlanner& planner,
                                 Sequence sequence) {
  return [&data, &planner, sequence = std::move(sequence)](std::int64_t i) {
    std::vector<Episode> episodes;
    for (const RandomKey& key : sequence(i))
      episodes.push_back(materialise(data, planner.plan(key)));
    return episodes;
  };
}

/// `count` micro-batches of two tasks.
Sequence sequence_of(std::int64_t count) {
  return [count](std::int64_t i) {
    std::vector<RandomKey> keys;
    for (std::uint32_t slot = 0; i < count && slot < 2; ++slot) {
      keys.push_back({9, Stream::kTrain, static_cast<std::uint64_t>(i), slot});
    }
    return keys;
  };
}

void expect_same(const RawBatch& a, const RawBatch& b) {
  EXPECT_EQ(a.size, b.size);
  EXPECT_EQ(a.labels, b.labels);
  ASSERT_EQ(a.modalities.size(), b.modalities.size());
  for (std::size_t m = 0; m < a.modalities.size(); ++m) {
    EXPECT_EQ(a.modalities[m].bytes, b.modalities[m].bytes);
    EXPECT_EQ(a.modalities[m].offsets, b.modalities[m].offsets);
    EXPECT_EQ(a.modalities[m].present, b.modalities[m].present);
  }
}

TEST(prefetch, gives_what_direct_reading_gives_at_any_depth) {
  const TempFolder folder;
  SyntheticOptions synthetic;
  synthetic.missing_rate = 0.2;
  DataOptions options;
  options.shards = write_synthetic_shards(folder.path(), synthetic);
  const auto data = Dataset::open(options);
  const EpisodePlanner planner(*data, Split::kTrain, small_options());
  for (const int depth : {0, 1, 2, 7}) {
    Prefetcher<Episode> prefetcher(reader(*data, planner, sequence_of(10)), depth);
    for (std::int64_t i = 0; i < 10; ++i) {
      const std::vector<Episode> episodes = prefetcher.next();
      ASSERT_EQ(episodes.size(), 2u);
      for (const Episode& episode : episodes) {
        const Episode direct = materialise(*data, planner.plan(episode.key));
        EXPECT_EQ(episode.key.step, static_cast<std::uint64_t>(i));
        EXPECT_EQ(episode.classes, direct.classes);
        expect_same(episode.support, direct.support);
        expect_same(episode.query, direct.query);
      }
    }
    EXPECT_TRUE(prefetcher.next().empty());
    EXPECT_TRUE(prefetcher.next().empty());  // and again
    EXPECT_GT(prefetcher.seconds_waited(), 0.0);
  }
}

TEST(prefetch, stays_within_its_depth) {
  FakeDataset data;
  data.add_classes(5, Split::kTrain, {0, 0, 0});
  const EpisodePlanner planner(data, Split::kTrain, small_options());
  std::atomic<std::int64_t> asked{0};
  const auto counting = [&](std::int64_t i) {
    asked = i + 1;
    return sequence_of(1000)(i);
  };
  Prefetcher<Episode> prefetcher(reader(data, planner, counting), 3);
  const auto settles_at = [&](std::int64_t count) {
    for (int wait = 0; wait < 200 && asked < count; ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return asked == count;
  };
  EXPECT_TRUE(settles_at(3));
  prefetcher.next();
  prefetcher.next();
  EXPECT_TRUE(settles_at(5));
}

TEST(prefetch, carries_an_error_over_after_what_came_before_it) {
  FakeDataset data;
  data.add_classes(5, Split::kTrain, {0, 0, 0});
  const EpisodePlanner planner(data, Split::kTrain, small_options());
  for (const int depth : {0, 2}) {
    const auto failing = [](std::int64_t i) {
      CUTTLE_REQUIRE(i < 3, "no keys for {}", i);
      return sequence_of(1000)(i);
    };
    Prefetcher<Episode> prefetcher(reader(data, planner, failing), depth);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(prefetcher.next().size(), 2u);
    for (int again = 0; again < 2; ++again) {
      try {
        prefetcher.next();
        ADD_FAILURE();
      } catch (const Error& problem) {
        EXPECT_STREQ(problem.what(), "no keys for 3");
      }
    }
  }
  data.spoil(1);
  Prefetcher<Episode> prefetcher(reader(data, planner, sequence_of(1000)), 4);
  EXPECT_THROW(
      {
        while (!prefetcher.next().empty()) continue;
      },
      Error);
}

TEST(prefetch, ends_at_once_whatever_it_is_doing) {
  FakeDataset data;
  data.add_classes(5, Split::kTrain, {0, 0, 0});
  const EpisodePlanner planner(data, Split::kTrain, small_options());
  for (int i = 0; i < 50; ++i) {
    Prefetcher<Episode> prefetcher(reader(data, planner, sequence_of(i % 5)), 1 + i % 3);
    for (int taken = 0; taken < i % 4; ++taken) prefetcher.next();
  }
  EXPECT_THROW(Prefetcher<Episode>(reader(data, planner, sequence_of(1)), -1), UserError);
}

}  // namespace
}  // namespace cuttle
