// How near classes are to a task, by numbers that were worked out by hand; the points of classes.
#include "cuttle/train/known_tasks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

TaskPoint at(double x) {
  return {{"a", torch::tensor({x}, torch::kFloat64)}};
}

/// Two classes of two points each: 0 and 1, 3 and 4. Their mean squared distance, over the twelve
/// pairs of different points, is (4 * 1 + 2 * 16 + 4 * 9 + 2 * 4) / 12.
KnownTasks two_classes() {
  return KnownTasks(TaskView::kStatistics, {at(0), at(1), at(3), at(4)}, {});
}
constexpr double kUnit = (4 * 1 + 2 * 16 + 4 * 9 + 2 * 4) / 12.0;

TEST(NearnessTest, EveryClassOfTheTaskHasOneVote) {
  const double temperature = 0.5;
  const auto kernel = [&](double d) { return std::exp(-d * d / kUnit / temperature); };
  const auto share = [&](double x) {  // of the first class
    const double first = kernel(x) + kernel(x - 1), second = kernel(x - 3) + kernel(x - 4);
    return first / (first + second);
  };
  const auto near = nearness_to_task(two_classes(), 2, {at(1), at(3.5), at(2.5)}, temperature, 0.1);
  const double first = 0.9 * (share(1) + share(3.5) + share(2.5)) / 3 + 0.1 / 2;
  EXPECT_THAT(near.weights,
              ElementsAre(DoubleNear(2 * first, 1e-12), DoubleNear(2 - 2 * first, 1e-12)));
  EXPECT_THAT(near.distances,
              ElementsAre(DoubleNear(0, 1e-12), DoubleNear(0.5 / std::sqrt(kUnit), 1e-12)));
}

TEST(NearnessTest, WhatNothingIsKnownOfIsForAllAlike) {
  const TaskPoint blind{{"b", torch::zeros({1}, torch::kFloat64)}};
  const auto near = nearness_to_task(two_classes(), 2, {blind}, 0.1, 0.1);
  EXPECT_THAT(near.weights, ElementsAre(DoubleNear(1, 1e-12), DoubleNear(1, 1e-12)));
  EXPECT_TRUE(std::isinf(near.distances[0]));
  const auto both = nearness_to_task(two_classes(), 2, {blind, at(-9)}, 1e-3, 0.2);
  EXPECT_THAT(both.weights,
              ElementsAre(DoubleNear(0.8 * 1.5 + 0.2, 1e-9), DoubleNear(0.8 * 0.5 + 0.2, 1e-9)));
}

class SetBySetTest : public TinyShardsTest {};

TEST_F(SetBySetTest, ATaskHasSamplesOfItsSetAndNoOther) {
  const TinyModel tiny(shards_->path(), "protonet");
  const auto sets = sets_of_classes(*tiny.data, Split::kTrain);
  const auto& classes = tiny.data->classes_of(Split::kTrain);
  ASSERT_EQ(sets.size(), classes.size());
  const auto source = set_by_set(*tiny.data, sets, *tiny.parts.model, 2, 3, false);
  const auto key = [](std::uint32_t slot) { return RandomKey{1, Stream::kTrain, 0, slot}; };
  for (std::uint32_t slot = 0; slot < 3 * sets.size(); ++slot) {
    std::vector<std::int64_t> of_set;
    for (const std::int64_t i :
         Random(key(slot)).sample(static_cast<std::int64_t>(sets[slot / 3].size()), 2)) {
      of_set.push_back(sets[slot / 3][static_cast<std::size_t>(i)]);
      EXPECT_EQ(tiny.data->samples()[static_cast<std::size_t>(of_set.back())].class_id,
                classes[slot / 3]);
    }
    const Batch support = source->make(key(slot)).support;
    const Batch expected = tiny.parts.model->prepare(read_batch(*tiny.data, of_set), 1);
    ASSERT_EQ(support.size, 2);
    EXPECT_EQ(support.way, 1);
    EXPECT_TRUE(support.labels.eq(0).all().item<bool>());
    for (std::size_t m = 0; m < expected.modalities.size(); ++m)
      EXPECT_TRUE(torch::equal(support.modalities[m].values, expected.modalities[m].values));
    EXPECT_EQ(source->size(key(slot)).support, 2);
  }
  const auto all = set_by_set(*tiny.data, sets, *tiny.parts.model, 1000, 1, false);
  EXPECT_EQ(all->make(key(0)).support.size, static_cast<std::int64_t>(sets[0].size()));
}

}  // namespace
}  // namespace cuttle
