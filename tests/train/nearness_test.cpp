// How near classes are to a task, by numbers that were worked out by hand; the points of classes.
#include "cuttle/train/nearness.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>
#include <set>

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

class ClassByClassTest : public TinyShardsTest {};

TEST_F(ClassByClassTest, ATaskHasSamplesOfItsClassAndNoOther) {
  const TinyModel tiny(shards_->path(), "protonet");
  const auto& classes = tiny.data->classes_of(Split::kTrain);
  const auto source = class_by_class(*tiny.data, Split::kTrain, *tiny.parts.model, 2, 3, false);
  const auto key = [](std::uint32_t slot) { return RandomKey{1, Stream::kTrain, 0, slot}; };
  for (std::uint32_t slot = 0; slot < 3 * classes.size(); ++slot) {
    const Task task = source->make(key(slot));
    ASSERT_EQ(task.classes, std::vector<std::int32_t>{classes[slot / 3]});
    EXPECT_EQ(task.support.size, 2);
    EXPECT_EQ(task.support.way, 1);
    EXPECT_TRUE(task.support.labels.eq(0).all().item<bool>());
    EXPECT_EQ(source->size(key(slot)).support, 2);
  }
  EXPECT_THROW(source->make(key(static_cast<std::uint32_t>(3 * classes.size()))), Error);
  const auto all = class_by_class(*tiny.data, Split::kTrain, *tiny.parts.model, 1000, 1, false);
  EXPECT_EQ(all->make(key(0)).support.size,
            static_cast<std::int64_t>(tiny.data->samples_of(classes[0]).size()));
}

}  // namespace
}  // namespace cuttle
