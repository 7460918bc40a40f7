// The policy gradient in float64 against an exact enumeration: a tiny decision process has few
// trajectories, so that expectations are sums over all of them, and the expected return after
// adaptation a number that can be differentiated by differences. The policy is written once more
// with plain operations.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "adapt/learners/policy_gradient.hpp"
#include "cuttle/core/error.hpp"
#include "task/sources/tabular_mdp.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kStates = 2, kActions = 2, kHorizon = 2;
constexpr double kRate = 0.3;

/// A trajectory of two steps from state 0; where the last action leads to earns nothing more.
struct Trajectory {
  std::int64_t state[kHorizon], action[kHorizon];
};
std::vector<Trajectory> all_trajectories() {
  std::vector<Trajectory> all;
  for (std::int64_t a = 0; a < kActions; ++a)
    for (std::int64_t s = 0; s < kStates; ++s)
      for (std::int64_t b = 0; b < kActions; ++b) all.push_back({{0, s}, {a, b}});
  return all;
}

/// log pi(a | s) [states, actions] by plain operations.
torch::Tensor policy(const Tensors& theta) {
  const auto seen = torch::eye(kStates, torch::kFloat64);
  const auto hidden = torch::relu(seen.matmul(theta[0].t()) + theta[1]);
  const auto logits = hidden.matmul(theta[2].t()) + theta[3];
  return logits - logits.exp().sum(1, true).log();
}

class PolicyGradient : public testing::Test {
 protected:
  PolicyGradient() : mdp({3, Stream::kTesting, 0, 1}, kStates, kActions, kHorizon) {
    torch::set_num_threads(1);
    ModalitySpec spec;
    spec.name = "state";
    spec.kind = ModalityKind::kVector;
    spec.shape = {kStates};
    ModelOptions options;
    options.encoders["state"] =
        Section("mlp", {{"width", "3"}, {"depth", "1"}, {"fused", "false"}});
    model = std::make_shared<Model>(options, std::vector<ModalitySpec>{spec}, kActions, 2,
                                    ModelRegistry{});
    torch::manual_seed(8);
    for (std::int64_t i = 0; i < model->layout()->count(); ++i)
      theta.push_back(torch::randn(model->layout()->spec(i).shape, torch::kFloat64));
    theta[1] = theta[1] + 0.5;  // some hidden units are on
  }

  double earned(const Trajectory& t, int from = 0) const {
    double sum = 0;
    for (int i = from; i < kHorizon; ++i) sum += mdp.reward(t.state[i], t.action[i]);
    return sum;
  }
  double probability(const Trajectory& t, const torch::Tensor& log) const {
    return std::exp(log[t.state[0]][t.action[0]].item<double>() +
                    log[t.state[1]][t.action[1]].item<double>()) *
           mdp.transition(0, t.action[0], t.state[1]);
  }

  Rollout rollout_of(const std::vector<Trajectory>& episodes) const {
    Tensors seen, done, rewards;
    for (const auto& t : episodes)
      for (int i = 0; i < kHorizon; ++i) {
        seen.push_back(torch::eye(kStates, torch::kFloat64)[t.state[i]]);
        done.push_back(torch::tensor(t.action[i], torch::kInt64));
        rewards.push_back(torch::tensor(mdp.reward(t.state[i], t.action[i]), torch::kFloat64));
      }
    return {torch::stack(seen), torch::stack(done),
            torch::stack(rewards).view({static_cast<std::int64_t>(episodes.size()), kHorizon})};
  }

  /// One inner step on one episode, by plain operations: no baseline from others there.
  Tensors moved(const Tensors& from, const Trajectory& t) const {
    Tensors leaves;
    for (const auto& value : from) leaves.push_back(value.detach().clone().requires_grad_());
    const auto log = policy(leaves);
    const auto loss = -(log[t.state[0]][t.action[0]] * earned(t, 0) +
                        log[t.state[1]][t.action[1]] * earned(t, 1));
    const auto g = torch::autograd::grad({loss}, leaves);
    Tensors next;
    for (std::size_t i = 0; i < from.size(); ++i)
      next.push_back((leaves[i] - kRate * g[i]).detach());
    return next;
  }
  /// The exact expected return after `steps` inner steps.
  double expected_return(const Tensors& from, int steps) const {
    const auto log = policy(from);
    double sum = 0;
    for (const auto& t : all_trajectories())
      sum += probability(t, log) *
             (steps == 0 ? earned(t) : expected_return(moved(from, t), steps - 1));
    return sum;
  }
  /// Minus its gradient, by central differences: what an outer step descends.
  torch::Tensor reference(int steps) const {
    std::vector<double> slopes;
    for (std::size_t i = 0; i < theta.size(); ++i)
      for (std::int64_t j = 0; j < theta[i].numel(); ++j) {
        const auto at = [&](double step) {
          Tensors place = theta;
          place[i] = place[i].clone();
          place[i].view({-1})[j] += step;
          return expected_return(place, steps);
        };
        slopes.push_back(-(at(1e-5) - at(-1e-5)) / 2e-5);
      }
    return torch::tensor(slopes, torch::kFloat64);
  }

  /// The estimate's expectation: over every trajectory before each inner step, and over every
  /// `after` episodes that follow.
  torch::Tensor expectation(const PolicyLoop& loop, int after) const {
    torch::Tensor sum = torch::zeros({count()}, torch::kFloat64);
    double whole = 0;
    std::vector<Trajectory> path;
    const auto all = all_trajectories();
    const std::function<void()> visit = [&] {
      if (static_cast<std::int64_t>(path.size()) < loop.steps + after) {
        for (const auto& t : all) {
          path.push_back(t);
          visit();
          path.pop_back();
        }
        return;
      }
      double weight = 1;
      const Actor actor = [&](const Tensors& at, std::int64_t step) {
        const torch::NoGradGuard no_grad;
        const auto first = path.begin() + step;
        const std::vector<Trajectory> episodes(first, step < loop.steps ? first + 1 : path.end());
        for (const auto& t : episodes) weight *= probability(t, policy(at));
        return rollout_of(episodes);
      };
      const auto [gradient, mean] = policy_gradient(*model, theta, actor, loop);
      double by_hand = 0;
      for (auto t = path.begin() + loop.steps; t != path.end(); ++t) by_hand += earned(*t) / after;
      EXPECT_NEAR(mean, by_hand, 1e-12);
      Tensors flat;
      for (const auto& part : gradient) flat.push_back(part.flatten());
      sum += weight * torch::cat(flat);
      whole += weight;
    };
    visit();
    EXPECT_NEAR(whole, 1.0, 1e-12);  // the probabilities of all that can happen
    return sum;
  }
  std::int64_t count() const {
    std::int64_t n = 0;
    for (const auto& value : theta) n += value.numel();
    return n;
  }
  static double relative_error(const torch::Tensor& value, const torch::Tensor& reference) {
    return (value - reference).norm().item<double>() / reference.norm().item<double>();
  }

  TabularMdp mdp;
  std::shared_ptr<Model> model;
  Tensors theta;
};

TEST_F(PolicyGradient, IsUnbiasedWithSecondOrderAndExploration) {
  const auto exact = reference(1);
  ASSERT_GT(exact.norm().item<double>(), 1e-2);
  EXPECT_LT(relative_error(expectation({1, kRate, true, true}, 1), exact), 1e-6);
}

TEST_F(PolicyGradient, IsBiasedWithoutEither) {
  const auto exact = reference(1);
  EXPECT_GT(relative_error(expectation({1, kRate, true, false}, 1), exact), 1e-2);
  EXPECT_GT(relative_error(expectation({1, kRate, false, true}, 1), exact), 1e-2);
  EXPECT_GT(relative_error(expectation({1, kRate, false, false}, 1), exact), 1e-2);
}

TEST_F(PolicyGradient, IsUnbiasedThroughTwoInnerSteps) {
  EXPECT_LT(relative_error(expectation({2, kRate, true, true}, 1), reference(2)), 1e-6);
}

/// The mean over the other episodes takes noise away and adds no bias.
TEST_F(PolicyGradient, IsUnbiasedWithTheOtherEpisodesAsBaseline) {
  EXPECT_LT(relative_error(expectation({1, kRate, true, true}, 2), reference(1)), 1e-6);
}

TEST_F(PolicyGradient, WithoutAdaptationItIsTheReturnsOwn) {
  EXPECT_LT(relative_error(expectation({0, kRate, true, true}, 1), reference(0)), 1e-6);
  EXPECT_LT(relative_error(expectation({0, kRate, false, false}, 2), reference(0)), 1e-6);
}

/// What is acted out has the policy's and the process's probabilities.
TEST_F(PolicyGradient, RolloutsFollowPolicyAndProcess) {
  constexpr std::int64_t kEpisodes = 40000;
  const Rollout rollout = roll_out(*model, theta, mdp, kEpisodes, {5, Stream::kTesting, 0, 3}, {});
  const auto observations = rollout.observations.view({kEpisodes, kHorizon, kStates});
  const auto actions = rollout.actions.view({kEpisodes, kHorizon});
  const auto state = observations.argmax(2);
  const auto log = policy(theta);
  double all = 0;
  for (const auto& t : all_trajectories()) {
    const auto same = state.select(1, 0).eq(t.state[0]) * state.select(1, 1).eq(t.state[1]) *
                      actions.select(1, 0).eq(t.action[0]) * actions.select(1, 1).eq(t.action[1]);
    const double share = same.to(torch::kFloat64).mean().item<double>();
    const double p = probability(t, log);
    EXPECT_NEAR(share, p, 5 * std::sqrt(p * (1 - p) / kEpisodes));
    all += share;
    const auto rows = same.nonzero().squeeze(1);
    if (rows.numel() == 0) continue;
    const auto rewards = rollout.rewards.index_select(0, rows);
    for (int i = 0; i < kHorizon; ++i) {
      const double reward = mdp.reward(t.state[i], t.action[i]);
      EXPECT_NEAR(rewards.select(1, i).min().item<double>(), reward, 1e-12);
      EXPECT_NEAR(rewards.select(1, i).max().item<double>(), reward, 1e-12);
    }
  }
  EXPECT_NEAR(all, 1.0, 1e-12);
  const auto taken = log_policy(*model, theta, rollout, {});
  const auto by_hand = log.index_select(0, state.flatten())
                           .gather(1, actions.reshape({-1, 1}))
                           .view({kEpisodes, kHorizon});
  EXPECT_LT((taken - by_hand).abs().max().item<double>(), 1e-12);
}

TEST_F(PolicyGradient, SameKeySameRolloutAnotherKeyAnother) {
  const auto actions = [&](std::uint32_t slot) {
    return roll_out(*model, theta, mdp, 50, {5, Stream::kTesting, 0, slot}, {}).actions;
  };
  EXPECT_TRUE(torch::equal(actions(3), actions(3)));
  EXPECT_FALSE(torch::equal(actions(3), actions(4)));
}

/// The learner on this model; `values`: its keys.
struct Acting {
  Acting(const std::shared_ptr<Model>& model, const Tensors& theta, const TabularMdp& mdp,
         std::map<std::string, std::string> values)
      : section("maml_rl", std::move(values)),
        kind(builtin_task_kinds().at("return").make({target})),
        learner(make_learner(
            builtin_learners(),
            {section, model, kind, std::make_shared<const Objectives>(), model->declare()})),
        parameters(model->layout(), model->layout()->flatten(theta)) {
    task.key = {7, Stream::kTesting, 0, 2};
    task.support.environment = task.query.environment = std::make_shared<const TabularMdp>(mdp);
    task.support.size = 1;
    task.query.size = 30;
  }
  Section section, target{"return"};
  std::shared_ptr<const TaskKind> kind;
  std::unique_ptr<const Learner> learner;
  ParameterList parameters;
  Task task;
};

TEST_F(PolicyGradient, TheLearnersGradientIsThatOfWhatItActsOut) {
  const Acting acting(model, theta, mdp, {{"inner_steps", "2"}, {"inner_lr", "0.3"}});
  const auto& [learner, task] = std::tie(acting.learner, acting.task);
  const auto result = learner->meta_gradient(acting.parameters, task);
  EXPECT_EQ(learner->reports(), (std::vector<std::string>{"loss", "return"}));
  EXPECT_EQ(result.values[0], -result.values[1]);
  EXPECT_GT(result.gradient.norm().item<double>(), 1e-4);
  EXPECT_TRUE(
      torch::equal(result.gradient, learner->meta_gradient(acting.parameters, task).gradient));
  const auto adapted = learner->adapt(acting.parameters, task.support, task.key);
  EXPECT_EQ(adapted->predict(task.query).sizes(), torch::IntArrayRef({30, 1}));
  EXPECT_TRUE(torch::equal(learner->restore(adapted->state(), 0)->predict(task.query),
                           adapted->predict(task.query)));
}

/// With very many episodes chance averages out: an inner step climbs the exact expected return, and
/// the outer gradient of no inner steps is minus its slope; what is earned is what is expected.
TEST_F(PolicyGradient, OverManyEpisodesTheLearnerClimbsTheExpectedReturn) {
  const auto slope = -reference(0);
  const auto unpacked = [&](const torch::Tensor& flat) {
    Tensors parts;
    for (const auto& part : model->layout()->views(flat)) parts.push_back(part.flatten());
    return torch::cat(parts);
  };
  Acting one(model, theta, mdp, {{"inner_steps", "1"}, {"inner_lr", "0.3"}});
  one.task.support.size = one.task.query.size = 40000;
  const auto adapted = one.learner->adapt(one.parameters, one.task.support, one.task.key);
  const auto way = unpacked(adapted->state().at("fast_weights") - one.parameters.flat());
  EXPECT_LT(relative_error(way / kRate, slope), 0.05);
  Tensors moved;
  for (std::size_t i = 0; i < theta.size(); ++i)
    moved.push_back(model->layout()->views(adapted->state().at("fast_weights"))[i]);
  EXPECT_NEAR(adapted->predict(one.task.query).mean().item<double>(), expected_return(moved, 0),
              0.03);
  EXPECT_NEAR(one.learner->meta_gradient(one.parameters, one.task).values[1],
              expected_return(moved, 0), 0.03);

  Acting none(model, theta, mdp, {{"inner_steps", "0"}});
  none.task.query.size = 40000;
  const auto result = none.learner->meta_gradient(none.parameters, none.task);
  EXPECT_LT(relative_error(unpacked(result.gradient), -slope), 0.05);
  EXPECT_NEAR(result.values[1], expected_return(theta, 0), 0.03);
}

TEST_F(PolicyGradient, SamplesAreRefused) {
  const Section section("maml_rl"), target("class");
  const std::shared_ptr<const TaskKind> kind = builtin_task_kinds().at("class").make({target});
  EXPECT_THROW(
      make_learner(builtin_learners(),
                   {section, model, kind, std::make_shared<const Objectives>(), model->declare()}),
      UserError);
}

}  // namespace
}  // namespace cuttle
