// On hardware: meta-gradients there against those of the CPU, and the same bits twice. Skipped,
// visibly, where there is no GPU.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "step/meta_gradients.hpp"
#include "support/every_learner.hpp"
#include "support/tiny_task.hpp"
#include "train/gpu.hpp"

namespace cuttle {
namespace {

class Gpu : public testing::TestWithParam<std::string> {};

TEST_P(Gpu, ComputesWhatTheCpuDoes) {
  try {
    use_gpu(0);
  } catch (const UserError& obstacle) {
    GTEST_SKIP() << obstacle.what();
  }
  TinySettings settings;
  settings.algorithm = GetParam();
  const auto here = tiny_learner(settings);
  settings.device = "cuda";
  const auto there = tiny_learner(settings);
  const auto parameters = ParameterList::initial(here->model().layout(), 3);
  std::vector<Task> tasks, tasks_there;
  for (std::uint32_t slot = 0; slot < 6; ++slot) {
    tasks.push_back(tiny_task(here->model(), slot, torch::kFloat32));
    tasks_there.push_back(tasks.back().on(torch::kCUDA));
  }
  const auto parameters_there = parameters.on(torch::kCUDA);
  const auto once = meta_gradients_on_streams(*there, parameters_there, tasks_there, 4);
  const auto twice = meta_gradients_on_streams(*there, parameters_there, tasks_there, 2);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const auto expected = here->meta_gradient(parameters, tasks[i]);
    const double error = (once[i].gradient - expected.gradient).norm().item<double>();
    EXPECT_LT(error, 1e-3 * expected.gradient.norm().item<double>());
    EXPECT_NEAR(once[i].values[0], expected.values[0], 1e-4);
    EXPECT_TRUE(torch::equal(once[i].gradient, twice[i].gradient));
  }
}

INSTANTIATE_TEST_SUITE_P(Algorithms, Gpu, testing::ValuesIn(learners_for({TaskForm::kEpisode})),
                         learner_name);

}  // namespace
}  // namespace cuttle
