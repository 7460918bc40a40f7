// An inner loop's fast set is a selection: what its words select moves and nothing else, the outer
// gradient of all parameters is the plain graph's, ANIL and BOIL are selections, and what selects
// nothing is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <ostream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "support/differences.hpp"

namespace cuttle {
namespace {

namespace F = torch::nn::functional;
using testing::HasSubstr;

std::unique_ptr<const Learner> learner_of(TinySettings settings, const std::string& algorithm,
                                          const std::string& fast) {
  torch::set_num_threads(1);
  settings.algorithm = algorithm;
  return tiny_learner(settings, {{"fast", fast}});
}

/// Words, and by another way which parameters they mean.
struct Selection {
  const char *fast, *names;
  bool has(const std::string& name) const { return std::regex_match(name, std::regex(names)); }
};
std::ostream& operator<<(std::ostream& out, const Selection& selection) {
  return out << selection.fast;
}

const Selection kAll{"[all]", "(encoder|fusion|head)\\..*"};
const Selection kHead{"[head]", "head\\..*"};
const Selection kBody{"[body]", "(encoder|fusion)\\..*"};
const Selection kBiases{"['*.bias']", ".*\\.bias"};
const Selection kNorms{"['encoder.*.norm.*']", "encoder\\.(image|text)\\.[01]\\.norm\\..*"};
const Selection kUnion{"[encoder.image.*, head]", "(encoder\\.image|head)\\..*"};
const Selection kWithout{"[all, -encoder.text.*, '-*.weight']",
                         "(encoder\\.image|fusion\\.absent|head)\\..*(bias|image|text)"};
const Selection kOneName{"[encoder.text.table.weight]", "encoder\\.text\\.table\\.weight"};

ParameterList start(const Learner& learner, torch::Dtype dtype = torch::kFloat64) {
  auto parameters = ParameterList::initial(learner.model().layout(), 3, dtype);
  torch::manual_seed(4);  // no bias and no rate where it starts
  for (const auto& value : parameters.tensors())
    value.add_(torch::randn(value.sizes(), value.options()) * 0.03);
  return parameters;
}

torch::Tensor predicted(const Learner& learner, const ParameterList& parameters, const Task& task) {
  return learner.adapt(parameters, task.support, task.key)->predict(task.query);
}

/// Names of the parameters that adaptation changes.
std::set<std::string> moved(const Learner& learner) {
  const auto parameters = start(learner, torch::kFloat32);
  const auto& layout = parameters.layout();
  const Task task = tiny_task(learner.model(), 4, torch::kFloat32);
  const auto after =
      layout.views(learner.adapt(parameters, task.support, task.key)->state().at("fast_weights"));
  std::set<std::string> names;
  for (std::size_t i = 0; i < after.size(); ++i)
    if (!torch::equal(after[i], parameters.tensors()[i]))
      names.insert(layout.spec(static_cast<std::int64_t>(i)).name);
  return names;
}

class Algorithm : public testing::TestWithParam<const char*> {};

TEST_P(Algorithm, MovesWhatTheWordsSelectAndNothingElse) {
  for (const char* fusion : {"concat", "late"}) {
    TinySettings settings;
    settings.fusion = fusion;
    settings.inner_steps = 1;  // from the same point
    const auto whole = moved(*learner_of(settings, GetParam(), kAll.fast));
    EXPECT_GT(whole.size(), 10u);
    for (const auto& selection :
         {kAll, kHead, kBody, kBiases, kNorms, kUnion, kWithout, kOneName}) {
      std::set<std::string> expected;
      for (const auto& name : whole)
        if (selection.has(name)) expected.insert(name);
      EXPECT_FALSE(expected.empty());
      EXPECT_EQ(moved(*learner_of(settings, GetParam(), selection.fast)), expected) << selection;
    }
  }
}

TEST_P(Algorithm, AllIsTheDefault) {
  TinySettings settings;
  settings.algorithm = GetParam();
  const auto usual = tiny_learner(settings);
  const auto all = learner_of(settings, GetParam(), kAll.fast);
  const Task task = tiny_task(usual->model(), 1, torch::kFloat32);
  EXPECT_TRUE(torch::equal(usual->meta_gradient(start(*usual, torch::kFloat32), task).gradient,
                           all->meta_gradient(start(*all, torch::kFloat32), task).gradient));
}

TEST_P(Algorithm, RestoredStatePredictsTheSameBits) {
  for (const auto& selection : {kBody, kBiases, kHead}) {
    const auto learner = learner_of({}, GetParam(), selection.fast);
    const auto parameters = start(*learner, torch::kFloat32);
    const Task task = tiny_task(learner->model(), 4, torch::kFloat32);
    const auto adapted = learner->adapt(parameters, task.support, task.key);
    const auto restored = learner->restore(adapted->state(), task.support.way);
    const auto says = adapted->predict(task.query);
    EXPECT_TRUE(torch::equal(says, restored->predict(task.query))) << selection;
    EXPECT_FALSE(torch::equal(
        says, learner->model().forward(parameters.tensors(), task.query, {learner->eval_steps()})));
  }
}

TEST_P(Algorithm, TracesGoToTheAdaptedModel) {
  const auto learner = learner_of({}, GetParam(), kBody.fast);
  const auto parameters = start(*learner);
  const Task task = tiny_task(learner->model(), 4, torch::kFloat64);
  const auto lines = learner->trace(parameters, task);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_NE(lines.front().query_loss, lines.back().query_loss);
  EXPECT_NEAR(lines.back().query_loss, adapted_loss(*learner, parameters, task), 1e-12);
}

INSTANTIATE_TEST_SUITE_P(All, Algorithm, testing::Values("maml", "fomaml", "meta_sgd", "lstm"));

/// theta' = theta - rate o g of the selected alone, one graph through all steps. Meta-SGD's rates
/// are leaves like all others.
torch::Tensor unrolled(const Learner& learner, const std::string& algorithm,
                       const Selection& selection, const TinySettings& settings,
                       const ParameterList& parameters, const Task& task) {
  const Model& model = learner.model();
  const auto& layout = *model.layout();
  Tensors leaves;
  std::map<std::string, std::size_t> places;
  for (const auto& value : parameters.tensors()) {
    places[layout.spec(static_cast<std::int64_t>(leaves.size())).name] = leaves.size();
    leaves.push_back(value.detach().clone().requires_grad_());
  }
  Tensors theta = leaves;
  for (std::int64_t k = 0; k < settings.inner_steps; ++k) {
    const auto loss =
        F::cross_entropy(model.forward(theta, task.support, {k}), task.support.labels);
    for (const auto& [name, i] : places) {
      if (!selection.has(name) || name.rfind("learner.", 0) == 0 ||
          layout.spec(static_cast<std::int64_t>(i)).section != ParameterSection::kLearned)
        continue;
      auto& value = theta[i];
      auto g = torch::autograd::grad({loss}, {value}, {}, true, algorithm != "fomaml", true)[0];
      if (!g.defined()) continue;
      if (algorithm == "fomaml") g = g.detach();
      value = value - (algorithm == "meta_sgd" ? leaves[places.at("learner.rate." + name)] * g
                                               : settings.inner_lr * g);
    }
  }
  const auto loss =
      F::cross_entropy(model.forward(theta, task.query, {settings.inner_steps}), task.query.labels);
  return layout.flatten(torch::autograd::grad({loss}, leaves, {}, false, false, true));
}

struct Case {
  const char* algorithm;
  Selection selection;
  const char *fusion = "concat", *norm = "batch";
  std::int64_t steps = 3;
  bool frozen_text = false;
};
std::ostream& operator<<(std::ostream& out, const Case& part) {
  return out << part.algorithm << " " << part.selection;
}

class Selected : public testing::TestWithParam<Case> {
 protected:
  /// On own kernels, then on LibTorch's operations.
  static std::vector<TinySettings> settings() {
    TinySettings settings;
    settings.fusion = GetParam().fusion;
    settings.norm = GetParam().norm;
    settings.inner_steps = GetParam().steps;
    settings.frozen_text = GetParam().frozen_text;
    auto generic = settings;
    generic.fused = false;
    return {settings, generic};
  }
};

TEST_P(Selected, GradientEqualsThePlainGraph) {
  const auto& [algorithm, selection, fusion, norm, steps, frozen] = GetParam();
  for (const auto& settings : settings()) {
    const auto learner = learner_of(settings, algorithm, selection.fast);
    const auto parameters = start(*learner);
    const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
    const auto layout = learner->model().layout();
    const auto ours = learner->meta_gradient(parameters, task).gradient;
    const auto expected = unrolled(*learner, algorithm, selection, settings, parameters, task);
    EXPECT_LT(relative_error(ours, expected), 1e-10);
    // What stood still is learned as well, and what moved too.
    const auto views = layout->views(ours);
    for (const bool fast : {true, false}) {
      double most = 0;
      for (std::int64_t i = 0; i < layout->count(); ++i)
        if (selection.has(layout->spec(i).name) == fast)
          most = std::max(most, views[static_cast<std::size_t>(i)].abs().max().item<double>());
      EXPECT_GT(most, 1e-4);
    }
  }
}

TEST_P(Selected, GradientEqualsFiniteDifferences) {
  if (std::string(GetParam().algorithm) == "fomaml") GTEST_SKIP() << "first order is no slope";
  const auto learner = learner_of(settings()[0], GetParam().algorithm, GetParam().selection.fast);
  const auto parameters = start(*learner);
  const Task task = tiny_task(learner->model(), 2, torch::kFloat64);
  const auto result = learner->meta_gradient(parameters, task);
  EXPECT_NEAR(result.values[0], adapted_loss(*learner, parameters, task), 1e-12);
  const auto layout = learner->model().layout();
  const double norm = result.gradient.norm().item<double>();
  std::vector<torch::Tensor> directions{result.gradient / norm};
  for (int i = 0; i < 3; ++i) {
    auto random = torch::zeros_like(result.gradient);
    layout->learned(random).normal_();
    directions.push_back(random / random.norm());
  }
  expect_slopes(adapted_loss_of(*learner, task), parameters, result.gradient, directions);
}

INSTANTIATE_TEST_SUITE_P(
    All, Selected,
    testing::Values(Case{"maml", kBody}, Case{"maml", kBody, "late", "none", 2},
                    Case{"maml", kBody, "gated", "batch_per_step"},
                    Case{"maml", kBody, "concat", "batch", 3, true}, Case{"maml", kBiases},
                    Case{"maml", kNorms}, Case{"maml", kUnion}, Case{"maml", kWithout},
                    Case{"maml", kOneName}, Case{"maml", kHead, "late"}, Case{"fomaml", kBody},
                    Case{"fomaml", kBiases, "late"}, Case{"meta_sgd", kBody},
                    Case{"meta_sgd", kBiases, "late"}, Case{"meta_sgd", kUnion, "concat", "none"}));

/// ANIL's own loop computes features once; the selection computes them in every step.
class HeadAlone : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(HeadAlone, IsAnil) {
  for (const bool fused : {true, false}) {
    TinySettings settings;
    std::tie(settings.fusion, settings.norm) = GetParam();
    settings.inner_steps = 4;
    settings.fused = fused;
    settings.algorithm = "anil";
    const auto anil = tiny_learner(settings);
    const auto maml = learner_of(settings, "maml", kHead.fast);
    const auto parameters = start(*anil);
    const Task task = tiny_task(anil->model(), 1, torch::kFloat64);
    const auto theirs = anil->meta_gradient(parameters, task);
    const auto ours = maml->meta_gradient(parameters, task);
    EXPECT_LT(relative_error(ours.gradient, theirs.gradient), 1e-12);
    EXPECT_NEAR(ours.values[0], theirs.values[0], 1e-12);
    EXPECT_LT(
        relative_error(predicted(*maml, parameters, task), predicted(*anil, parameters, task)),
        1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(FusionsAndNorms, HeadAlone,
                         testing::Values(std::pair("concat", "batch"), std::pair("late", "batch"),
                                         std::pair("gated", "none"), std::pair("concat", "support"),
                                         std::pair("concat", "running"),
                                         std::pair("late", "running"),
                                         std::pair("cross_attention", "batch")));

TEST(LearnedRates, AreThereForWhatMovesAlone) {
  for (const auto& selection : {kAll, kBody, kBiases, kWithout}) {
    const auto learner = learner_of({}, "meta_sgd", selection.fast);
    const auto& layout = *learner->model().layout();
    std::set<std::string> expected, rates;
    const std::string prefix = "learner.rate.";
    for (std::int64_t i = 0; i < layout.count(); ++i) {
      const auto& name = layout.spec(i).name;
      if (layout.spec(i).role == ParameterRole::kLearner)
        rates.insert(name.substr(prefix.size()));
      else if (selection.has(name))
        expected.insert(name);
    }
    EXPECT_EQ(rates, expected) << selection;
  }
}

std::string refusal(const std::string& fast, const TinySettings& settings = {},
                    const std::string& algorithm = "maml") {
  try {
    learner_of(settings, algorithm, fast);
  } catch (const UserError& problem) {
    return problem.what();
  }
  return "accepted";
}

TEST(Refused, AWordThatSelectsNothingNamesTheNearest) {
  EXPECT_EQ(refusal("['encoder.img.*']"),
            "adapt.fast: 'encoder.img.*' matches no parameter of the model (the inner loop would "
            "move something else than you mean); did you mean 'encoder.image.0.conv.weight'?");
  EXPECT_THAT(refusal("[haed]"), HasSubstr("'haed' matches no parameter of the model"));
  EXPECT_THAT(refusal("[haed]"), HasSubstr("did you mean 'head'?"));
  EXPECT_THAT(refusal("[all, '-*.nrom.bias']"),
              HasSubstr("did you mean 'encoder.image.0.norm.bias'?"));
  EXPECT_THAT(refusal("[head.bias, encoder.image]"), HasSubstr("'encoder.image' matches no"));
  EXPECT_THAT(refusal("['-']"), HasSubstr("'' matches no parameter"));
  for (const char* algorithm : {"fomaml", "meta_sgd", "lstm"})
    EXPECT_THAT(refusal("[boddy]", {}, algorithm), HasSubstr("did you mean 'body'?"));
}

TEST(Refused, AnEmptySet) {
  for (const char* fast : {"[]", "[-head]", "[head, '-head.*']", "[body, -all]"})
    EXPECT_EQ(refusal(fast),
              "adapt.fast: selects no parameter (the inner loop would not adapt); name some, or "
              "begin with all")
        << fast;
}

TEST(Refused, WhatNoInnerLoopMoves) {
  TinySettings settings;
  settings.frozen_text = true;
  EXPECT_EQ(refusal("[head, 'encoder.text.*']", settings),
            "adapt.fast: 'encoder.text.*' matches only what no inner loop moves, such as "
            "encoder.text.table.weight (frozen, an average over training, or not of the model); "
            "remove it");
  EXPECT_EQ(refusal("['encoder.*']", settings), "accepted");
  settings = {};
  settings.norm = "running";
  EXPECT_THAT(refusal("['*.running_mean']", settings), HasSubstr("such as encoder.image.0.norm."));
  settings.objectives["align"] = {Section("contrastive", {{"width", "4"}}), 0.5, "outer"};
  EXPECT_THAT(refusal("['objective.*']", settings), HasSubstr("such as objective.align."));
  EXPECT_THAT(refusal("['learner.*']", settings, "meta_sgd"), HasSubstr("matches no parameter"));
}

TEST(Refused, AnInnerObjectiveThatMovesNothing) {
  TinySettings settings;
  settings.objectives["align"] = {Section("contrastive", {{"width", "4"}}), 0.5, "both"};
  for (const char* fast : {"[head]", "['head.*']"})
    EXPECT_EQ(refusal(fast, settings),
              "objectives.align.where: adapt.fast moves the head alone, and the objective looks at "
              "what comes before it; use outer");
  EXPECT_EQ(refusal("[body]", settings), "accepted");
  settings.objectives["align"].where = "outer";
  EXPECT_EQ(refusal("[head]", settings), "accepted");
}

TEST(Refused, ATextInsteadOfAList) {
  EXPECT_EQ(refusal("body"), "fast of maml must be a list, found text \"body\"; write [body]");
}

}  // namespace
}  // namespace cuttle
