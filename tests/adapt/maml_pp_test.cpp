// MAML++ in float64 against one plain graph through all inner steps, with the paper's weights of
// its losses written out as numbers.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapt/proofs.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kSteps = 3;

/// Where a task stands in training.
Task task_of(const Model& model, std::uint64_t outer_step, std::uint32_t slot = 1) {
  Task task = tiny_task(model, slot, torch::kFloat64);
  task.key.step = outer_step;
  return task;
}

/// Mean cross-entropy in which every class of the support counts alike.
torch::Tensor balanced_loss(const torch::Tensor& outputs, const torch::Tensor& labels) {
  const auto shots = torch::bincount(labels).index_select(0, labels).to(torch::kFloat64);
  const auto right = torch::log_softmax(outputs, 1).gather(1, labels.unsqueeze(1)).squeeze(1);
  return -(right / shots).sum() / (1.0 / shots).sum();
}

/// One graph: theta_k+1 = theta_k - rates_k o g(theta_k), with every step's query loss.
struct PlainGraph {
  Tensors leaves;
  std::vector<torch::Tensor> outputs;  ///< of the query, after 0, 1, ... steps

  PlainGraph(const Learner& learner, const ParameterList& parameters, const Task& task,
             bool second_order)
      : leaves(leaves_of(parameters)) {
    const Model& model = learner.model();
    const auto places = places_of(*model.layout());
    Tensors theta = leaves;
    for (std::int64_t k = 0; k <= kSteps; ++k) {
      outputs.push_back(model.forward(theta, task.query, {k}));
      if (k == kSteps) break;
      const auto loss = balanced_loss(model.forward(theta, task.support, {k}), task.support.labels);
      std::vector<std::size_t> fast, rates;
      Tensors moving;
      for (const auto& [name, i] : places) {
        const auto rate = places.find("learner.rate." + name);
        if (rate == places.end()) continue;
        fast.push_back(i);
        rates.push_back(rate->second);
        moving.push_back(theta[i]);
      }
      const auto g = torch::autograd::grad({loss}, moving, {}, true, second_order, true);
      for (std::size_t j = 0; j < fast.size(); ++j)
        if (g[j].defined()) theta[fast[j]] = theta[fast[j]] - leaves[rates[j]][k] * g[j];
    }
  }
  /// The gradient of the query's losses after 1, 2 and 3 steps by these weights.
  torch::Tensor gradient(const Learner& learner, const Task& task,
                         const std::vector<double>& weights) const {
    auto loss = torch::zeros({}, torch::kFloat64);
    for (std::size_t k = 0; k < weights.size(); ++k)
      loss = loss + weights[k] * F::cross_entropy(outputs[k + 1], task.query.labels);
    return flat_gradient(learner, loss, leaves);
  }
};

struct Moment {
  std::uint64_t outer_step;
  std::vector<double> weights;
};
/// Of 100 outer steps in which all steps' losses count: a third each at first; then down by a
/// hundredth of that in every outer step, to 3 % of it.
const std::vector<Moment> kMoments{{0, {1.0 / 3, 1.0 / 3, 1.0 / 3}},
                                   {50, {1.0 / 6, 1.0 / 6, 2.0 / 3}},
                                   {75, {1.0 / 12, 1.0 / 12, 5.0 / 6}},
                                   {99, {0.01, 0.01, 0.98}},
                                   {100, {0.0, 0.0, 1.0}},
                                   {5000, {0.0, 0.0, 1.0}}};

TEST(MamlPp, GradientOfInitialisationAndRatesEqualsThePlainGraph) {
  for (const std::string variant : {"concat", "gated", "late", "uneven", "lacking"}) {
    const bool joint = variant == "concat" || variant == "gated";
    const auto learner =
        learner_of("maml_pp", kSteps, joint ? variant : "late",
                   variant == "gated" ? "batch" : "batch_per_step", {{"multi_step", "100"}});
    const Model& model = learner->model();
    const auto parameters = start(*learner, 0.05);
    const auto places = places_of(*model.layout());
    for (const auto& [outer_step, weights] : kMoments) {
      Task task = task_of(model, outer_step);
      if (variant == "uneven") {
        task.support.even = false;
        task.support.labels = torch::tensor({0, 0, 1, 0, 0, 2}, torch::kInt64);
      }
      if (variant == "lacking") task.support = keep_modalities(task.support, {true, false});
      const PlainGraph plain(*learner, parameters, task, true);
      const auto reference = plain.gradient(*learner, task, weights);
      const auto result = learner->meta_gradient(parameters, task);
      EXPECT_LT(relative_error(result.gradient, reference), 1e-9) << variant << outer_step;
      EXPECT_NEAR(result.values[0],
                  F::cross_entropy(plain.outputs[kSteps], task.query.labels).item<double>(), 1e-12);
      // Rates, not hidden by the initialisation's gradient.
      const auto mine = model.layout()->views(result.gradient);
      const auto theirs = model.layout()->views(reference);
      for (const auto& [name, i] : places) {
        // What is not there moves nothing.
        const bool lacks = variant == "lacking" && name.find("head.1.") != std::string::npos;
        if (name.rfind("learner.rate.head", 0) != 0 || lacks) continue;
        EXPECT_EQ(mine[i].sizes(), torch::IntArrayRef({kSteps}));
        EXPECT_GT(theirs[i].abs().min().item<double>(), 0.0) << name;
        EXPECT_LT(relative_error(mine[i], theirs[i]), 1e-8) << name;
      }
    }
  }
}

TEST(MamlPp, FirstOrderGivesWayToSecondAtItsStep) {
  const auto learner = learner_of("maml_pp", kSteps, "concat", "batch",
                                  {{"multi_step", "0"}, {"first_order", "40"}});
  const auto parameters = start(*learner, 0.05);
  for (const std::uint64_t outer_step : {0u, 39u, 40u, 41u}) {
    const Task task = task_of(learner->model(), outer_step);
    const auto gradient = learner->meta_gradient(parameters, task).gradient;
    for (const bool second_order : {false, true}) {
      const auto reference = PlainGraph(*learner, parameters, task, second_order)
                                 .gradient(*learner, task, {0.0, 0.0, 1.0});
      const double error = relative_error(gradient, reference);
      if (second_order == (outer_step >= 40)) {
        EXPECT_LT(error, 1e-9) << outer_step;
      } else {
        EXPECT_GT(error, 1e-3) << outer_step;
      }
    }
  }
}

/// Losses of all steps while derivatives are of first order, with rates that stand still: nothing
/// but them then asks for the way back.
TEST(MamlPp, MechanismsDoNotDependOnOneAnother) {
  const auto learner =
      learner_of("maml_pp", kSteps, "concat", "batch",
                 {{"multi_step", "100"}, {"first_order", "40"}, {"learned_rates", "false"}});
  const Model& model = learner->model();
  const auto parameters = start(*learner, 0.05);
  const Task task = task_of(model, 20);
  const Tensors leaves = leaves_of(parameters);
  Tensors theta = leaves;
  auto loss = torch::zeros({}, torch::kFloat64);
  const std::vector<double> weights{0.8 / 3, 0.8 / 3, 1.4 / 3};
  for (std::int64_t k = 0; k < kSteps; ++k) {
    const auto g = torch::autograd::grad(
        {balanced_loss(model.forward(theta, task.support, {k}), task.support.labels)}, theta, {},
        true, false, true);
    for (std::size_t i = 0; i < theta.size(); ++i)
      if (g[i].defined()) theta[i] = theta[i] - 0.1 * g[i];
    loss =
        loss + weights[static_cast<std::size_t>(k)] *
                   F::cross_entropy(model.forward(theta, task.query, {k + 1}), task.query.labels);
  }
  const auto gradient = learner->meta_gradient(parameters, task).gradient;
  EXPECT_LT(relative_error(gradient, flat_gradient(*learner, loss, leaves)), 1e-9);
  const auto by_name = places_of(*model.layout());
  EXPECT_EQ(by_name.count("learner.rate.head.weight"), 0u);
}

TEST(MamlPp, WithAllSwitchedOffIsMaml) {
  for (const char* norm : {"batch", "batch_per_step"}) {
    const auto plain = learner_of("maml", kSteps, "late", norm);
    const auto learner = learner_of("maml_pp", kSteps, "late", norm,
                                    {{"multi_step", "0"}, {"learned_rates", "false"}});
    const auto parameters = start(*plain, 0.0);
    const Task task = task_of(plain->model(), 0);
    EXPECT_TRUE(torch::equal(learner->meta_gradient(parameters, task).gradient,
                             plain->meta_gradient(parameters, task).gradient));
    EXPECT_TRUE(
        torch::equal(learner->adapt(parameters, task.support, task.key)->predict(task.query),
                     plain->adapt(parameters, task.support, task.key)->predict(task.query)));
  }
}

TEST(MamlPp, WhatIsKeptChangesNoBit) {
  torch::Tensor expected;
  for (const char* keep : {"parameters", "all", "sqrt"}) {
    const auto learner = learner_of("maml_pp", 12, "concat", "batch", {{"keep", keep}});
    Task task = tiny_task(learner->model(), 1, torch::kFloat32);
    task.key.step = 600;
    const auto gradient =
        learner->meta_gradient(ParameterList::initial(learner->model().layout(), 3), task).gradient;
    if (!expected.defined()) expected = gradient;
    EXPECT_TRUE(torch::equal(gradient, expected)) << keep;
  }
}

/// Its slopes are those of the weighted sum of what three learners tell who stop after one, two and
/// three steps.
TEST(MamlPp, EqualsFiniteDifferences) {
  for (const auto& [fusion, norm] : {std::pair("concat", "batch_per_step"), {"late", "support"}}) {
    std::vector<std::unique_ptr<const Learner>> stopping;
    for (const char* steps : {"1", "2", "3"})
      stopping.push_back(learner_of("maml_pp", kSteps, fusion, norm,
                                    {{"multi_step", "100"}, {"eval_inner_steps", steps}}));
    const auto parameters = start(*stopping[0], 0.05);
    const Task task = task_of(stopping[0]->model(), 50);
    const auto loss = [&](const ParameterList& at) {
      return adapted_loss(*stopping[0], at, task) / 6 + adapted_loss(*stopping[1], at, task) / 6 +
             adapted_loss(*stopping[2], at, task) * 2 / 3;
    };
    const auto gradient = stopping[0]->meta_gradient(parameters, task).gradient;
    expect_differences(loss, parameters, gradient);
    expect_differences(*stopping[2], parameters, task_of(stopping[2]->model(), 100));
  }
}

/// Nothing is counted: what a task gives is a matter of its key, in whatever order tasks come.
TEST(MamlPp, IsAPureFunctionOfTheOuterStep) {
  const auto learner = learner_of("maml_pp", kSteps, "concat", "batch",
                                  {{"multi_step", "100"}, {"first_order", "40"}});
  const auto parameters = start(*learner, 0.05);
  std::map<std::uint64_t, torch::Tensor> seen;
  for (const std::uint64_t outer_step : {70u, 0u, 39u, 40u, 100u, 0u, 40u, 70u, 39u, 100u}) {
    const auto gradient =
        learner->meta_gradient(parameters, task_of(learner->model(), outer_step)).gradient;
    const auto [known, fresh] = seen.emplace(outer_step, gradient);
    EXPECT_TRUE(fresh || torch::equal(known->second, gradient)) << outer_step;
  }
  EXPECT_FALSE(torch::equal(seen.at(0), seen.at(39)));
}

TEST(MamlPp, UseAnswersByTheLastStepAloneWhateverTheOuterStep) {
  const auto learner = learner_of("maml_pp", kSteps, "concat", "batch_per_step",
                                  {{"multi_step", "100"}, {"first_order", "40"}});
  const auto parameters = start(*learner, 0.05);
  for (const std::uint64_t outer_step : {0u, 70u, 500u}) {
    const Task task = task_of(learner->model(), outer_step);
    const PlainGraph plain(*learner, parameters, task, true);
    const auto answers = learner->adapt(parameters, task.support, task.key)->predict(task.query);
    EXPECT_LT(largest(answers - plain.outputs[kSteps]), 1e-11);
    EXPECT_GT(largest(answers - plain.outputs[kSteps - 1]), 1e-4);
    const auto lines = learner->trace(parameters, task);
    ASSERT_EQ(lines.size(), 4u);
    EXPECT_NEAR(lines.back().query_loss, adapted_loss(*learner, parameters, task), 1e-12);
  }
}

TEST(MamlPp, MoreStepsInUseThanLearnedRatesAreRefused) {
  for (const auto& [steps, learned] :
       {std::pair("4", "true"), {"4", "false"}, {"3", "true"}, {"2", "true"}}) {
    const std::map<std::string, std::string> values{{"eval_inner_steps", steps},
                                                    {"learned_rates", learned}};
    if (std::string(steps) == "4" && std::string(learned) == "true") {
      EXPECT_THROW(learner_of("maml_pp", kSteps, "concat", "batch", values), UserError);
    } else {
      EXPECT_EQ(learner_of("maml_pp", kSteps, "concat", "batch", values)->eval_steps(),
                std::stoll(steps));
    }
  }
  EXPECT_THROW(learner_of("maml_pp", 0), UserError);
}

}  // namespace
}  // namespace cuttle
