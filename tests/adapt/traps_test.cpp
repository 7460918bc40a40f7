// What goes wrong in silence in re-implementations, asked of every learner of the registry: a new
// one is in these tests without a word. A learner that is left out of one stands here with why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <map>

#include "adapt/proofs.hpp"
#include "support/every_learner.hpp"

namespace cuttle {
namespace {

/// By learner, why a test is not for it.
using Exceptions = std::map<std::string, std::string>;

class Traps : public testing::TestWithParam<std::string> {
 protected:
  Traps() : demands(demands_of(GetParam())) {}

  static Demands demands_of(const std::string& name) {
    return builtin_learners().at(name).demands(Section(name));
  }
  /// Whether the rows of classes are parameters, so that a model has as many as it was trained
  /// with.
  bool has_class_rows() const { return demands.head || demands.class_rows; }
  static bool left_out(const Exceptions& exceptions) { return exceptions.count(GetParam()) > 0; }

  Demands demands;
  std::unique_ptr<const Learner> learner = learner_of(GetParam(), 3, "concat", "none");
  ParameterList parameters = start(*learner, 0.1);
  Task task = tiny_task(learner->model(), 1, torch::kFloat64);
};

torch::Tensor answers(const Learner& learner, const ParameterList& parameters, const Batch& support,
                      const Task& task) {
  return learner.adapt(parameters, support, task.key)->predict(task.query);
}

/// The support with other labels, of as many classes.
Batch relabelled(Batch support, const std::vector<std::int64_t>& labels, std::int64_t way) {
  support.labels = torch::tensor(labels, torch::kInt64);
  support.way = way;
  support.even = false;
  return support;
}

TEST_P(Traps, TheGradientIsThatOfTheLossInUse) {
  if (!demands.learns) GTEST_SKIP() << "it learns nothing";
  if (left_out({{"fomaml", "first order by definition"},
                {"leo", "it draws codes, and penalties stand beside its loss (leo_test)"},
                {"mann", "it is asked for every sample of its sequence (memory_test)"},
                {"maml_pp", "its loss is of every step at first (maml_pp_test)"},
                {"reptile", "its direction is no gradient"},
                {"siamese", "it descends a loss of pairs"},
                {"imaml", "its gradient is of the loop's end, which three steps do not reach"},
                {"lstm", "its inputs count as constants (Ravi and Larochelle, section 3.3)"},
                {"meta_networks", "gradients are its inputs, and count as constants"}}))
    GTEST_SKIP();
  expect_differences(*learner, parameters, task);
}

TEST_P(Traps, EveryLearnedNumberMoves) {
  const auto layout = learner->model().layout();
  torch::Tensor moved = torch::zeros({layout->flat_size()}, torch::kFloat64);
  for (std::uint32_t slot = 1; slot <= 3; ++slot)
    moved += learner->meta_gradient(parameters, tiny_task(learner->model(), slot, torch::kFloat64))
                 .gradient.abs();
  const auto by_entry = layout->views(moved);
  for (std::int64_t i = 0; i < layout->count(); ++i)
    EXPECT_EQ(largest(by_entry[static_cast<std::size_t>(i)]) > 0.0, demands.learns)
        << layout->spec(i).name;
}

TEST_P(Traps, NothingIsLeftOfAnotherTask) {
  const auto first = answers(*learner, parameters, task.support, task);
  const Task other = tiny_task(learner->model(), 2, torch::kFloat64);
  learner->meta_gradient(parameters, other);
  answers(*learner, parameters, other.support, other);
  EXPECT_TRUE(torch::equal(answers(*learner, parameters, task.support, task), first));
}

TEST_P(Traps, TheInnerRateIsOnTheMeanLoss) {
  if (demands.inner_lr == 0) GTEST_SKIP() << "no inner rate";
  const auto once = answers(*learner, parameters, task.support, task);
  const auto twice = concatenate(task.support, task.support);
  EXPECT_LT(largest(answers(*learner, parameters, twice, task) - once), 1e-9);
}

TEST_P(Traps, UseTakesTheStepsOfTraining) {
  if (learner->eval_steps() == 0) GTEST_SKIP() << "no steps";
  if (left_out({{"leo", "it has steps of two kinds, and draws in training alone (leo_test)"}}))
    GTEST_SKIP();
  EXPECT_EQ(learner->eval_steps(), 3);
  if (left_out({{"reptile", "its loss is of support and query together"}})) return;
  EXPECT_NEAR(learner->meta_gradient(parameters, task).values[0],
              adapted_loss(*learner, parameters, task), 1e-12);
}

TEST_P(Traps, LabelsAreNamesOnly) {
  if (has_class_rows()) GTEST_SKIP() << "rows of classes are parameters";
  const auto before = answers(*learner, parameters, task.support, task);
  const auto after =
      answers(*learner, parameters, relabelled(task.support, {2, 2, 0, 0, 1, 1}, 3), task);
  const auto places = torch::tensor(std::vector<std::int64_t>{2, 0, 1});
  EXPECT_LT(largest(after.index_select(1, places) - before), 1e-9);
}

TEST_P(Traps, UnevenSupportsAreLearnedFrom) {
  Task uneven = task;
  uneven.support = relabelled(task.support, {0, 0, 0, 0, 1, 2}, 3);
  const auto result = learner->meta_gradient(parameters, uneven);
  EXPECT_TRUE(result.gradient.isfinite().all().item<bool>());
  EXPECT_EQ(largest(result.gradient) > 0.0, demands.learns);
  const auto outputs = answers(*learner, parameters, uneven.support, task);
  EXPECT_TRUE(outputs.isfinite().all().item<bool>());
  EXPECT_GT(largest(outputs - answers(*learner, parameters, task.support, task)), 1e-6);
}

TEST_P(Traps, ASupportOfOneClassIsAnswered) {
  const auto one = relabelled(task.support, std::vector<std::int64_t>(6, 0), 1);
  const auto outputs = answers(*learner, parameters, one, task);
  EXPECT_EQ(outputs.sizes(), torch::IntArrayRef({9, demands.head ? 3 : 1}));
  EXPECT_TRUE(outputs.isfinite().all().item<bool>());
}

TEST_P(Traps, OtherWaysThanInTrainingWhereNoRowsAreOfClasses) {
  if (has_class_rows()) GTEST_SKIP() << "refused where a run is put together";
  const auto six = relabelled(task.support, {0, 1, 2, 3, 4, 5}, 6);
  const auto outputs = answers(*learner, parameters, six, task);
  EXPECT_EQ(outputs.sizes(), torch::IntArrayRef({9, 6}));
  EXPECT_TRUE(outputs.isfinite().all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Learners, Traps, testing::ValuesIn(learners_for({TaskForm::kEpisode})),
                         learner_name);

}  // namespace
}  // namespace cuttle
