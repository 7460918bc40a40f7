// Tasks side by side: the same bits, in the tasks' order, and one task's failure reaches the
// caller. The streams of a CPU do nothing; the threads are real.
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <atomic>

#include "cuttle/core/error.hpp"
#include "step/meta_gradients.hpp"
#include "support/every_learner.hpp"
#include "support/scripted_learner.hpp"
#include "support/tiny_task.hpp"

namespace cuttle {
namespace {

std::vector<Task> tasks_of(const Learner& learner, std::uint32_t count) {
  std::vector<Task> tasks;
  for (std::uint32_t slot = 0; slot < count; ++slot)
    tasks.push_back(tiny_task(learner.model(), slot, torch::kFloat32));
  return tasks;
}

class OnStreams : public testing::TestWithParam<std::string> {};

TEST_P(OnStreams, EveryTaskIsComputedAsIfAlone) {
  torch::set_num_threads(1);
  TinySettings settings;
  settings.algorithm = GetParam();
  const auto learner = tiny_learner(settings);
  const auto parameters = ParameterList::initial(learner->model().layout(), 3);
  const auto tasks = tasks_of(*learner, 5);
  std::vector<TaskResult> alone;
  for_each_meta_gradient(*learner, parameters, tasks,
                         [&](const Task& task, const TaskResult& result) {
                           EXPECT_EQ(task.key.slot, alone.size());
                           alone.push_back(result);
                         });
  for (const std::size_t streams : {1, 3, 8}) {
    const auto results = meta_gradients_on_streams(*learner, parameters, tasks, streams);
    ASSERT_EQ(results.size(), tasks.size());
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      EXPECT_TRUE(torch::equal(results[i].gradient, alone[i].gradient)) << streams << " " << i;
      EXPECT_EQ(results[i].values, alone[i].values);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Algorithms, OnStreams,
                         testing::ValuesIn(learners_for({TaskForm::kEpisode})), learner_name);

TEST(OnStreams, AFailureIsThrownWhenAllHaveEnded) {
  const std::shared_ptr<const Learner> sound = tiny_learner({});
  const auto parameters = ParameterList::initial(sound->model().layout(), 3);
  std::atomic<int> ended{0};
  const auto script = [&](const ParameterList& at, const Task& task) {
    if (task.key.slot == 1) throw Error("no such task");
    auto result = sound->meta_gradient(at, task);
    ++ended;
    return result;
  };
  const auto learner = ScriptedLearner::instead_of(sound, {script, nullptr, nullptr});
  EXPECT_THROW(meta_gradients_on_streams(*learner, parameters, tasks_of(*learner, 4), 4), Error);
  EXPECT_EQ(ended, 3);
}

TEST(OnStreams, NoTaskIsNoWork) {
  const auto learner = tiny_learner({});
  const auto parameters = ParameterList::initial(learner->model().layout(), 3);
  EXPECT_TRUE(meta_gradients_on_streams(*learner, parameters, {}, 4).empty());
}

}  // namespace
}  // namespace cuttle
