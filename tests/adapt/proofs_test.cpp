// The learners beside MAML's family, in float64, each against what its paper says written down once
// more with plain LibTorch operations, and against finite differences of the adapted loss.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "adapt/proofs.hpp"

namespace cuttle {
namespace {

/// theta' = theta - alpha o g, one graph through all steps, the rates among its leaves.
TEST(MetaSgd, GradientOfInitialisationAndRatesEqualsThePlainGraph) {
  for (const char* fusion : {"concat", "late"}) {
    const auto learner = learner_of("meta_sgd", 3, fusion);
    const Model& model = learner->model();
    const auto parameters = start(*learner, 0.05);
    const auto places = places_of(*model.layout());
    for (const std::uint32_t slot : {1u, 2u}) {
      const Task task = tiny_task(model, slot, torch::kFloat64);
      const Tensors leaves = leaves_of(parameters);
      Tensors theta = leaves;
      for (std::int64_t k = 0; k < 3; ++k) {
        const auto loss =
            F::cross_entropy(model.forward(theta, task.support, {k}), task.support.labels);
        // With respect to what moves alone: from the second step on it depends on the rates.
        std::vector<std::size_t> fast, rates;
        Tensors moving;
        for (const auto& [name, i] : places) {
          const auto rate = places.find("learner.rate." + name);
          if (rate == places.end()) continue;
          fast.push_back(i);
          rates.push_back(rate->second);
          moving.push_back(theta[i]);
        }
        const auto g = torch::autograd::grad({loss}, moving, {}, true, true, true);
        for (std::size_t j = 0; j < fast.size(); ++j)
          if (g[j].defined()) theta[fast[j]] = theta[fast[j]] - leaves[rates[j]] * g[j];
      }
      const auto loss = F::cross_entropy(model.forward(theta, task.query, {3}), task.query.labels);
      const auto reference = flat_gradient(*learner, loss, leaves);
      const auto ours = learner->meta_gradient(parameters, task).gradient;
      EXPECT_LT(relative_error(ours, reference), 1e-9);
      // Initialisation and rates each, neither hidden by the larger one.
      const auto mine = model.layout()->views(ours), theirs = model.layout()->views(reference);
      for (const auto& name :
           {"head.weight", "learner.rate.head.weight", "learner.rate.encoder.image.0.conv.weight"})
        if (const auto found = places.find(name); found != places.end()) {
          EXPECT_LT(relative_error(mine[found->second], theirs[found->second]), 1e-9) << name;
        }
    }
  }
}

TEST(MetaSgd, EveryElementOfTheModelHasItsOwnRate) {
  const auto learner = learner_of("meta_sgd", 1);
  const auto& layout = *learner->model().layout();
  const auto places = places_of(layout);
  const auto parameters = ParameterList::initial(learner->model().layout(), 3, torch::kFloat64);
  std::int64_t of_model = 0, of_learner = 0;
  for (const auto& [name, i] : places) {
    const auto& spec = layout.spec(static_cast<std::int64_t>(i));
    if (spec.role == ParameterRole::kLearner) {
      ++of_learner;
      EXPECT_EQ(parameters.tensors()[i].min().item<double>(), 0.1);
      EXPECT_EQ(parameters.tensors()[i].max().item<double>(), 0.1);
      continue;
    }
    ++of_model;
    const auto rate = places.find("learner.rate." + name);
    ASSERT_NE(rate, places.end()) << name;
    EXPECT_EQ(layout.spec(static_cast<std::int64_t>(rate->second)).shape, spec.shape);
  }
  EXPECT_EQ(of_model, of_learner);
}

TEST(MetaSgd, EqualsFiniteDifferences) {
  for (const auto& [fusion, norm] : {std::pair("concat", "batch"), {"gated", "support"}}) {
    const auto learner = learner_of("meta_sgd", 3, fusion, norm);
    expect_differences(*learner, start(*learner, 0.05),
                       tiny_task(learner->model(), 1, torch::kFloat64));
  }
}

TEST(MetaSgd, WhatIsKeptChangesNoBit) {
  for (const std::int64_t steps : {1, 3, 12}) {
    torch::Tensor expected;
    for (const char* keep : {"parameters", "all", "sqrt"}) {
      const auto learner = learner_of("meta_sgd", steps, "concat", "batch", {{"keep", keep}});
      const auto gradient =
          learner
              ->meta_gradient(ParameterList::initial(learner->model().layout(), 3),
                              tiny_task(learner->model(), 1, torch::kFloat32))
              .gradient;
      if (!expected.defined()) expected = gradient;
      EXPECT_TRUE(torch::equal(gradient, expected)) << keep << " " << steps;
    }
  }
}

/// Appendix A of Andrychowicz et al. 2016, number by number.
torch::Tensor two_numbers(const torch::Tensor& x) {
  const auto values = torch::empty({x.numel(), 2}, torch::kFloat64);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double v = x.flatten()[i].item<double>();
    const bool large = std::abs(v) >= std::exp(-10.0);
    values[i][0] = large ? std::log(std::abs(v)) / 10.0 : -1.0;
    values[i][1] = large ? (v > 0 ? 1.0 : -1.0) : std::exp(10.0) * v;
  }
  return values;
}

/// Equations of Ravi and Larochelle 2017, section 3.2, on LibTorch's own LSTM cell, with the
/// model's gradients and losses taken as given.
struct LstmReference {
  Tensors leaves, theta;

  /// What moves has a name that starts with `moves`.
  LstmReference(const Learner& learner, const ParameterList& parameters, const Task& task,
                std::int64_t steps, const std::string& moves = "")
      : leaves(leaves_of(parameters)), theta(leaves) {
    const Model& model = learner.model();
    const auto places = places_of(*model.layout());
    const auto own = [&](const std::string& name) { return leaves[places.at("learner." + name)]; };
    std::map<std::size_t, Tensors> states;  // h, c, f, i by parameter
    for (std::int64_t k = 0; k < steps; ++k) {
      Tensors at;
      for (const auto& value : theta) at.push_back(value.detach().clone().requires_grad_());
      const auto loss = F::cross_entropy(model.forward(at, task.support, {k}), task.support.labels);
      const auto slopes = torch::autograd::grad({loss}, at, {}, false, false, true);
      const auto of_loss = two_numbers(loss.detach());
      for (const auto& [name, p] : places) {
        if (name.rfind("learner.", 0) == 0 || name.rfind(moves, 0) != 0) continue;
        const std::int64_t n = theta[p].numel();
        if (k == 0)
          states[p] = {
              torch::zeros({n, 20}, torch::kFloat64), torch::zeros({n, 20}, torch::kFloat64),
              torch::zeros({n, 1}, torch::kFloat64), torch::zeros({n, 1}, torch::kFloat64)};
        auto& state = states[p];
        const auto g =
            slopes[p].defined() ? slopes[p].flatten() : torch::zeros({n}, torch::kFloat64);
        const auto seen = torch::cat({two_numbers(g), of_loss.expand({n, 2})}, 1);
        const auto [h, c] = torch::lstm_cell(seen, {state[0], state[1]}, own("lstm.weight_ih"),
                                             own("lstm.weight_hh"), own("lstm.bias"),
                                             torch::zeros({80}, torch::kFloat64));
        const auto old = theta[p].reshape({n, 1});
        const auto rate = [&](const std::string& gate, const torch::Tensor& before) {
          return torch::sigmoid(torch::cat({h, old, before}, 1).matmul(own(gate + ".weight").t()) +
                                own(gate + ".bias"));
        };
        const auto forget = rate("forget", state[2]), input = rate("input", state[3]);
        theta[p] = (forget * old - input * g.unsqueeze(1)).reshape(theta[p].sizes());
        state = {h, c, forget, input};
      }
    }
  }
};

TEST(Lstm, GradientOfOptimizerAndInitialisationEqualsThePlainGraph) {
  for (const std::int64_t steps : {1, 3}) {
    const auto learner = learner_of("lstm", steps, "concat", "batch", {{"inner_lr", "0.1"}});
    const auto parameters = start(*learner, 0.3);
    const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
    const LstmReference reference(*learner, parameters, task, steps);
    const auto loss = F::cross_entropy(
        learner->model().forward(reference.theta, task.query, {steps}), task.query.labels);
    const auto expected = flat_gradient(*learner, loss, reference.leaves);
    const auto result = learner->meta_gradient(parameters, task);
    EXPECT_NEAR(result.values[0], loss.item<double>(), 1e-12);
    EXPECT_LT(relative_error(result.gradient, expected), 1e-9) << steps;
    const auto mine = learner->model().layout()->views(result.gradient);
    const auto theirs = learner->model().layout()->views(expected);
    for (const auto& [name, i] : places_of(*learner->model().layout())) {
      if (name.rfind("learner.", 0) != 0 && name.rfind("head", 0) != 0) continue;
      // What leads back into the memory has a part from the second step on.
      if (steps == 1 && name == "learner.lstm.weight_hh") continue;
      EXPECT_GT(largest(theirs[i]), 0.0) << name;
      EXPECT_LT(relative_error(mine[i], theirs[i]), 1e-8) << name;
    }
  }
}

TEST(Lstm, OfAFastSetTakesTheOthersAsTheyAre) {
  const auto learner = learner_of("lstm", 3, "concat", "batch",
                                  {{"inner_lr", "0.1"}, {"fast", "[encoder.image.*]"}});
  const auto parameters = start(*learner, 0.3);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const LstmReference reference(*learner, parameters, task, 3, "encoder.image.");
  const auto outputs = learner->model().forward(reference.theta, task.query, {3});
  const auto expected =
      flat_gradient(*learner, F::cross_entropy(outputs, task.query.labels), reference.leaves);
  EXPECT_LT(relative_error(learner->meta_gradient(parameters, task).gradient, expected), 1e-9);
  const auto predicted = learner->adapt(parameters, task.support, task.key)->predict(task.query);
  EXPECT_LT(largest(predicted - outputs), 1e-11);
}

TEST(Lstm, AdaptsByThePapersEquations) {
  const auto learner = learner_of("lstm", 3, "late");
  const auto parameters = start(*learner, 0.3);
  const Task task = tiny_task(learner->model(), 2, torch::kFloat64);
  const LstmReference reference(*learner, parameters, task, 3);
  const auto expected = learner->model().forward(reference.theta, task.query, {3});
  const auto predicted = learner->adapt(parameters, task.support, task.key)->predict(task.query);
  EXPECT_LT(largest(predicted - expected), 1e-11);
}

/// (X^T D X + lambda I)^-1 X^T D Y: the other side of Woodbury's identity. D are the samples'
/// counts: ones, or such that classes of unequal shots count alike. A part that no sample of the
/// support has says nothing of the query's.
TEST(R2d2, GradientEqualsRidgeRegressionInFeatureSpace) {
  for (const std::string variant : {"concat", "gated", "late", "uneven", "lacking"}) {
    const bool uneven = variant == "uneven", lacking = variant == "lacking";
    const auto fusion = uneven || lacking ? "late" : variant;
    const auto learner = learner_of("r2d2", 1, fusion);
    const Model& model = learner->model();
    const auto parameters = start(*learner, 0.4);
    const auto places = places_of(*model.layout());
    Task task = tiny_task(model, 1, torch::kFloat64);
    auto counts = torch::ones({task.support.size}, torch::kFloat64);
    if (uneven) {  // all but the last two samples are of class 0, these of 1 and 2
      task.support.even = false;
      task.support.labels = torch::zeros_like(task.support.labels);
      task.support.labels[-1] = 1;
      task.support.labels[-2] = 2;
      counts.fill_(static_cast<double>(task.support.size) / 3);
      counts.narrow(0, 0, task.support.size - 2) /= task.support.size - 2;
    }
    if (lacking) {
      std::vector<bool> kept(task.support.modalities.size(), true);
      kept.back() = false;
      task.support = keep_modalities(task.support, kept);
    }
    const Tensors leaves = leaves_of(parameters);
    const auto own = [&](const char* name) { return leaves[places.at(name)]; };
    const auto embedding = model.embed(leaves, concatenate(task.support, task.query), {});
    const std::int64_t n = task.support.size, asked = task.query.size;
    torch::Tensor sum, total;
    for (std::size_t p = 0; p < embedding.parts.size(); ++p) {
      const auto mask = embedding.mask.select(1, static_cast<std::int64_t>(p));
      const auto rows = mask.narrow(0, 0, n).nonzero().squeeze(1);
      const auto x = embedding.parts[p].narrow(0, 0, n).index_select(0, rows);
      const auto y =
          torch::one_hot(task.support.labels, 3).to(torch::kFloat64).index_select(0, rows);
      const auto counted = x.t() * counts.index_select(0, rows);
      const auto normal = counted.matmul(x) +
                          torch::exp(own("learner.ridge")) * torch::eye(x.size(1), torch::kFloat64);
      const auto w = torch::inverse(normal).matmul(counted).matmul(y);
      const auto outputs =
          torch::exp(own("learner.scale")) * embedding.parts[p].narrow(0, n, asked).matmul(w) +
          own("learner.shift");
      const auto weight = (mask.narrow(0, n, asked) * (rows.numel() > 0 ? 1.0 : 0.0) *
                           embedding.weights[static_cast<std::int64_t>(p)])
                              .unsqueeze(1);
      sum = p == 0 ? outputs * weight : sum + outputs * weight;
      total = p == 0 ? weight : total + weight;
    }
    const auto outputs = sum / total.masked_fill(total.eq(0), 1.0);
    const auto loss = F::cross_entropy(outputs, task.query.labels);
    EXPECT_LT(relative_error(learner->meta_gradient(parameters, task).gradient,
                             flat_gradient(*learner, loss, leaves)),
              1e-9)
        << variant;
    EXPECT_LT(
        largest(learner->adapt(parameters, task.support, task.key)->predict(task.query) - outputs),
        1e-9);
    expect_differences(*learner, parameters, task);
  }
}

/// What SNAIL's paper draws, step after step and sample after sample.
struct SnailReference {
  const Tensors& p;
  std::map<std::string, std::size_t> places;

  torch::Tensor own(const std::string& name) const { return p[places.at("learner." + name)]; }
  torch::Tensor affine(const std::string& name, const torch::Tensor& x) const {
    return own(name + ".weight").matmul(x) + own(name + ".bias");
  }
  /// x: a vector per step.
  void attend(const std::string& name, Tensors& x) const {
    if (places.count("learner." + name + ".key.weight") == 0) return;
    Tensors next;
    for (std::size_t t = 0; t < x.size(); ++t) {
      const auto query = affine(name + ".query", x[t]);
      Tensors scores, values;
      for (std::size_t s = 0; s <= t; ++s) {
        scores.push_back(query.dot(affine(name + ".key", x[s])) /
                         std::sqrt(static_cast<double>(query.size(0))));
        values.push_back(affine(name + ".value", x[s]));
      }
      const auto share = torch::softmax(torch::stack(scores), 0);
      next.push_back(torch::cat({x[t], share.matmul(torch::stack(values))}));
    }
    x = next;
  }
  void look_back(const std::string& name, Tensors& x, int blocks) const {
    for (int i = 0; i < blocks; ++i) {
      const std::size_t far = std::size_t{1} << i;
      const std::string block = name + "." + std::to_string(i);
      const auto tap = [&](const std::string& layer, std::size_t t) {
        const auto w = own(block + layer + ".weight");
        auto sum = w.select(2, 1).matmul(x[t]) + own(block + layer + ".bias");
        return t >= far ? sum + w.select(2, 0).matmul(x[t - far]) : sum;
      };
      Tensors next;
      for (std::size_t t = 0; t < x.size(); ++t)
        next.push_back(
            torch::cat({x[t], torch::tanh(tap(".filter", t)) * torch::sigmoid(tap(".gate", t))}));
      x = next;
    }
  }
  torch::Tensor answer(Tensors x, int blocks) const {
    attend("attention1", x);
    look_back("past1", x, blocks);
    attend("attention2", x);
    look_back("past2", x, blocks);
    attend("attention3", x);
    return affine("head", x.back());
  }
};

const std::map<std::string, std::string> kSmallSnail{{"filters", "5"}, {"attention", "6"}};

/// With attention and without.
class SnailAnswers : public testing::TestWithParam<const char*> {};

TEST_P(SnailAnswers, AsThePaperDraws) {
  const auto learner =
      learner_of("snail", 1, "concat", "none", {{"filters", "5"}, {"attention", GetParam()}});
  const Model& model = learner->model();
  const auto parameters = start(*learner, 0.2);
  const Task task = tiny_task(model, 1, torch::kFloat64);
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  // The order is the learner's choice and stands in its state: find it by the pictures and texts.
  const auto labels = adapted->state().at("support.labels");
  const auto rows = adapted->state().at("support.image.rows");
  Batch ordered = task.support;
  ordered.labels = labels;
  ordered.modalities[0] = {adapted->state().at("support.image.values"), {}, rows};
  ordered.modalities[1] = {adapted->state().at("support.text.values"),
                           adapted->state().at("support.text.mask"),
                           adapted->state().at("support.text.rows")};
  const auto known = model.embed(parameters.tensors(), ordered, {}).parts[0];
  const auto asked = model.embed(parameters.tensors(), task.query, {}).parts[0];
  const auto answers = torch::one_hot(labels, 3).to(torch::kFloat64);
  const SnailReference reference{parameters.tensors(), places_of(*model.layout())};
  const auto predicted = adapted->predict(task.query);
  for (std::int64_t i = 0; i < task.query.size; ++i) {
    Tensors steps;
    for (std::int64_t s = 0; s < known.size(0); ++s)
      steps.push_back(torch::cat({known[s], answers[s]}));
    steps.push_back(torch::cat({asked[i], torch::zeros({3}, torch::kFloat64)}));
    // 7 steps: dilations 1, 2, 4.
    EXPECT_LT(largest(predicted[i] - reference.answer(steps, 3)), 1e-11) << i;
  }
  expect_differences(*learner, parameters, task);
}

INSTANTIATE_TEST_SUITE_P(All, SnailAnswers, testing::Values("6", "0"));

TEST(Snail, EqualsFiniteDifferences) {
  for (const auto& [fusion, norm] : {std::pair("concat", "batch"), {"late", "none"}}) {
    const auto learner = learner_of("snail", 1, fusion, norm, kSmallSnail);
    expect_differences(*learner, start(*learner, 0.2),
                       tiny_task(learner->model(), 1, torch::kFloat64));
  }
}

TEST(Snail, AnAnswerIsOfItsOwnQueryAlone) {
  const auto learner = learner_of("snail", 1, "concat", "none", kSmallSnail);
  const auto parameters = start(*learner, 0.2);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  const auto together = adapted->predict(task.query);
  for (std::int64_t i = 0; i < task.query.size; ++i)
    EXPECT_LT(largest(adapted->predict(select_rows(task.query, {i}))[0] - together[i]), 1e-12);
}

TEST(Snail, SupportLabelsMatter) {
  const auto learner = learner_of("snail", 1, "concat", "none", kSmallSnail);
  const auto parameters = start(*learner, 0.2);
  Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto before = learner->adapt(parameters, task.support, task.key)->predict(task.query);
  task.support.labels = (task.support.labels + 1).remainder(3);
  const auto after = learner->adapt(parameters, task.support, task.key)->predict(task.query);
  EXPECT_GT(largest(after - before), 1e-4);
}

/// The key alone chooses the order, so that no place in it belongs to a class.
TEST(Snail, OrderIsTheKeysAndSaysNothingOfClasses) {
  const auto learner = learner_of("snail", 1, "concat", "none", kSmallSnail);
  const auto parameters = start(*learner, 0.2);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto adapt = [&](const RandomKey& key) {
    return learner->adapt(parameters, task.support, key);
  };
  EXPECT_TRUE(
      torch::equal(adapt(task.key)->predict(task.query), adapt(task.key)->predict(task.query)));
  EXPECT_TRUE(torch::equal(learner->meta_gradient(parameters, task).gradient,
                           learner->meta_gradient(parameters, task).gradient));
  std::vector<std::set<std::int64_t>> seen(6);
  bool other_answers = false;
  const auto expected = adapt(task.key)->predict(task.query);
  for (std::uint32_t slot = 0; slot < 40; ++slot) {
    const auto adapted = adapt({9, Stream::kTesting, 0, slot});
    const auto labels = adapted->state().at("support.labels");
    EXPECT_TRUE(torch::equal(std::get<0>(labels.sort()), std::get<0>(task.support.labels.sort())));
    for (std::int64_t s = 0; s < 6; ++s)
      seen[static_cast<std::size_t>(s)].insert(labels[s].item<std::int64_t>());
    other_answers |= !torch::equal(adapted->predict(task.query), expected);
  }
  for (const auto& classes : seen) EXPECT_EQ(classes.size(), 3u);
  EXPECT_TRUE(other_answers);
}

}  // namespace
}  // namespace cuttle
