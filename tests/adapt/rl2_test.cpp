// RL^2 in float64 against an exact enumeration: a trial of two short episodes in a tiny decision
// process has 64 courses, so what is expected is a sum over all of them. Memory, policy, values and
// advantages are written once more with plain operations.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/core/error.hpp"
#include "task/sources/tabular_mdp.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kStates = 2, kActions = 2, kHorizon = 2, kHidden = 3;
using Named = std::map<std::string, torch::Tensor>;

/// Every course of `episodes` episodes: [courses, steps] each.
struct Courses {
  torch::Tensor states, actions, rewards;
  torch::Tensor chances;  ///< of where the process goes, [courses]
};

class Rl2 : public testing::Test {
 protected:
  Rl2() : mdp({3, Stream::kTesting, 0, 1}, kStates, kActions, kHorizon) {
    torch::set_num_threads(1);
    task.key = {7, Stream::kTesting, 0, 2};
    task.support.environment = task.query.environment = std::make_shared<const TabularMdp>(mdp);
    task.support.size = 1;
    task.query.size = 40000;
  }

  void make(std::map<std::string, std::string> values) {
    ModalitySpec spec;
    spec.name = "state";
    spec.kind = ModalityKind::kVector;
    spec.shape = {kStates};
    ModelOptions options;
    options.encoders["state"] =
        Section("mlp", {{"width", "3"}, {"depth", "1"}, {"fused", "false"}});
    model =
        std::make_shared<Model>(options, std::vector<ModalitySpec>{spec}, 0, 0, ModelRegistry{});
    values["hidden"] = std::to_string(kHidden);
    section = Section("rl2", values);
    kind = builtin_task_kinds().at(target.type).make({target});
    learner = make_learner(builtin_learners(),
                           {section, model, kind, std::make_shared<const Objectives>(),
                            model->declare(), TaskInputs{{spec}, kActions}});
    torch::manual_seed(8);
    std::vector<torch::Tensor> start;
    const auto layout = model->layout();
    for (std::int64_t i = 0; i < layout->count(); ++i)
      start.push_back(torch::randn(layout->spec(i).shape, torch::kFloat64));
    start[1] = start[1] + 0.5;  // some hidden units are on
    parameters = std::make_unique<ParameterList>(layout, layout->flatten(start));
  }

  Named leaves() const {
    Named named;
    for (std::int64_t i = 0; i < model->layout()->count(); ++i)
      named[model->layout()->spec(i).name] =
          parameters->tensors()[static_cast<std::size_t>(i)].clone().requires_grad_();
    return named;
  }
  torch::Tensor gradient(const torch::Tensor& loss, const Named& p) const {
    Tensors inputs;
    for (std::int64_t i = 0; i < model->layout()->count(); ++i)
      inputs.push_back(p.at(model->layout()->spec(i).name));
    return model->layout()->flatten(torch::autograd::grad({loss}, inputs, {}, false, false, true));
  }

  Courses all(std::int64_t episodes) const {
    std::vector<std::int64_t> states, actions;
    std::vector<double> rewards, chances;
    const std::int64_t count = 1 << 3 * episodes;
    for (std::int64_t course = 0; course < count; ++course) {
      double chance = 1;
      for (std::int64_t e = 0; e < episodes; ++e) {
        const std::int64_t bits = course >> 3 * e, a = bits & 1, s = bits >> 1 & 1,
                           b = bits >> 2 & 1;
        for (const auto& [state, action] : {std::pair(std::int64_t{0}, a), std::pair(s, b)}) {
          states.push_back(state);
          actions.push_back(action);
          rewards.push_back(mdp.reward(state, action));
        }
        chance *= mdp.transition(0, a, s);
      }
      chances.push_back(chance);
    }
    return {torch::tensor(states).view({count, -1}), torch::tensor(actions).view({count, -1}),
            torch::tensor(rewards, torch::kFloat64).view({count, -1}),
            torch::tensor(chances, torch::kFloat64)};
  }

  /// log pi of all actions [courses, steps, actions] and values [courses, steps], from a memory
  /// [hidden] and last inputs [actions + 2].
  std::pair<torch::Tensor, torch::Tensor> agent(const Named& p, const Courses& courses,
                                                const torch::Tensor& memory,
                                                const torch::Tensor& first) const {
    const std::int64_t n = courses.states.size(0), steps = courses.states.size(1);
    const auto at = [&](const char* name) { return p.at(std::string("learner.") + name); };
    const auto chunk = [&](const char* name, std::int64_t gate) {
      return at(name).narrow(0, gate * kHidden, kHidden);
    };
    torch::Tensor h = memory.expand({n, kHidden}), last = first.expand({n, kActions + 2});
    Tensors logs, values;
    for (std::int64_t t = 0; t < steps; ++t) {
      const auto seen = torch::one_hot(courses.states.select(1, t), kStates).to(torch::kFloat64);
      const auto embedded = torch::relu(seen.matmul(p.at("encoder.state.0.weight").t()) +
                                        p.at("encoder.state.0.bias"));
      const auto x = torch::cat({embedded, last}, 1);
      const auto in = [&](std::int64_t g) {
        return x.matmul(chunk("memory.in", g).t()) + chunk("memory.in_bias", g);
      };
      const auto back = [&](std::int64_t g) {
        return h.matmul(chunk("memory.back", g).t()) + chunk("memory.back_bias", g);
      };
      const auto reset = torch::sigmoid(in(0) + back(0)), keep = torch::sigmoid(in(1) + back(1));
      h = (1 - keep) * torch::tanh(in(2) + reset * back(2)) + keep * h;
      const auto logits = h.matmul(at("policy").t()) + at("policy_bias");
      logs.push_back(logits - logits.exp().sum(1, true).log());
      if (p.count("learner.value") > 0)
        values.push_back((h.matmul(at("value").t()) + at("value_bias")).squeeze(1));
      const double ended = (t + 1) % kHorizon == 0 ? 1.0 : 0.0;
      last = torch::cat({torch::one_hot(courses.actions.select(1, t), kActions).to(torch::kFloat64),
                         told * courses.rewards.select(1, t).unsqueeze(1),
                         torch::full({n, 1}, ended, torch::kFloat64)},
                        1);
    }
    return {torch::stack(logs, 1), values.empty() ? torch::Tensor() : torch::stack(values, 1)};
  }
  static torch::Tensor taken(const torch::Tensor& logs, const Courses& courses) {
    return logs.gather(2, courses.actions.unsqueeze(2)).squeeze(2);
  }
  std::pair<torch::Tensor, torch::Tensor> fresh(const Named& p, const Courses& courses) const {
    return agent(p, courses, torch::zeros({kHidden}, torch::kFloat64),
                 torch::zeros({kActions + 2}, torch::kFloat64));
  }
  static double relative_error(const torch::Tensor& value, const torch::Tensor& reference) {
    return (value - reference).norm().item<double>() / reference.norm().item<double>();
  }

  TabularMdp mdp;
  double told = 1;  ///< of rewards
  Task task;
  Section section{"rl2"}, target{"return"};
  std::shared_ptr<Model> model;
  std::shared_ptr<const TaskKind> kind;
  std::unique_ptr<const Learner> learner;
  std::unique_ptr<ParameterList> parameters;
};

/// Without discount and with lambda 1 the values are a baseline that adds no bias.
TEST_F(Rl2, GradientIsThatOfTheTrialsExpectedReturn) {
  make({{"discount", "1"}, {"lambda", "1"}, {"value_weight", "0"}, {"entropy", "0"}});
  const auto result = learner->meta_gradient(*parameters, task);
  const Named p = leaves();
  const Courses courses = all(2);
  const auto chance = taken(fresh(p, courses).first, courses).sum(1).exp() * courses.chances;
  EXPECT_NEAR(chance.sum().item<double>(), 1.0, 1e-12);
  const auto expected = (chance * courses.rewards.sum(1)).sum();
  const double steps = 2 * kHorizon;
  EXPECT_LT(relative_error(result.gradient, gradient(-expected / steps, p)), 0.05);
  const auto counted = (chance * courses.rewards.narrow(1, kHorizon, kHorizon).sum(1)).sum();
  EXPECT_NEAR(result.values[1], counted.item<double>(), 0.03);
  EXPECT_EQ(result.values[0], -result.values[1]);
}

TEST_F(Rl2, LossIsTheActorCriticsWithTheGeneralisedAdvantage) {
  make({{"discount", "0.9"}, {"lambda", "0.5"}, {"value_weight", "0.7"}, {"entropy", "0.2"}});
  const auto result = learner->meta_gradient(*parameters, task);
  const Named p = leaves();
  const Courses courses = all(2);
  const auto [logs, values] = fresh(p, courses);
  const auto chance = (taken(logs, courses).sum(1).exp() * courses.chances).detach();
  // Straight from the definition: a sum over what comes.
  const auto v = torch::constant_pad_nd(values.detach(), {0, 1});
  const std::int64_t steps = courses.states.size(1);
  Tensors advantages;
  for (std::int64_t t = 0; t < steps; ++t) {
    auto sum = torch::zeros({courses.states.size(0)}, torch::kFloat64);
    for (std::int64_t l = 0; t + l < steps; ++l)
      sum = sum + std::pow(0.9 * 0.5, l) * (courses.rewards.select(1, t + l) +
                                            0.9 * v.select(1, t + l + 1) - v.select(1, t + l));
    advantages.push_back(sum);
  }
  const auto advantage = torch::stack(advantages, 1);
  const auto aim = advantage + values.detach();
  const auto entropy = -(logs.exp() * logs).sum(2);
  const auto each =
      -taken(logs, courses) * advantage + 0.7 * (values - aim).square() - 0.2 * entropy;
  EXPECT_LT(relative_error(result.gradient, gradient((chance * each.mean(1)).sum(), p)), 0.03);
}

/// What the other copies earn is no function of what a copy does, so it shifts nothing.
TEST_F(Rl2, BesideTheOtherCopiesItGoesByWhatCame) {
  make({{"baseline", "others"}, {"discount", "0.5"}, {"entropy", "0"}});
  const Named p = leaves();
  EXPECT_EQ(p.count("learner.value"), 0U);
  const Courses courses = all(2);
  const auto logs = fresh(p, courses).first;
  const auto chance = (taken(logs, courses).sum(1).exp() * courses.chances).detach();
  const std::int64_t steps = courses.states.size(1);
  Tensors to_go;
  for (std::int64_t t = 0; t < steps; ++t) {
    auto sum = torch::zeros({courses.states.size(0)}, torch::kFloat64);
    for (std::int64_t l = 0; t + l < steps; ++l)
      sum = sum + std::pow(0.5, l) * courses.rewards.select(1, t + l);
    to_go.push_back(sum);
  }
  const auto gain = (taken(logs, courses) * torch::stack(to_go, 1)).mean(1);
  const auto expected = gradient(-(chance * gain).sum(), p);
  EXPECT_LT(relative_error(learner->meta_gradient(*parameters, task).gradient, expected), 0.03);
  task.query.size = 5;  // of few copies a discount tells
  const auto discounted = learner->meta_gradient(*parameters, task).gradient;
  make({{"baseline", "others"}, {"discount", "1"}, {"entropy", "0"}});
  EXPECT_GT(relative_error(discounted, learner->meta_gradient(*parameters, task).gradient), 0.05);
}

/// An action earns `base`, and `more` times its number.
class Paid final : public Environment {
 public:
  Paid(const RandomKey& key, double base, double more)
      : Environment(key), base_(base), more_(more) {}
  std::int64_t actions() const override { return kActions; }
  std::int64_t horizon() const override { return kHorizon; }
  std::unique_ptr<Course> begin(std::int64_t episodes, const RandomKey&) const override {
    return std::make_unique<Work>(*this, episodes);
  }

 private:
  struct Work final : Course {
    Work(const Paid& paid, std::int64_t episodes) : by(paid), copies(episodes) {}
    torch::Tensor observe() const override { return torch::ones({copies, kStates}); }
    std::vector<double> act(const std::vector<std::int64_t>& actions) override {
      std::vector<double> rewards;
      for (const auto action : actions)
        rewards.push_back(by.base_ + by.more_ * static_cast<double>(action));
      return rewards;
    }
    const Paid& by;
    std::int64_t copies;
  };
  double base_, more_;
};

TEST_F(Rl2, WhatAllCopiesEarnAlikeTeachesNothing) {
  make({{"baseline", "others"}, {"entropy", "0"}});
  task.support.environment = task.query.environment = std::make_shared<const Paid>(task.key, 1, 0);
  const auto slope = [&](std::int64_t copies) {
    task.query.size = copies;
    return learner->meta_gradient(*parameters, task).gradient.abs().max().item<double>();
  };
  EXPECT_LT(slope(3), 1e-12);
  EXPECT_GT(slope(1), 1e-3);  // nobody is beside it
}

/// Neither what all rewards have more nor, where no values are learned, their unit.
TEST_F(Rl2, NormalisedAdvantagesKnowNoUnits) {
  task.query.size = 7;
  for (const std::string baseline : {"others", "values"}) {
    const auto slope = [&](double base, double more, const std::string& normalise) {
      make({{"baseline", baseline},
            {"discount", "0"},
            {"value_weight", "0"},
            {"entropy", "0"},
            {"reward_scale", "1e-12"},
            {"normalise", normalise}});
      task.query.environment = std::make_shared<const Paid>(task.key, base, more);
      return learner->meta_gradient(*parameters, task).gradient;
    };
    const auto one = slope(0, 1, "true"), same = slope(2, baseline == "others" ? 5 : 1, "true");
    EXPECT_LT(relative_error(same, one), 1e-6) << baseline;
    EXPECT_GT(relative_error(slope(0, 1, "false"), one), 0.1) << baseline;
  }
}

/// The memory that the first episode left is what later ones start from.
TEST_F(Rl2, InUseItGoesOnFromTheFirstEpisodesMemory) {
  told = 3;
  make({{"reward_scale", "3"}});
  task.support.size = 3;
  const auto adapted = learner->adapt(*parameters, task.support, task.key);
  const auto state = adapted->state();
  EXPECT_GT(state.at("memory").abs().max().item<double>(), 0.05);
  EXPECT_EQ(state.at("last").view({-1})[kActions + 1].item<double>(), 1.0);  // an episode ended
  const Courses courses = all(1);
  const auto logs = agent(leaves(), courses, state.at("memory"), state.at("last")).first;
  const auto chance = taken(logs, courses).sum(1).exp() * courses.chances;
  const auto returns = adapted->predict(task.query);
  EXPECT_EQ(returns.sizes(), torch::IntArrayRef({task.query.size, 1}));
  EXPECT_NEAR(returns.mean().item<double>(), (chance * courses.rewards.sum(1)).sum().item<double>(),
              0.03);
  EXPECT_TRUE(torch::equal(learner->restore(state, 0)->predict(task.query), returns));
  task.support.size = 2;
  EXPECT_FALSE(
      torch::equal(learner->adapt(*parameters, task.support, task.key)->state().at("memory"),
                   state.at("memory")));
}

TEST_F(Rl2, MemoryOfAnEpisodeLearnsNothingFromEarlierOnes) {
  make({{"memory", "episode"},
        {"discount", "1"},
        {"lambda", "1"},
        {"value_weight", "0"},
        {"entropy", "0"}});
  const auto adapted = learner->adapt(*parameters, task.support, task.key);
  EXPECT_EQ(adapted->state().at("memory").abs().max().item<double>(), 0.0);
  const Named p = leaves();
  const Courses courses = all(1);
  const auto chance = taken(fresh(p, courses).first, courses).sum(1).exp() * courses.chances;
  const auto expected = (chance * courses.rewards.sum(1)).sum();
  EXPECT_NEAR(adapted->predict(task.query).mean().item<double>(), expected.item<double>(), 0.03);
  EXPECT_LT(relative_error(learner->meta_gradient(*parameters, task).gradient,
                           gradient(-expected / kHorizon, p)),
            0.05);
}

TEST_F(Rl2, AnotherKeyIsAnotherTrialTheSameKeyTheSame) {
  make({});
  task.query.size = 5;
  const auto once = learner->meta_gradient(*parameters, task).gradient;
  EXPECT_TRUE(torch::equal(learner->meta_gradient(*parameters, task).gradient, once));
  task.key.slot = 3;
  EXPECT_FALSE(torch::equal(learner->meta_gradient(*parameters, task).gradient, once));
}

TEST_F(Rl2, SamplesAreRefused) {
  target = Section("class");
  target = Section("class");
  EXPECT_THROW(make({}), UserError);
}

}  // namespace
}  // namespace cuttle
