// LITE: gradients through a part of a large support set, forward values of all of it.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <vector>

#include "adapt/proofs.hpp"
#include "cuttle/train/environment.hpp"
#include "support/differences.hpp"
#include "train/tensor_memory.hpp"

namespace cuttle {
namespace {

struct Case {
  const char *algorithm, *fusion, *norm, *late_weights = "learned";
};

std::unique_ptr<const Learner> learner_of(const Case& which, std::int64_t lite) {
  torch::set_num_threads(1);
  TinySettings settings;
  settings.algorithm = which.algorithm;
  settings.fusion = which.fusion;
  settings.norm = which.norm;
  settings.late_weights = which.late_weights;
  settings.lite = lite;
  return tiny_learner(settings);
}

class Lite : public testing::TestWithParam<Case> {};

/// The support has six samples: of five there are six draws, and the mean over them is the
/// gradient through all, to rounding.
TEST_P(Lite, ValuesAreExactAndTheMeanOverAllDrawsIsTheGradient) {
  const auto whole = learner_of(GetParam(), 0), part = learner_of(GetParam(), 5);
  const auto parameters = start(*whole, 0.3);
  Task task = tiny_task(whole->model(), 1, torch::kFloat64);
  const auto expected = whole->meta_gradient(parameters, task);
  std::vector<torch::Tensor> draws;
  for (std::uint32_t slot = 0; slot < 200 && draws.size() < 6; ++slot) {
    task.key.slot = slot;
    const auto result = part->meta_gradient(parameters, task);
    EXPECT_NEAR(result.values[0], expected.values[0], 1e-12);
    EXPECT_TRUE(torch::equal(part->meta_gradient(parameters, task).gradient, result.gradient));
    const bool known = std::any_of(draws.begin(), draws.end(), [&](const torch::Tensor& draw) {
      return relative_error(result.gradient, draw) < 1e-9;
    });
    if (!known) draws.push_back(result.gradient);
  }
  ASSERT_EQ(draws.size(), 6u);
  EXPECT_GT(relative_error(draws[0], expected.gradient), 1e-3);
  EXPECT_LT(relative_error(torch::stack(draws).mean(0), expected.gradient), 1e-10);
}

INSTANTIATE_TEST_SUITE_P(
    Learners, Lite,
    testing::Values(Case{"protonet", "concat", "none"}, Case{"protonet", "late", "layer"},
                    Case{"protonet", "late", "layer", "sample"},
                    Case{"protonet", "gated", "instance"}, Case{"r2d2", "concat", "layer"},
                    Case{"r2d2", "late", "none"}, Case{"matching", "concat", "none"},
                    Case{"meta_networks", "concat", "none"}, Case{"metaoptnet", "late", "layer"},
                    Case{"neural_process", "concat", "none"}, Case{"relation", "late", "none"},
                    Case{"siamese", "concat", "none"}));

/// The support's statistics are those of all of it, and count as given.
TEST(LiteNorms, ByTheSupportAreExactForward) {
  for (const char* norm : {"support", "task"}) {
    const Case which{"protonet", "concat", norm};
    const auto whole = learner_of(which, 0), part = learner_of(which, 2);
    const auto parameters = ParameterList::initial(whole->model().layout(), 3, torch::kFloat64);
    const Task task = tiny_task(whole->model(), 1, torch::kFloat64);
    const auto result = part->meta_gradient(parameters, task);
    EXPECT_NEAR(result.values[0], whole->meta_gradient(parameters, task).values[0], 1e-12) << norm;
    EXPECT_TRUE(result.gradient.isfinite().all().item<bool>());
    EXPECT_LT((part->adapt(parameters, task.support, task.key)->predict(task.query) -
               whole->adapt(parameters, task.support, task.key)->predict(task.query))
                  .abs()
                  .max()
                  .item<double>(),
              1e-12);
  }
}

TEST(LiteMemory, AThousandImagesOf84x84AreLearnedFromInsideTwoGigabytes) {
  pool_tensor_memory();
  torch::set_num_threads(1);
  ModelOptions options;
  options.lite = 40;
  options.encoders["image"] = Section("conv4", {{"width", "32"}, {"norm", "layer"}});
  const ModalitySpec spec{"image", ModalityKind::kImage, {84, 84, 3}, 0.0, {}, {}};
  const auto model =
      std::make_shared<Model>(options, std::vector<ModalitySpec>{spec}, 0, 0, ModelRegistry{});
  const Section adapt("protonet"), target("class");
  const std::shared_ptr<const TaskKind> kind = builtin_task_kinds().at("class").make({target});
  TaskInputs inputs{{spec}, 0, 100};
  inputs.outputs = 10;
  const auto learner = make_learner(
      builtin_learners(),
      {adapt, model, kind, std::make_shared<const Objectives>(), model->declare(), inputs});
  const auto images = [](std::int64_t count) {
    Batch batch;
    batch.size = count;
    batch.way = 10;
    batch.even = true;
    batch.labels = torch::arange(count) % 10;
    batch.modalities.push_back({torch::rand({count, 3, 84, 84}), {}, torch::arange(count)});
    return batch;
  };
  const auto parameters = ParameterList::initial(model->layout(), 1);
  const Task task{images(1000), images(10), {7, Stream::kTesting, 0, 2}};
  const auto result = learner->meta_gradient(parameters, task);
  EXPECT_GT(result.gradient.norm().item<double>(), 1e-6);
  learner->adapt(parameters, task.support, task.key)->predict(task.query);
  EXPECT_LT(tensor_memory_bytes(), std::size_t{1} << 30);  // a thousand images are 85 MB
}

}  // namespace
}  // namespace cuttle
