// Models that are perceptrons: the engine of whole tasks, and passes on kernels within the graph,
// against LibTorch's operations, with classes and with values to predict, in both precisions; and
// what every learner does with values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <set>

#include "adapt/surface/perceptron_pass.hpp"
#include "adapt/surface/surface.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/train/assembly.hpp"
#include "support/differences.hpp"
#include "support/every_learner.hpp"

namespace cuttle {
namespace {

struct Settings {
  std::string algorithm = "maml", target = "class";
  std::int64_t inner_steps = 3, width = 40, depth = 2, inputs = 1, outputs = 1;
  bool fused = true, objective = false;
  std::string fast = "[all]";
  std::string class_weights = "none";
  bool linear = false;  ///< after the last layer
  std::int64_t asked = 13;
};

/// Small embeddings.
class Small final : public Objective {
 public:
  using Options = NoOptions;
  Small(const ObjectiveRequest&, const Options&) {}
  torch::Tensor loss(const Tensors&, const Pass& pass, const Batch&,
                     const Context&) const override {
    return pass.embedding.parts[0].square().mean();
  }
};

/// No layer before the head: the values as they are.
class Bare final : public Encoder {
 public:
  using Options = NoOptions;
  Bare(const EncoderRequest& request, const Options&) { width_ = request.spec.shape[0]; }
  ModalityInput prepare(const RawModality&) const override { throw Error("not asked for"); }
  bool whole_tasks() const override { return fused; }
  bool fused = true;
};

/// The same on LibTorch's operations.
std::unique_ptr<const Encoder> make_unfused(const EncoderRequest& request) {
  auto bare = std::make_unique<Bare>(request, NoOptions{});
  bare->fused = false;
  return bare;
}

Assembly parts_of(const Settings& settings) {
  Extensions extensions;
  extensions.model.encoders["bare"] = type_of<Bare, EncoderType>("", "");
  extensions.model.encoders["bare_unfused"].make = make_unfused;
  extensions.objectives["small"] = type_of<Small, ObjectiveType>("", "");
  RunConfig config;
  if (settings.objective) config.objectives["own"].objective = "small";
  config.adapt = Section(settings.algorithm, {{"inner_steps", std::to_string(settings.inner_steps)},
                                              {"inner_lr", "0.05"}});
  const std::set<std::string> no_choice{"anil", "cavia", "reptile"};
  if (no_choice.count(settings.algorithm) == 0) config.adapt.values["fast"] = settings.fast;
  config.episode.target = Section(settings.target);
  if (settings.target == "class")
    config.episode.target.values["class_weights"] = settings.class_weights;
  config.episode.way = settings.target == "class" ? settings.outputs : 1;
  config.episode.shot = 10;
  if (settings.depth > 0)
    config.model.encoders["x"] = Section("mlp", {{"width", std::to_string(settings.width)},
                                                 {"depth", std::to_string(settings.depth)},
                                                 {"linear", settings.linear ? "true" : "false"},
                                                 {"fused", settings.fused ? "true" : "false"}});
  else
    config.model.encoders["x"] = Section(settings.fused ? "bare" : "bare_unfused");
  ModalitySpec spec;
  spec.name = "x";
  spec.shape = {settings.inputs};
  return assemble(config, {{spec}, settings.outputs}, extensions);
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
  task.query = random_batch(settings, settings.asked, dtype);
  return task;
}

class PerceptronTask : public testing::TestWithParam<Settings> {
 protected:
  PerceptronTask() { torch::set_num_threads(1); }
};

TEST_P(PerceptronTask, IsTheGraphsGradient) {
  auto settings = GetParam();
  const auto own = parts_of(settings);
  settings.fused = false;
  const auto graph = parts_of(settings);
  EXPECT_FALSE(own.model->perceptron().empty());
  EXPECT_TRUE(graph.model->perceptron().empty());
  for (const auto& [dtype, tolerance] :
       {std::pair(torch::kFloat64, 1e-12), {torch::kFloat32, 2e-5}}) {
    const Task task = random_task(settings, dtype);
    const auto ours = own.learner->meta_gradient(near_initial(*own.model, dtype), task);
    const auto theirs = graph.learner->meta_gradient(near_initial(*graph.model, dtype), task);
    EXPECT_LT(relative_error(ours.gradient, theirs.gradient), tolerance);
    ASSERT_EQ(ours.values.size(), settings.target == "class" ? 2u : 1u);
    ASSERT_EQ(theirs.values.size(), ours.values.size());
    EXPECT_NEAR(ours.values[0], theirs.values[0], tolerance * (1 + theirs.values[0]));
    if (settings.target == "class") {
      EXPECT_EQ(ours.values[1], theirs.values[1]);  // accuracy
    }
    const auto says = [&, type = dtype](const Assembly& parts) {
      return parts.learner->adapt(near_initial(*parts.model, type), task.support, task.key)
          ->predict(task.query);
    };
    EXPECT_LT(relative_error(says(own), says(graph)), tolerance);
  }
}

TEST_P(PerceptronTask, IsTheSameWhateverTasksCameBefore) {
  const auto settings = GetParam();
  const auto parts = parts_of(settings);
  const auto parameters = near_initial(*parts.model, torch::kFloat32);
  const auto gradient = [&](std::uint64_t seed) {
    return parts.learner->meta_gradient(parameters, random_task(settings, torch::kFloat32, seed))
        .gradient;
  };
  const auto alone = gradient(3);
  gradient(4);
  EXPECT_TRUE(torch::equal(gradient(3), alone));
}

TEST_P(PerceptronTask, IsTheAdaptedLossesSlope) {
  const auto settings = GetParam();
  const std::set<std::string> others{"fomaml", "imaml", "reptile", "maml_pp"};
  if (others.count(settings.algorithm) > 0)
    GTEST_SKIP() << "not the slope of the loss after the last step";
  const auto parts = parts_of(settings);
  const auto parameters = near_initial(*parts.model, torch::kFloat64);
  const Task task = random_task(settings, torch::kFloat64);
  const auto result = parts.learner->meta_gradient(parameters, task);
  const auto loss_at = [&](const torch::Tensor& flat) {
    const ParameterList moved(parameters.shared_layout(), flat);
    const auto outputs = parts.learner->adapt(moved, task.support, task.key)->predict(task.query);
    return parts.kind->loss(outputs, task.query).item<double>();
  };
  const auto direction = result.gradient / result.gradient.norm();
  constexpr double step = 1e-6;
  const double slope = (loss_at(parameters.flat() + step * direction) -
                        loss_at(parameters.flat() - step * direction)) /
                       (2 * step);
  const double norm = result.gradient.norm().item<double>();
  EXPECT_NEAR(slope, norm, 1e-6 * norm);
  EXPECT_NEAR(result.values[0], loss_at(parameters.flat()), 1e-12);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, PerceptronTask,
    testing::Values(
        Settings{"maml", "value", 5}, Settings{"maml", "value", 1, 24, 3, 7, 3},
        Settings{"fomaml", "value", 3}, Settings{"maml", "class", 5, 40, 2, 6, 5},
        Settings{"fomaml", "class", 2, 9, 1, 20, 4},
        Settings{"maml", "class", 20, 3, 1, 2, 2},  // activations are computed again
        Settings{"maml", "class", 2, 8, 0, 5, 3}, Settings{"anil", "class", 5, 12, 2, 6, 5},
        Settings{"anil", "value", 3, 12, 1, 4, 2}, Settings{"meta_sgd", "class", 4, 12, 2, 6, 5},
        Settings{"meta_sgd", "value", 1, 9, 1, 3, 2}, Settings{"imaml", "class", 3, 12, 2, 6, 5},
        Settings{"imaml", "value", 2, 9, 1, 3, 2}, Settings{"cavia", "class", 3, 12, 2, 6, 5},
        Settings{"cavia", "value", 2, 9, 1, 3, 2}, Settings{"maml_pp", "class", 3, 12, 2, 6, 5},
        Settings{"maml_pp", "value", 12, 9, 1, 3, 2},
        Settings{"meta_curvature", "class", 3, 12, 2, 6, 5},
        Settings{"meta_curvature", "value", 2, 9, 1, 3, 2},
        Settings{"maml_clusters", "class", 3, 12, 2, 6, 5},
        Settings{"maml_clusters", "value", 2, 9, 1, 3, 2},
        Settings{"reptile", "class", 3, 12, 2, 6, 5}, Settings{"reptile", "value", 2, 9, 1, 3, 2}));

/// Heads on a linear map, which many samples need not pass through by itself.
Settings after_map(Settings settings, std::int64_t asked = 60) {
  settings.linear = true;
  settings.asked = asked;
  return settings;
}

INSTANTIATE_TEST_SUITE_P(
    Maps, PerceptronTask,
    testing::Values(after_map({"anil", "class", 5, 64, 1, 32, 5}),
                    after_map({"anil", "class", 1, 50, 1, 32, 5}),
                    after_map({"anil", "value", 3, 64, 1, 32, 2}),
                    after_map({"anil", "class", 0, 64, 1, 32, 5}),
                    after_map({"anil", "class", 3, 64, 1, 9, 5}),
                    after_map({"anil", "class", 3, 64, 1, 32, 5}, 4),
                    after_map({"anil", "class", 3, 64, 2, 32, 5}),
                    after_map({"maml", "class", 3, 64, 1, 32, 5}),
                    after_map({"maml", "class", 3, 64, 1, 32, 5, true, false, "[head]"}),
                    after_map({"fomaml", "class", 3, 64, 1, 32, 5, true, false, "[head]"})));

/// More classes in the head than in the task.
TEST(Perceptron, RowsOfTheHeadThatATaskDoesNotUseGetNoGradient) {
  Settings settings{"maml", "class", 2, 8, 1, 4, 5};
  const auto parts = parts_of(settings);
  const auto parameters = near_initial(*parts.model, torch::kFloat32);
  settings.outputs = 3;
  const auto gradient =
      parts.learner->meta_gradient(parameters, random_task(settings, torch::kFloat32)).gradient;
  const auto views = parts.model->layout()->views(gradient);
  for (const auto i : parts.model->layout()->with_role(ParameterRole::kHead)) {
    const auto& rows = views[static_cast<std::size_t>(i)];
    EXPECT_EQ(rows.slice(0, 3).abs().sum().item<float>(), 0.0F);
    EXPECT_GT(rows.slice(0, 0, 3).abs().sum().item<float>(), 0.0F);
  }
}

torch::Tensor gradient_with(const Settings& settings, torch::Dtype dtype) {
  const auto parts = parts_of(settings);
  return parts.learner
      ->meta_gradient(near_initial(*parts.model, dtype), random_task(settings, dtype))
      .gradient;
}

/// The engine moves what the fast set names.
TEST(Perceptron, AFastSetThatIsNotTheWholeModel) {
  Settings settings{"maml", "class", 3, 8, 2, 4, 3};
  const auto gradient = [&] { return gradient_with(settings, torch::kFloat64); };
  const auto whole = gradient();
  for (const char* fast : {"[body]", "[head]", "['*.bias']", "[all, -head.bias]"}) {
    settings.fast = fast;
    settings.fused = true;
    const auto ours = gradient();
    settings.fused = false;
    EXPECT_LT(relative_error(ours, gradient()), 1e-12) << fast;
    EXPECT_GT(relative_error(ours, whole), 1e-4) << fast;
  }
  // The whole by other words is the engine's: the same bits.
  settings.fused = true;
  settings.fast = "[head, body]";
  EXPECT_TRUE(torch::equal(gradient(), whole));
}

/// A loss that something is made of, differentiated twice: the loss's own slope counts too.
TEST(Perceptron, ThePassIsAnOperationOfTheGraph) {
  for (const char* target : {"class", "value"}) {
    const auto parts = parts_of({"maml", target, 2, 12, 2, 6, 5});
    const Batch batch = random_task({"maml", target, 2, 12, 2, 6, 5}, torch::kFloat64).query;
    const auto theta = as_leaves(near_initial(*parts.model, torch::kFloat64).tensors());
    const auto first = [&](const torch::Tensor& loss) {
      return gradient_of(0.5 * loss.square() + loss.sin(), theta, true);
    };
    const auto second = [&](const torch::Tensor& loss) {
      torch::manual_seed(7);
      Tensors weights;
      for (const auto& value : theta) weights.push_back(torch::randn_like(value.detach()));
      return parts.model->layout()->flatten(vector_jacobian(first(loss), theta, weights));
    };
    const auto pass = perceptron_pass(*parts.model, *parts.kind, theta, batch);
    const auto outputs = parts.model->forward(theta, batch, Context{});
    EXPECT_LT(relative_error(pass.outputs, outputs.detach()), 1e-14);
    EXPECT_FALSE(pass.outputs.requires_grad());
    EXPECT_LT(relative_error(second(pass.loss), second(parts.kind->loss(outputs, batch))), 1e-12);
    const auto again = first(perceptron_pass(*parts.model, *parts.kind, theta, batch).loss);
    EXPECT_THROW(torch::autograd::grad({again[0].square().sum()}, theta, {}, true, true), Error)
        << "a third derivative would lack a part";
  }
}

/// What is kept of the way there is bounded, however many steps; the bits do not depend on it.
TEST(Perceptron, OfLongLoopsStepsAreDoneAgain) {
  const Settings settings{"maml_pp", "class", 2, 256, 2, 64, 5};
  const auto parts = parts_of(settings);
  const auto parameters = near_initial(*parts.model, torch::kFloat32);
  const Task task = random_task(settings, torch::kFloat32);
  const Section section("maml_pp");
  ParameterLayout own;
  const Surface surface(
      {section, parts.model, parts.kind, std::make_shared<const Objectives>(), own}, {});
  EXPECT_TRUE(surface.may_be_kept(parameters.tensors(), task.support, 2));
  EXPECT_FALSE(surface.may_be_kept(parameters.tensors(), task.support, 60));
  for (const char* algorithm : {"maml_pp", "cavia"}) {
    Settings few{algorithm, "class", 3, 256, 2, 64, 5}, many = few;
    many.inner_steps = 12;  // beyond what is kept
    for (Settings& steps : std::vector<Settings>{few, many}) {
      const auto ours = gradient_with(steps, torch::kFloat64);
      steps.fused = false;
      EXPECT_LT(relative_error(ours, gradient_with(steps, torch::kFloat64)), 1e-11) << algorithm;
    }
  }
}

TEST(Perceptron, TasksThatLackSamplesTakeTheGraph) {
  const Settings settings{"maml", "class", 2, 8, 1, 4, 3};
  const auto parts = parts_of(settings);
  const auto parameters = near_initial(*parts.model, torch::kFloat32);
  Task task = random_task(settings, torch::kFloat32);
  task.support.modalities[0].values = task.support.modalities[0].values.slice(0, 1);
  task.support.modalities[0].rows = task.support.modalities[0].rows.slice(0, 1);
  const auto result = parts.learner->meta_gradient(parameters, task);
  EXPECT_TRUE(torch::isfinite(result.gradient).all().item<bool>());
}

/// 10 samples of 4 classes: the kernels know the plain loss alone.
TEST(Perceptron, SupportsWhoseClassesAreWeighedTakeTheGraph) {
  Settings settings{"maml", "class", 2, 8, 1, 4, 4};
  const auto plain = parts_of(settings);
  settings.class_weights = "balanced";
  const auto own = parts_of(settings);
  settings.fused = false;
  const auto graph = parts_of(settings);
  const Task task = random_task(settings, torch::kFloat64);
  const auto parameters = near_initial(*own.model, torch::kFloat64);
  const auto result = own.learner->meta_gradient(parameters, task);
  EXPECT_LT(
      relative_error(
          result.gradient,
          graph.learner->meta_gradient(near_initial(*graph.model, torch::kFloat64), task).gradient),
      1e-12);
  EXPECT_GT(
      relative_error(
          plain.learner->meta_gradient(near_initial(*plain.model, torch::kFloat64), task).gradient,
          result.gradient),
      1e-4);
  const auto loss_at = [&](const torch::Tensor& flat) {
    const ParameterList moved(parameters.shared_layout(), flat);
    const auto outputs = own.learner->adapt(moved, task.support, task.key)->predict(task.query);
    return own.kind->loss(outputs, task.query).item<double>();
  };
  const auto direction = result.gradient / result.gradient.norm();
  const double slope = (loss_at(parameters.flat() + 1e-6 * direction) -
                        loss_at(parameters.flat() - 1e-6 * direction)) /
                       2e-6;
  const double norm = result.gradient.norm().item<double>();
  EXPECT_NEAR(slope, norm, 1e-6 * norm);
}

/// Even supports go to the kernels whatever the key says: the same bits.
TEST(Perceptron, EvenSupportsAreNotWeighed) {
  Settings settings{"maml", "class", 2, 8, 1, 4, 5};
  const auto gradient = [&] { return gradient_with(settings, torch::kFloat32); };
  const auto plain = gradient();
  settings.class_weights = "balanced";
  EXPECT_TRUE(torch::equal(gradient(), plain));
}

TEST(Perceptron, ObjectivesOfTheOuterLoopTakeTheGraph) {
  Settings settings{"maml", "class", 2, 8, 1, 4, 3};
  settings.objective = true;
  const auto own = parts_of(settings);
  settings.fused = false;
  const auto graph = parts_of(settings);
  settings.objective = false;
  const auto without = parts_of(settings);
  const Task task = random_task(settings, torch::kFloat64);
  const auto gradient_of = [&](const Assembly& parts) {
    return parts.learner->meta_gradient(near_initial(*parts.model, torch::kFloat64), task);
  };
  const auto ours = gradient_of(own), theirs = gradient_of(graph);
  EXPECT_THAT(own.learner->reports(), testing::ElementsAre("loss", "accuracy", "objective.own"));
  ASSERT_THAT(ours.values, testing::SizeIs(3));
  EXPECT_THAT(ours.values, testing::Pointwise(testing::DoubleNear(1e-12), theirs.values));
  EXPECT_LT(relative_error(ours.gradient, theirs.gradient), 1e-12);
  EXPECT_GT(relative_error(gradient_of(without).gradient, ours.gradient), 1e-3);
}

TEST(Perceptron, IsReportedAndOnlyWhereTheModelIsOne) {
  EXPECT_THAT(parts_of({}).model->fused_blocks(), testing::HasSubstr("x 2 of 2"));
  Settings settings;
  settings.fused = false;
  EXPECT_THAT(parts_of(settings).model->fused_blocks(), testing::HasSubstr("x 0 of 2"));
  RunConfig config;
  ModalitySpec a, b;
  a.name = "a";
  b.name = "b";
  a.shape = b.shape = {3};
  EXPECT_TRUE(assemble(config, {{a, b}}, {}).model->perceptron().empty());
  config.model.fusion = "gated";
  EXPECT_TRUE(assemble(config, {{a}}, {}).model->perceptron().empty());
  config.adapt = "protonet";
  EXPECT_TRUE(assemble(config, {{a}}, {}).model->perceptron().empty());
}

/// Every learner that does not compare with classes learns values: its gradient against the slope
/// of its own loss.
class Values : public testing::TestWithParam<std::string> {};

TEST_P(Values, LossIsTheMeanSquaredError) {
  Settings settings{GetParam(), "value", 3, 8, 1, 2, 2, false};
  const auto parts = parts_of(settings);
  const auto parameters = near_initial(*parts.model, torch::kFloat64);
  const Task task = random_task(settings, torch::kFloat64);
  const auto result = parts.learner->meta_gradient(parameters, task);
  EXPECT_THAT(result.values, testing::SizeIs(1));  // no accuracy
  if (settings.algorithm == "reptile") {
    const auto both = concatenate(task.support, task.query);
    EXPECT_EQ(both.targets.size(0), 23);
    EXPECT_GT(result.values[0], 0.0);
    return;
  }
  const auto outputs =
      parts.learner->adapt(parameters, task.support, task.key)->predict(task.query);
  EXPECT_NEAR(result.values[0], (outputs - task.query.targets).square().mean().item<double>(),
              1e-12);
}

INSTANTIATE_TEST_SUITE_P(Learners, Values,
                         testing::ValuesIn(learners_for({TaskForm::kEpisode}, true)), learner_name);

TEST(ValuesOf, MetricLearnersAreRefused) {
  Settings settings;
  settings.algorithm = "protonet";
  settings.target = "value";
  try {
    parts_of(settings);
    FAIL();
  } catch (const UserError& refusal) {
    EXPECT_THAT(refusal.what(), testing::HasSubstr("adapt.algorithm: protonet"));
    EXPECT_THAT(refusal.what(), testing::HasSubstr("maml"));
  }
}

}  // namespace
}  // namespace cuttle
