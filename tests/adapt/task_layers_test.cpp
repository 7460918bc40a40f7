// Learners whose answers are layers that a support set makes, on own kernels without a graph:
// against the same learners by the graph on LibTorch's operations.
#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <map>
#include <string>
#include <vector>

#include "cuttle/train/assembly.hpp"
#include "support/differences.hpp"

namespace cuttle {
namespace {

struct Settings {
  std::string algorithm;
  std::map<std::string, std::string> keys = {};
  std::string target = "class", class_weights = "balanced";
  std::vector<std::int64_t> support = {0, 0, 0, 0, 1, 1, 2};  ///< labels
  std::int64_t way = 3, trained_way = 3;
  std::int64_t width = 24;
  bool fused = true, objective = false, lacking = false, lite = false, dropout = false;
  bool map = false;  ///< the encoder is a linear map
  std::int64_t inputs = 7, asked = 13;
  bool pictures = false;  ///< of inputs x inputs pixels, in place of vectors
  std::string norm = {};  ///< of their encoder
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

Assembly parts_of(const Settings& settings) {
  Extensions extensions;
  extensions.objectives["small"] = type_of<Small, ObjectiveType>("", "");
  RunConfig config;
  if (settings.objective) config.objectives["own"].objective = "small";
  config.adapt = Section(settings.algorithm, settings.keys);
  config.episode.target = Section(settings.target);
  const bool classes = settings.target == "class";
  if (classes) config.episode.target.values["class_weights"] = settings.class_weights;
  config.episode.way = classes ? settings.trained_way : 1;
  if (settings.algorithm == "pretrain") config.episode.source = Section("minibatches");
  config.model.lite = settings.lite ? 2 : 0;
  config.model.dropout = settings.dropout ? 0.5 : 0;
  std::map<std::string, std::string> keys{{"width", std::to_string(settings.width)},
                                          {"depth", settings.map ? "1" : "4"},
                                          {"fused", settings.fused ? "true" : "false"}};
  if (settings.pictures)
    keys.insert({{"norm", settings.norm}}), keys["depth"] = "2";
  else
    keys["linear"] = settings.map ? "true" : "false";
  config.model.encoders["x"] = Section(settings.pictures ? "conv4" : "mlp", keys);
  ModalitySpec spec;
  spec.name = "x";
  spec.shape = {settings.inputs};
  if (settings.pictures) {
    spec.kind = ModalityKind::kImage;
    spec.shape = {settings.inputs, settings.inputs, 1};
  }
  return assemble(config, {{spec}, classes ? 0 : settings.way, settings.trained_way}, extensions);
}

Batch batch_of(const Settings& settings, const std::vector<std::int64_t>& labels) {
  Batch batch;
  batch.size = static_cast<std::int64_t>(labels.size());
  batch.way = settings.way;
  batch.labels = torch::tensor(labels, torch::kInt64);
  if (settings.target == "value")
    batch.targets = torch::randn({batch.size, settings.way}, torch::kFloat64);
  ModalityInput input;
  input.values = torch::randn({batch.size, settings.inputs}, torch::kFloat64);
  if (settings.pictures)
    input.values = torch::randn({batch.size, 1, settings.inputs, settings.inputs}, torch::kFloat64);
  input.rows = torch::arange(batch.size, torch::kInt64);
  batch.modalities = {input};
  return batch;
}

Task random_task(const Settings& settings, torch::Dtype dtype, std::uint64_t seed = 3) {
  torch::manual_seed(seed);
  Task task;
  task.key.step = 7;
  Batch support = batch_of(settings, settings.support);
  if (settings.lacking) {
    support.modalities[0].rows = torch::arange(1, support.size, torch::kInt64);
    support.modalities[0].values = support.modalities[0].values.slice(0, 1);
  }
  if (settings.algorithm == "pretrain") support = select_rows(support, {});
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < settings.asked; ++i) labels.push_back((2 * i + 1) % settings.way);
  task.support = support.to(dtype);
  task.query = batch_of(settings, labels).to(dtype);
  return task;
}

/// A task's result, and how many of LibTorch's operations it took.
struct Computed {
  TaskResult result;
  std::int64_t operations;
};

thread_local std::int64_t operations_seen = 0;

Computed compute(const Settings& settings, torch::Dtype dtype) {
  const auto parts = parts_of(settings);
  const auto parameters = near_initial(*parts.model, dtype);
  const Task task = random_task(settings, dtype);
  operations_seen = 0;
  const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(
      [](const at::RecordFunction&) -> std::unique_ptr<at::ObserverContext> {
        ++operations_seen;
        return nullptr;
      }));
  auto result = parts.learner->meta_gradient(parameters, task);
  at::removeCallback(handle);
  return {std::move(result), operations_seen};
}

/// Our result for float32 and float64 beside the graph's; the number of operations tells which way
/// was taken.
void expect_same(Settings settings, bool by_layers) {
  for (const auto& [dtype, tolerance] :
       {std::pair(torch::kFloat64, 1e-10), {torch::kFloat32, 2e-5}}) {
    settings.fused = true;
    const auto own = compute(settings, dtype);
    settings.fused = false;
    const auto graph = compute(settings, dtype);
    EXPECT_LT(relative_error(own.result.gradient, graph.result.gradient), tolerance);
    ASSERT_EQ(own.result.values.size(), graph.result.values.size());
    for (std::size_t i = 0; i < own.result.values.size(); ++i)
      EXPECT_NEAR(own.result.values[i], graph.result.values[i],
                  tolerance * (1 + graph.result.values[i]));
    if (by_layers)
      EXPECT_LT(own.operations, graph.operations / 3);
    else
      EXPECT_GT(own.operations, graph.operations / 2);
  }
}

std::string say(const testing::TestParamInfo<Settings>& info) {
  return info.param.algorithm + "_" + std::to_string(info.index);
}

class TaskLayers : public testing::TestWithParam<Settings> {
 protected:
  TaskLayers() { torch::set_num_threads(1); }
};

TEST_P(TaskLayers, AreTheGraphsGradient) {
  expect_same(GetParam(), true);
}

TEST_P(TaskLayers, LeaveWhatTheyDoNotKnowToTheGraph) {
  Settings settings = GetParam();
  settings.dropout = true;
  expect_same(settings, false);
  settings.dropout = false;
  settings.objective = true;
  expect_same(settings, false);
  if (settings.algorithm == "pretrain") return;  // it has no support
  settings.objective = false;
  settings.lacking = true;
  expect_same(settings, false);
  if (settings.algorithm == "meta_curvature" || settings.algorithm == "cavia")
    return;  // they embed no support
  settings.lacking = false;
  settings.lite = true;
  expect_same(settings, false);
}

TEST_P(TaskLayers, AreTheSameWhateverTasksCameBefore) {
  const auto parts = parts_of(GetParam());
  const auto parameters = near_initial(*parts.model, torch::kFloat32);
  const auto gradient = [&](std::uint64_t seed) {
    return parts.learner->meta_gradient(parameters, random_task(GetParam(), torch::kFloat32, seed))
        .gradient;
  };
  const auto alone = gradient(3);
  gradient(4);
  EXPECT_TRUE(torch::equal(gradient(3), alone));
}

/// Many samples that need not pass through all of a linear map; with so few they do.
Settings after_map(Settings settings, std::int64_t inputs = 32, std::int64_t asked = 60) {
  settings.map = true;
  settings.inputs = inputs;
  settings.asked = asked;
  return settings;
}

TEST(Maps, AreAffine) {
  const auto settings = after_map({"protonet"});
  const auto parts = parts_of(settings);
  const auto parameters = near_initial(*parts.model, torch::kFloat64);
  const Batch batch = random_task(settings, torch::kFloat64).query;
  const auto at = [&](double factor) {
    Batch moved = batch;
    moved.modalities[0].values = factor * batch.modalities[0].values;
    return parts.model->embed(parameters.tensors(), moved, Context()).parts[0];
  };
  EXPECT_LT((at(1) + at(-1) - 2 * at(0)).abs().max().item<double>(), 1e-12);
  EXPECT_GT((at(1) - at(-1)).abs().max().item<double>(), 0.1);
}

INSTANTIATE_TEST_SUITE_P(
    Maps, TaskLayers,
    testing::Values(
        after_map({"protonet", {}, "class", "balanced", {0, 0, 0, 1, 2}, 3, 3, 64}),
        after_map({"protonet", {}, "class", "none", {3, 1, 0, 2}, 4, 6, 50}),
        after_map({"protonet", {}, "class", "none", {3, 1, 0, 2}, 4, 6, 64}, 7),
        after_map({"protonet", {}, "class", "none", {3, 1, 0, 2}, 4, 6, 64}, 32, 3),
        after_map({"r2d2", {}, "class", "balanced", {0, 0, 0, 1, 2}, 3, 3, 64}),
        after_map({"r2d2", {}, "value", "", {0, 0, 0, 1}, 2, 2, 64}),
        after_map({"leo", {{"latent", "5"}}, "class", "none", {3, 1, 0, 2}, 4, 6, 64}),
        after_map({"pretrain", {}, "class", "none", {}, 5, 5, 64}),
        after_map(
            {"neural_process", {{"width", "9"}}, "class", "balanced", {0, 0, 0, 1, 2}, 3, 3, 64})),
    say);

/// An encoder of pictures, whose graph ends at the rows that the learner computes with.
Settings of_pictures(Settings settings, const char* norm) {
  settings.pictures = true;
  settings.norm = norm;
  return settings;
}

class RowsBesideGraph : public TaskLayers {};

TEST_P(RowsBesideGraph, AreTheGraphsGradient) {
  expect_same(GetParam(), true);
}

TEST_P(RowsBesideGraph, LeaveWhatTheyDoNotKnowToTheGraph) {
  Settings settings = GetParam();
  settings.objective = true;
  expect_same(settings, false);
  settings.objective = false;
  settings.lacking = true;
  expect_same(settings, false);
}

INSTANTIATE_TEST_SUITE_P(
    Pictures, RowsBesideGraph,
    testing::Values(
        of_pictures({"mann",
                     {{"hidden", "9"}, {"slots", "7"}, {"reads", "3"}},
                     "class",
                     "balanced",
                     {0, 0, 0, 1, 2}},
                    "support"),
        of_pictures({"mann", {{"slots", "7"}}, "value", "", {0, 0, 0, 1}, 2, 2}, "running"),
        of_pictures({"matching", {{"full_context", "true"}, {"processing_steps", "9"}}}, "batch")),
    say);

// A width of 24 is not whole vectors of every instruction set, one of 32 is.
INSTANTIATE_TEST_SUITE_P(
    Learners, TaskLayers,
    testing::Values(
        Settings{"protonet"}, Settings{"protonet", {}, "class", "none", {3, 1, 0, 2}, 4, 6, 32},
        Settings{"r2d2"}, Settings{"r2d2", {}, "class", "none", {3, 1, 0, 2}, 4, 6, 32},
        Settings{"r2d2", {}, "class", "balanced", {0, 0, 2}},
        Settings{"r2d2", {}, "value", "", {0, 0, 0, 1}, 2, 2, 32},
        Settings{"neural_process", {{"width", "9"}}},
        Settings{"neural_process", {}, "class", "none", {3, 1, 0, 2}, 4, 6, 32},
        Settings{"neural_process", {}, "class", "balanced", {0, 0, 2}},
        Settings{"neural_process", {}, "value", "", {0, 0, 0, 1}, 2, 2, 32},
        Settings{"mann", {{"hidden", "9"}, {"slots", "7"}, {"slot_width", "5"}, {"reads", "3"}}},
        Settings{"mann",
                 {{"hidden", "16"}, {"slots", "12"}, {"slot_width", "8"}, {"reads", "1"}},
                 "class",
                 "none",
                 {3, 1, 0, 2},
                 4,
                 6,
                 32},
        Settings{"mann",
                 {{"hidden", "9"}, {"slots", "5"}, {"slot_width", "4"}, {"reads", "2"}},
                 "value",
                 "",
                 {0, 0, 0, 1},
                 2,
                 2,
                 32},
        Settings{"matching"}, Settings{"matching", {{"distance", "squared"}}},
        Settings{"matching", {}, "class", "none", {3, 1, 0, 2}, 4, 6, 32},
        Settings{"matching", {}, "value", "", {0, 0, 0, 1}, 2, 2, 32},
        Settings{"matching", {{"distance", "squared"}}, "value", "", {0, 0, 0, 1}, 2, 2, 32},
        Settings{"matching", {{"full_context", "true"}}},
        Settings{"matching",
                 {{"full_context", "true"}, {"processing_steps", "1"}, {"distance", "squared"}},
                 "class",
                 "none",
                 {3, 1, 0, 2},
                 4,
                 6,
                 32},
        Settings{"matching", {{"full_context", "true"}}, "value", "", {0, 0, 0, 1}, 2, 2, 32},
        Settings{"caml", {{"width", "32"}}}, Settings{"caml", {}, "class", "balanced", {0, 0, 2}},
        Settings{"caml",
                 {{"width", "16"}, {"layers", "1"}, {"copy", "false"}, {"max_way", "7"}},
                 "class",
                 "none",
                 {3, 1, 0, 2},
                 4,
                 6,
                 32},
        Settings{"meta_curvature", {{"inner_steps", "3"}}, "class", "none"},
        Settings{"meta_curvature", {{"inner_steps", "2"}}, "class", "none", {3, 1, 0, 2}, 4, 6, 32},
        Settings{"meta_curvature", {{"inner_steps", "0"}}, "class", "none"},
        Settings{"meta_curvature", {{"curvature", "mc1"}}, "value", "", {0, 0, 0, 1}, 2, 2, 32},
        Settings{"cavia", {{"inner_lr", "0.5"}, {"context", "5"}}, "class", "none"},
        Settings{"cavia",
                 {{"inner_lr", "0.5"}, {"inner_steps", "3"}, {"context_by", "concat"}},
                 "class",
                 "none",
                 {3, 1, 0, 2},
                 4,
                 6,
                 32},
        Settings{"cavia", {{"context_at", "['encoder.x.1']"}}, "value", "", {0, 0, 0, 1}, 2, 2, 32},
        Settings{"leo", {{"latent", "5"}}}, Settings{"leo", {{"sampled", "false"}, {"kl", "0.3"}}},
        Settings{"leo",
                 {{"latent", "8"},
                  {"inner_lr", "0.2"},
                  {"finetune_lr", "0.1"},
                  {"kl", "0.3"},
                  {"encoder_penalty", "0.5"}},
                 "class",
                 "none",
                 {3, 1, 0, 2},
                 4,
                 6,
                 32},
        Settings{"leo", {{"latent", "3"}, {"finetune_steps", "0"}}, "class", "balanced", {0, 0, 2}},
        Settings{"leo", {{"latent", "3"}, {"inner_steps", "0"}}}, Settings{"pretrain"},
        Settings{"pretrain", {}, "class", "none", {}, 6, 6, 32}),
    say);

/// A class without a sample is neither near nor far, which takes more than layers.
TEST(TaskLayersOf, MatchingLeavesClassesWithoutASampleToTheGraph) {
  expect_same({"matching", {}, "class", "balanced", {0, 0, 2}}, false);
}

TEST(TaskLayersOf, ProtonetLeaveClassesWithoutASampleToTheGraph) {
  const Settings lacks_one{"protonet", {}, "class", "balanced", {0, 0, 2}, 3, 3, 64};
  expect_same(lacks_one, false);
  expect_same(after_map(lacks_one), false);
}

TEST(TaskLayersOf, OtherSettingsAreNotTaken) {
  expect_same({"protonet", {{"distance", "cosine"}}}, false);
  expect_same({"pretrain", {{"classifier", "cosine"}}}, false);
  expect_same({"meta_curvature", {{"fast", "[head]"}}, "class", "none"}, false);
  for (const char* descends : {"meta_curvature", "cavia"})
    expect_same({descends}, false);  // samples that weigh unlike
  expect_same({"neural_process", {{"attention", "true"}}}, false);
  expect_same({"mann", {{"hidden", "9"}, {"slots", "0"}}}, false);
  expect_same({"caml", {{"joint", "false"}}}, false);
  expect_same({"caml", {{"width", "24"}}}, false);  // not whole vectors
  expect_same({"caml", {}, "value", "", {0, 0, 0, 1}, 2, 2}, false);
}

}  // namespace
}  // namespace cuttle
