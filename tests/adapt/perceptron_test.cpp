// Models that are perceptrons: the engine of whole tasks against LibTorch's graph, with classes and
// with values to predict, in both precisions; and what every learner does with values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "cuttle/core/error.hpp"
#include "cuttle/train/workbench.hpp"

namespace cuttle {
namespace {

struct Settings {
  std::string algorithm = "maml", target = "class";
  std::int64_t inner_steps = 3, width = 40, depth = 2, inputs = 1, outputs = 1;
  bool fused = true;
};

Workbench bench_of(const Settings& settings) {
  RunConfig config;
  config.adapt.algorithm = settings.algorithm;
  config.adapt.inner_steps = settings.inner_steps;
  config.adapt.inner_lr = 0.05;
  config.episode.target = settings.target;
  config.episode.way = settings.target == "class" ? settings.outputs : 1;
  EncoderOptions encoder;
  encoder.width = settings.width;
  encoder.depth = settings.depth;
  encoder.fused = settings.fused;
  config.model.encoders["x"] = encoder;
  ModalitySpec spec;
  spec.name = "x";
  spec.shape = {settings.inputs};
  return make_workbench(config, {spec}, settings.outputs, {});
}

Batch random_batch(const Settings& settings, std::int64_t size, torch::Dtype dtype) {
  Batch batch;
  batch.size = size;
  batch.way = settings.outputs;
  ModalityInput input;
  input.values = torch::randn({size, settings.inputs}, torch::kFloat64);
  input.rows = torch::arange(size, torch::kInt64);
  batch.modalities = {input};
  batch.labels = torch::arange(size, torch::kInt64).remainder(settings.outputs);
  if (settings.target == "value")
    batch.targets = torch::randn({size, settings.outputs}, torch::kFloat64);
  return batch.to(dtype);
}

Task random_task(const Settings& settings, torch::Dtype dtype, std::uint64_t seed = 3) {
  torch::manual_seed(seed);
  Task task;
  task.support = random_batch(settings, 10, dtype);
  task.query = random_batch(settings, 13, dtype);
  return task;
}

ParameterList start(const Workbench& bench, torch::Dtype dtype) {
  return ParameterList::initial(bench.model->layout(), 5, dtype);
}

double relative_error(const torch::Tensor& value, const torch::Tensor& reference) {
  return ((value - reference).norm() / reference.norm()).item<double>();
}

class PerceptronTask : public testing::TestWithParam<Settings> {
 protected:
  PerceptronTask() { torch::set_num_threads(1); }
};

TEST_P(PerceptronTask, IsTheGraphsGradient) {
  auto settings = GetParam();
  const auto own = bench_of(settings);
  settings.fused = false;
  const auto graph = bench_of(settings);
  EXPECT_FALSE(own.model->perceptron().empty());
  EXPECT_TRUE(graph.model->perceptron().empty());
  for (const auto& [dtype, tolerance] :
       {std::pair(torch::kFloat64, 1e-12), {torch::kFloat32, 2e-5}}) {
    const Task task = random_task(settings, dtype);
    const auto ours = own.learner->meta_gradient(start(own, dtype), task);
    const auto theirs = graph.learner->meta_gradient(start(graph, dtype), task);
    EXPECT_LT(relative_error(ours.gradient, theirs.gradient), tolerance);
    EXPECT_NEAR(ours.query_loss, theirs.query_loss, tolerance * (1 + theirs.query_loss));
    EXPECT_EQ(ours.query_accuracy, theirs.query_accuracy);
    EXPECT_LT(relative_error(
                  own.learner->adapt(start(own, dtype), task.support)->predict(task.query),
                  graph.learner->adapt(start(graph, dtype), task.support)->predict(task.query)),
              tolerance);
  }
}

TEST_P(PerceptronTask, IsTheSameWhateverTasksCameBefore) {
  const auto settings = GetParam();
  const auto bench = bench_of(settings);
  const auto parameters = start(bench, torch::kFloat32);
  const auto gradient = [&](std::uint64_t seed) {
    return bench.learner->meta_gradient(parameters, random_task(settings, torch::kFloat32, seed))
        .gradient;
  };
  const auto alone = gradient(3);
  gradient(4);
  EXPECT_TRUE(torch::equal(gradient(3), alone));
}

TEST_P(PerceptronTask, IsTheAdaptedLossesSlope) {
  const auto settings = GetParam();
  if (settings.algorithm != "maml") GTEST_SKIP() << "first order is no slope";
  const auto bench = bench_of(settings);
  const auto parameters = start(bench, torch::kFloat64);
  const Task task = random_task(settings, torch::kFloat64);
  const auto result = bench.learner->meta_gradient(parameters, task);
  const auto loss_at = [&](const torch::Tensor& flat) {
    const ParameterList moved(parameters.shared_layout(), flat);
    return task_loss(bench.learner->adapt(moved, task.support)->predict(task.query), task.query)
        .item<double>();
  };
  const auto direction = result.gradient / result.gradient.norm();
  constexpr double step = 1e-6;
  const double slope = (loss_at(parameters.flat() + step * direction) -
                        loss_at(parameters.flat() - step * direction)) /
                       (2 * step);
  const double norm = result.gradient.norm().item<double>();
  EXPECT_NEAR(slope, norm, 1e-6 * norm);
  EXPECT_NEAR(result.query_loss, loss_at(parameters.flat()), 1e-12);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, PerceptronTask,
    testing::Values(Settings{"maml", "value", 5}, Settings{"maml", "value", 1, 24, 3, 7, 3},
                    Settings{"fomaml", "value", 3}, Settings{"maml", "class", 5, 40, 2, 6, 5},
                    Settings{"fomaml", "class", 2, 9, 1, 20, 4},
                    Settings{"maml", "class", 20, 3, 1, 2, 2},  // activations are computed again
                    Settings{"maml", "class", 2, 8, 0, 5, 3}));

/// More classes in the head than in the task.
TEST(Perceptron, RowsOfTheHeadThatATaskDoesNotUseGetNoGradient) {
  Settings settings{"maml", "class", 2, 8, 1, 4, 5};
  const auto bench = bench_of(settings);
  const auto parameters = start(bench, torch::kFloat32);
  settings.outputs = 3;
  const auto gradient =
      bench.learner->meta_gradient(parameters, random_task(settings, torch::kFloat32)).gradient;
  const auto views = bench.model->layout()->views(gradient);
  for (const auto i : bench.model->layout()->with_role(ParameterRole::kHead)) {
    const auto& rows = views[static_cast<std::size_t>(i)];
    EXPECT_EQ(rows.slice(0, 3).abs().sum().item<float>(), 0.0F);
    EXPECT_GT(rows.slice(0, 0, 3).abs().sum().item<float>(), 0.0F);
  }
}

TEST(Perceptron, TasksThatLackSamplesTakeTheGraph) {
  const Settings settings{"maml", "class", 2, 8, 1, 4, 3};
  const auto bench = bench_of(settings);
  const auto parameters = start(bench, torch::kFloat32);
  Task task = random_task(settings, torch::kFloat32);
  task.support.modalities[0].values = task.support.modalities[0].values.slice(0, 1);
  task.support.modalities[0].rows = task.support.modalities[0].rows.slice(0, 1);
  const auto result = bench.learner->meta_gradient(parameters, task);
  EXPECT_TRUE(torch::isfinite(result.gradient).all().item<bool>());
}

TEST(Perceptron, IsReportedAndOnlyWhereTheModelIsOne) {
  EXPECT_THAT(bench_of({}).model->fused_blocks(), testing::HasSubstr("x 2 of 2"));
  Settings settings;
  settings.fused = false;
  EXPECT_THAT(bench_of(settings).model->fused_blocks(), testing::HasSubstr("x 0 of 2"));
  RunConfig config;
  ModalitySpec a, b;
  a.name = "a";
  b.name = "b";
  a.shape = b.shape = {3};
  EXPECT_TRUE(make_workbench(config, {a, b}, 0, {}).model->perceptron().empty());
  config.model.fusion = "gated";
  EXPECT_TRUE(make_workbench(config, {a}, 0, {}).model->perceptron().empty());
  config.adapt.algorithm = "protonet";
  EXPECT_TRUE(make_workbench(config, {a}, 0, {}).model->perceptron().empty());
}

/// Every learner with a head learns values: its gradient against the slope of its own loss.
class Values : public testing::TestWithParam<const char*> {};

TEST_P(Values, LossIsTheMeanSquaredError) {
  Settings settings{GetParam(), "value", 3, 8, 1, 2, 2, false};
  const auto bench = bench_of(settings);
  const auto parameters = start(bench, torch::kFloat64);
  const Task task = random_task(settings, torch::kFloat64);
  const auto result = bench.learner->meta_gradient(parameters, task);
  EXPECT_EQ(result.query_accuracy, 0.0);
  if (settings.algorithm == "reptile") {
    const auto both = concatenate(task.support, task.query);
    EXPECT_EQ(both.targets.size(0), 23);
    EXPECT_GT(result.query_loss, 0.0);
    return;
  }
  const auto outputs = bench.learner->adapt(parameters, task.support)->predict(task.query);
  EXPECT_NEAR(result.query_loss, (outputs - task.query.targets).square().mean().item<double>(),
              1e-12);
}

INSTANTIATE_TEST_SUITE_P(Learners, Values, testing::Values("maml", "fomaml", "anil", "reptile"));

TEST(ValuesOf, MetricLearnersAreRefused) {
  Settings settings;
  settings.algorithm = "protonet";
  settings.target = "value";
  try {
    bench_of(settings);
    FAIL();
  } catch (const UserError& refusal) {
    EXPECT_THAT(refusal.what(), testing::HasSubstr("adapt.algorithm: protonet"));
    EXPECT_THAT(refusal.what(), testing::HasSubstr("maml"));
  }
}

}  // namespace
}  // namespace cuttle
