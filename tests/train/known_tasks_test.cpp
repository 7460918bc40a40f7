// Training tasks as points: distances in their own units, what is usual, and the same bits on any
// number of ranks.
#include "cuttle/train/known_tasks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;

torch::Tensor row(const std::vector<double>& values) {
  return torch::tensor(values, torch::kFloat64);
}

constexpr double kFar = std::numeric_limits<double>::infinity();

/// At 0, 2 and 4 of block a, the last two also at 0 and 10 of b: mean squared distances 8 and 100.
std::vector<TaskPoint> three() {
  return {{{"a", row({0, 1})}},
          {{"a", row({2, 1})}, {"b", row({0})}},
          {{"a", row({4, 1})}, {"b", row({10})}}};
}

TEST(KnownTasksTest, DistancesAreInUnitsOfTheTasksOwn) {
  const KnownTasks known(TaskView::kStatistics, three(), {});
  EXPECT_THAT(known.distances({{"a", row({0, 1})}}),
              ElementsAre(0, DoubleEq(std::sqrt(4 / 8.0)), DoubleEq(std::sqrt(16 / 8.0))));
  // Two blocks count half each; the first task has but one.
  EXPECT_THAT(known.distances({{"a", row({0, 1})}, {"b", row({10})}}),
              ElementsAre(0, DoubleEq(std::sqrt((4 / 8.0 + 1) / 2)), DoubleEq(1)));
  EXPECT_THAT(known.distances({{"b", row({0})}}), ElementsAre(kFar, 0, DoubleEq(1)));
  EXPECT_THAT(known.distances({{"b", row({std::nan("")})}}), ElementsAre(kFar, kFar, kFar));
  EXPECT_THAT(known.distances({{"c", row({0})}}), ElementsAre(kFar, kFar, kFar));
  EXPECT_THROW(known.distances({{"a", row({0})}}), UserError);
}

// Two of the three have block b.
TEST(KnownTasksTest, ATaskThatLacksWhatMostHaveIsNotCompared) {
  const KnownTasks known(TaskView::kStatistics, three(), {});
  EXPECT_TRUE(known.comparable({{"a", row({0, 1})}, {"b", row({10})}}));
  EXPECT_FALSE(known.comparable({{"a", row({0, 1})}}));
  auto few = three();
  few[1].erase("b");
  EXPECT_TRUE(KnownTasks(TaskView::kStatistics, few, {}).comparable({{"a", row({0, 1})}}));
}

TEST(KnownTasksTest, PlaceIsTheNearestTasksAndTheShareOfHeldOutOnesThatAreNearer) {
  const KnownTasks known(TaskView::kStatistics, three(),
                         {{{"a", row({4, 1})}}, {{"a", row({-4, 1})}}, {{"a", row({5, 1})}}});
  EXPECT_THAT(known.held_out(), ElementsAre(0, std::sqrt(1 / 8.0f), std::sqrt(16 / 8.0f)));
  const auto place = known.place({{"a", row({6, 1})}}, 2);
  ASSERT_EQ(place.nearest.size(), 2u);
  EXPECT_EQ(place.nearest[0].task, 2);
  EXPECT_DOUBLE_EQ(place.nearest[0].distance, std::sqrt(4 / 8.0));
  EXPECT_EQ(place.nearest[1].task, 1);
  EXPECT_DOUBLE_EQ(place.farther_than, 2 / 3.0);
  EXPECT_EQ(known.place({{"a", row({4, 1})}}, 9).farther_than, 0);  // as far as is not farther
  EXPECT_EQ(known.place({{"a", row({90, 1})}}, 9).nearest.size(), 3u);
  EXPECT_TRUE(std::isnan(
      KnownTasks(TaskView::kStatistics, three(), {}).place({{"a", row({4, 1})}}, 1).farther_than));
}

TEST(KnownTasksTest, ComesBackFromItsState) {
  const KnownTasks known(TaskView::kStatistics, three(), {{{"a", row({5, 1})}}});
  const KnownTasks again(TaskView::kStatistics, known.state());
  const TaskPoint point{{"a", row({1, 3})}, {"b", row({7})}};
  EXPECT_EQ(again.distances(point), known.distances(point));
  EXPECT_EQ(again.held_out(), known.held_out());
  auto state = known.state();
  state.erase("a.has");
  EXPECT_THROW(KnownTasks(TaskView::kStatistics, state), UserError);
  EXPECT_THROW(KnownTasks(TaskView::kStatistics, {{"held_out", row({})}}), UserError);
}

class Mapping : public TinyShardsTest {};

TEST_F(Mapping, GivesTheSameBitsOnAnyNumberOfRanks) {
  const TinyModel model(shards_->path(), "protonet");
  EvaluationPlan plan = tiny_plan();
  plan.split = Split::kTrain;
  const auto source =
      model.run_data->source(model.parts, {plan.split, plan.episode, 0.0, true}, nullptr);
  for (const TaskView view : {TaskView::kStatistics, TaskView::kFisher}) {
    const auto on = [&](int ranks) {
      return on_ranks(ranks, [&](Communicator& comm) {
        const auto mapped =
            map_tasks(comm, view, *source, *model.parts.model, *model.parameters, plan);
        EXPECT_EQ(mapped.points.size(), 7u);
        std::string text;
        for (std::size_t t = 0; t < mapped.points.size(); ++t) {
          EXPECT_EQ(mapped.classes[t], model.episode(plan, static_cast<std::int64_t>(t)).classes);
          for (const auto& [name, values] : mapped.points[t])
            for (std::int64_t i = 0; i < values.numel(); ++i)
              text += fmt::format("{} {:a}\n", name, values[i].item<double>());
        }
        return text;
      });
    };
    const auto alone = on(1)[0];
    EXPECT_GT(alone.size(), 100u);
    for (const int ranks : {2, 3, 9})
      for (const auto& text : on(ranks)) EXPECT_EQ(text, alone) << ranks;
  }
}

}  // namespace
}  // namespace cuttle
