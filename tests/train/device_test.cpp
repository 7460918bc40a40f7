// The way of a GPU, on a device that stands in for one: whatever is computed there is what the CPU
// computes, but for rounding (which of its operations LibTorch takes depends on the device).
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "cuttle/step/meta_step.hpp"
#include "cuttle/train/evaluator.hpp"
#include "cuttle/train/run_data.hpp"
#include "step/meta_gradients.hpp"
#include "support/device_standin.hpp"
#include "support/every_learner.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_task.hpp"
#include "train/tiny_run.hpp"

namespace cuttle {
namespace {

void expect_near(const torch::Tensor& value, const torch::Tensor& expected) {
  EXPECT_LE((value - expected).norm().item<double>(), 1e-5 * expected.norm().item<double>());
}

TEST(Standin, RefusesWhatAGpuRefuses) {
  const auto there = torch::ones({3}).to(standin_device());
  EXPECT_EQ((there + there).to(torch::kCPU).sum().item<float>(), 6.0f);
  EXPECT_EQ((2 * there.narrow(0, 1, 2)).sum().item<float>(), 4.0f);
  EXPECT_ANY_THROW(there + torch::ones({3}));
  EXPECT_ANY_THROW(torch::stack({there, torch::ones({3})}));
  EXPECT_DEATH(static_cast<void>(*static_cast<volatile float*>(there.data_ptr())), "");
}

TEST(Standin, ModelsHaveNoOwnKernelsThere) {
  TinySettings settings;
  settings.device = standin_device().str();
  EXPECT_EQ(tiny_learner(settings)->model().fused_blocks(),
            "image 0 of 3, text 0 of 4 (standin:0)");
}

TEST(Standin, BatchesOnTheCpuAreLeftAsTheyAre) {
  const auto learner = tiny_learner({});
  const Task task = tiny_task(learner->model(), 1, torch::kFloat32), same = task.on(torch::kCPU);
  EXPECT_EQ(same.support.modalities[0].values.data_ptr(),
            task.support.modalities[0].values.data_ptr());
}

struct Case {
  std::string algorithm, fusion;
};

std::ostream& operator<<(std::ostream& out, const Case& made) {
  return out << made.algorithm << "_" << made.fusion;
}

class There : public testing::TestWithParam<Case> {};

TEST_P(There, TasksAreComputedSideBySide) {
  torch::set_num_threads(1);
  TinySettings settings;
  settings.algorithm = GetParam().algorithm;
  settings.fusion = GetParam().fusion;
  settings.fused = false;
  const auto here = tiny_learner(settings);
  settings.device = standin_device().str();
  const auto there = tiny_learner(settings);
  const auto parameters = ParameterList::initial(here->model().layout(), 3);
  std::vector<Task> tasks;
  for (std::uint32_t slot = 0; slot < 5; ++slot)
    tasks.push_back(tiny_task(here->model(), slot, torch::kFloat32).on(standin_device()));
  std::uint32_t slot = 0;
  for_each_meta_gradient(
      *there, parameters.on(standin_device()), tasks, [&](const Task&, const TaskResult& result) {
        const auto expected =
            here->meta_gradient(parameters, tiny_task(here->model(), slot, torch::kFloat32));
        expect_near(result.gradient, expected.gradient);
        ASSERT_EQ(result.values.size(), 2u);  // loss, accuracy
        EXPECT_NEAR(result.values[0], expected.values[0], 5e-6);
        EXPECT_EQ(result.values[1], expected.values[1]);
        ++slot;
      });
  EXPECT_EQ(slot, 5u);
}

/// Every learner of episodes, with one fusion and with several parts.
std::vector<Case> cases() {
  std::vector<Case> all{{"fomaml", "gated"}};
  for (const auto& name : learners_for({TaskForm::kEpisode}))
    for (const char* fusion : {"concat", "late"}) all.push_back({name, fusion});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Algorithms, There, testing::ValuesIn(cases()));

/// Two outer steps and an evaluation, with a frozen transformer for the texts.
struct Outcome {
  torch::Tensor parameters;
  std::vector<float> scores;
};

Outcome outcome_on(const std::string& folder, const std::string& device) {
  RunConfig config = tiny_config(folder, "maml");
  config.device = device;
  config.model.encoders["image"] = tiny_encoder({{"fused", "false"}});
  config.model.encoders["text"] = {Section("transformer", {{"width", "8"}, {"depth", "2"}}),
                                   "another run"};
  config.evaluation.episodes = 4;
  config.step.optimizer = "sgd";  // Adam would make much of a gradient that is only rounding
  const Extensions extensions;
  const auto data = RunData::open(config, extensions);
  const auto parts = assemble(config, data->inputs(), extensions);
  const auto comm = make_solo_communicator();
  const OuterOptimizer optimizer(config.step, config.train.steps, extensions.optimizers);
  TrainState state = optimizer.start(ParameterList::initial(parts.model->layout(), config.seed));
  MetaReducer reducer(*comm, static_cast<std::size_t>(parts.model->layout()->reduced_size()),
                      config.reduce);
  auto kept = data->keep(*parts.model, state.parameters, true);
  const auto training = data->source(parts, {Split::kTrain, config.episode, 0.3, false}, &kept);
  TaskStream tasks(
      *training, [&](const EpisodeSize& size) { return parts.learner->cost(size); }, config.episode,
      1, {config.seed, 0, 0, 1}, parts.model->device());
  for (int i = 0; i < 2; ++i) meta_step(state, *parts.learner, tasks, reducer, optimizer, 0);
  const auto plan = evaluation_plan(config, Split::kTest, 0);
  const auto test = data->source(parts, {plan.split, plan.episode, 0.0, true}, &kept);
  const auto report = evaluate(*comm, *test, data->alone(plan.split)->classes_of(plan.split),
                               *parts.learner, state.parameters, plan);
  return {state.parameters.flat(), report.episode_scores};
}

TEST(There, StepsAndEvaluationAreThoseOfTheCpu) {
  torch::set_num_threads(1);
  const TempFolder folder;
  write_tiny_shards(folder.path());
  const auto here = outcome_on(folder.path(), "cpu");
  const auto there = outcome_on(folder.path(), standin_device().str());
  expect_near(there.parameters, here.parameters);
  EXPECT_EQ(there.scores, here.scores);
}

}  // namespace
}  // namespace cuttle
