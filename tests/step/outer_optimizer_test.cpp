// The outer update against the papers' formulas, element by element in double.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <functional>

#include "cuttle/core/error.hpp"
#include "cuttle/step/outer_optimizer.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<float> kStart = {1.0f, -2.0f, 0.5f, 3.0f};

OuterOptimizer outer(const StepOptions& options, std::int64_t total_steps = 10) {
  return {options, total_steps, builtin_optimizers()};
}

StepOptions options_with(Section optimizer, double outer_lr) {
  StepOptions options;
  options.optimizer = std::move(optimizer);
  options.outer_lr = outer_lr;
  return options;
}

ParameterList parameters_of(const std::vector<float>& values) {
  auto layout = std::make_shared<ParameterLayout>();
  layout->add({"weight", {static_cast<std::int64_t>(values.size())}});
  auto flat = torch::zeros({layout->flat_size()});
  std::copy(values.begin(), values.end(), flat.data_ptr<float>());
  return {layout, flat};
}

/// The gradient of update `t` (1, 2, ...), as long as the flat buffer.
std::vector<float> gradient_of(int t, const TrainState& state) {
  std::vector<float> gradient(static_cast<std::size_t>(state.parameters.flat().numel()), 0.0f);
  for (std::size_t i = 0; i < kStart.size(); ++i)
    gradient[i] = std::sin(static_cast<float>(3 * t + 2 * static_cast<int>(i)));
  return gradient;
}

double value(const TrainState& state, std::size_t i) {
  return state.parameters.flat()[static_cast<std::int64_t>(i)].item<double>();
}

std::vector<std::string> slot_names(const TrainState& state) {
  std::vector<std::string> names;
  for (const auto& slot : state.slots) names.push_back(slot.name);
  return names;
}

/// A rule for one element, in double: its value and slots after update `t` with gradient g.
using Rule = std::function<void(double& theta, std::vector<double>& slots, double g, int t)>;

/// Follows seven updates by the optimizer and by the rule; returns the state that they left.
TrainState expect_rule(const StepOptions& options, std::size_t slots, const Rule& rule) {
  const auto optimizer = outer(options, 100);
  TrainState state = optimizer.start(parameters_of(kStart));
  EXPECT_EQ(state.slots.size(), slots);
  std::vector<double> theta(kStart.begin(), kStart.end());
  std::vector<std::vector<double>> kept(kStart.size(), std::vector<double>(slots, 0.0));
  for (int t = 1; t <= 7; ++t) {
    const auto gradient = gradient_of(t, state);
    optimizer.apply(state, Span<const float>(gradient));
    ++state.step;
    for (std::size_t i = 0; i < kStart.size(); ++i) {
      rule(theta[i], kept[i], gradient[i], t);
      EXPECT_NEAR(value(state, i), theta[i], 1e-6) << "update " << t;
      for (std::size_t s = 0; s < slots; ++s)
        EXPECT_NEAR(state.slots[s].values[static_cast<std::int64_t>(i)].item<double>(), kept[i][s],
                    1e-6)
            << state.slots[s].name << " after update " << t;
    }
  }
  EXPECT_EQ(state.updates, 7);
  // Where there is no parameter there stays nothing.
  const auto size = static_cast<std::int64_t>(kStart.size());
  for (const auto& slot : state.slots) EXPECT_FALSE(slot.values.slice(0, size).any().item<bool>());
  EXPECT_FALSE(state.parameters.flat().slice(0, size).any().item<bool>());
  return state;
}

TEST(OuterOptimizer, AdamWithDecoupledWeightDecay) {
  auto options = options_with(Section("adam", {{"beta1", "0.8"}, {"beta2", "0.95"}}), 0.01);
  options.weight_decay = 0.1;
  const auto state =
      expect_rule(options, 2, [](double& theta, std::vector<double>& slots, double g, int t) {
        double &m = slots[0], &v = slots[1];
        m = 0.8 * m + 0.2 * g;
        v = 0.95 * v + 0.05 * g * g;
        const double corrected =
            (m / (1 - std::pow(0.8, t))) / (std::sqrt(v / (1 - std::pow(0.95, t))) + 1e-8);
        theta -= 0.01 * 0.1 * theta + 0.01 * corrected;
      });
  EXPECT_THAT(slot_names(state), ElementsAre("first_moment", "second_moment"));
}

TEST(OuterOptimizer, L1DrawsToZeroAndLeavesThere) {
  auto options = options_with("sgd", 0.5);
  options.l1 = 0.8;
  const auto state =
      expect_rule(options, 1, [](double& theta, std::vector<double>& slots, double g, int) {
        slots[0] = g;
        theta -= 0.5 * g;
        theta = theta > 0.4 ? theta - 0.4 : theta < -0.4 ? theta + 0.4 : 0;
      });
  EXPECT_NE(value(state, 0), 0);
  EXPECT_EQ(value(state, 3), 0);
}

TEST(OuterOptimizer, AdamsEpsilonIsBesideTheRoot) {
  const auto options = options_with(Section("adam", {{"epsilon", "0.5"}}), 0.1);
  expect_rule(options, 2, [](double& theta, std::vector<double>& slots, double g, int t) {
    slots[0] = 0.9 * slots[0] + 0.1 * g;
    slots[1] = 0.999 * slots[1] + 0.001 * g * g;
    const double m = slots[0] / (1 - std::pow(0.9, t)), v = slots[1] / (1 - std::pow(0.999, t));
    theta -= 0.1 * m / (std::sqrt(v) + 0.5);
  });
}

TEST(OuterOptimizer, SgdWithMomentum) {
  const auto options = options_with(Section("sgd", {{"momentum", "0.9"}}), 0.1);
  const auto state =
      expect_rule(options, 1, [](double& theta, std::vector<double>& slots, double g, int) {
        slots[0] = 0.9 * slots[0] + g;
        theta -= 0.1 * slots[0];
      });
  EXPECT_THAT(slot_names(state), ElementsAre("first_moment"));
}

TEST(OuterOptimizer, SgdIsWithoutMomentumUnlessAsked) {
  expect_rule(options_with("sgd", 0.1), 1,
              [](double& theta, std::vector<double>& slots, double g, int) {
                slots[0] = g;
                theta -= 0.1 * g;
              });
}

TEST(OuterOptimizer, LionWithDecoupledWeightDecay) {
  // Shares so far apart that the mean is often of another sign than what the step follows.
  auto options = options_with(Section("lion", {{"beta1", "0.6"}, {"beta2", "0.1"}}), 0.01);
  options.weight_decay = 0.1;
  int against_the_mean = 0;
  const auto state =
      expect_rule(options, 1, [&](double& theta, std::vector<double>& slots, double g, int) {
        const double followed = 0.6 * slots[0] + 0.4 * g;
        slots[0] = 0.1 * slots[0] + 0.9 * g;
        theta -= 0.01 * ((followed > 0 ? 1.0 : -1.0) + 0.1 * theta);
        against_the_mean += followed * slots[0] < 0;
      });
  EXPECT_THAT(slot_names(state), ElementsAre("first_moment"));
  EXPECT_GE(against_the_mean, 3);
}

TEST(OuterOptimizer, LionsSharesAreThePapersUnlessGiven) {
  expect_rule(options_with("lion", 0.01), 1,
              [](double& theta, std::vector<double>& slots, double g, int) {
                theta -= 0.01 * (0.9 * slots[0] + 0.1 * g > 0 ? 1.0 : -1.0);
                slots[0] = 0.99 * slots[0] + 0.01 * g;
              });
}

TEST(OuterOptimizer, LionLeavesWhatHasNoGradient) {
  const auto optimizer = outer(options_with("lion", 0.5));
  TrainState state = optimizer.start(parameters_of({1.0f, 2.0f}));
  std::vector<float> gradient(static_cast<std::size_t>(state.parameters.flat().numel()), 0.0f);
  gradient[1] = 1e-20f;
  optimizer.apply(state, Span<const float>(gradient));
  EXPECT_EQ(value(state, 0), 1.0);
  EXPECT_EQ(value(state, 1), 1.5);
}

TEST(OuterOptimizer, ClipsByNormAndByValueAndReportsTheNormBefore) {
  auto options = options_with("sgd", 1.0);
  options.clip = "norm";
  options.clip_at = 2.5;
  TrainState state = outer(options).start(parameters_of({0.0f, 0.0f}));
  std::vector<float> gradient(static_cast<std::size_t>(state.parameters.flat().numel()), 0.0f);
  gradient[0] = 3.0f;
  gradient[1] = -4.0f;
  EXPECT_DOUBLE_EQ(outer(options).apply(state, Span<const float>(gradient)), 5.0);
  EXPECT_FLOAT_EQ(value(state, 0), -1.5);
  EXPECT_FLOAT_EQ(value(state, 1), 2.0);
  options.clip = "value";
  options.clip_at = 3.5;
  state = outer(options).start(parameters_of({0.0f, 0.0f}));
  EXPECT_DOUBLE_EQ(outer(options).apply(state, Span<const float>(gradient)), 5.0);
  EXPECT_FLOAT_EQ(value(state, 0), -3.0);
  EXPECT_FLOAT_EQ(value(state, 1), 3.5);
}

TEST(OuterOptimizer, EachParameterGoesByItsOwnRule) {
  auto layout = std::make_shared<ParameterLayout>();
  const auto add = [&](const char* name, const OuterRule& rule) {
    ParameterSpec spec{name, {1}};
    spec.outer = rule;
    layout->add(spec);
  };
  OuterRule slow, kept, bounded;
  slow.rate = 0.5;
  kept.decay = false;
  bounded.low = -0.1;
  bounded.high = 0.1;
  add("plain", {});
  add("slow", slow);
  add("kept", kept);
  add("low", bounded);
  add("high", bounded);
  add("last", {});
  auto options = options_with("sgd", 1.0);
  options.weight_decay = 0.1;
  TrainState state =
      outer(options).start(ParameterList(layout, torch::zeros({layout->flat_size()})));
  std::vector<float> mean(static_cast<std::size_t>(layout->flat_size()), 0.0f);
  const float slopes[] = {0.25f, 0.25f, 0.25f, 2.0f, -2.0f, -0.5f};
  for (std::int64_t i = 0; i < layout->count(); ++i) {
    state.parameters.tensors()[static_cast<std::size_t>(i)].fill_(1.0);
    mean[static_cast<std::size_t>(layout->offset(i))] = slopes[i];
  }
  outer(options).apply(state, Span<const float>(mean));
  const double expected[] = {0.9 - 0.25, 0.95 - 0.125, 1 - 0.25, -0.1, 0.1, 0.9 + 0.5};
  for (std::int64_t i = 0; i < layout->count(); ++i)
    EXPECT_NEAR(value(state, static_cast<std::size_t>(layout->offset(i))), expected[i], 1e-6)
        << layout->spec(i).name;
}

TEST(OuterOptimizer, StatisticsMoveTowardsTheMeanOfWhatTasksObserved) {
  auto layout = std::make_shared<ParameterLayout>();
  for (const char* name : {"seen", "unseen"}) {
    ParameterSpec spec{name, {2}, Init::kOnes};
    spec.section = ParameterSection::kStatistics;
    spec.outer.momentum = 0.25;
    layout->add(spec);
  }
  layout->add({"weight", {2}, Init::kOnes});
  const auto optimizer = outer(options_with("sgd", 1.0));
  TrainState state = optimizer.start(ParameterList::initial(layout, 1));
  const std::int64_t first = layout->flat_size() - layout->reduced_size();
  std::vector<float> mean(static_cast<std::size_t>(layout->reduced_size()), 0.0f);
  const auto put = [&](std::int64_t place, float number) {
    mean[static_cast<std::size_t>(place - first)] = number;
  };
  // Half of the tasks observed (3, 5), the others nothing.
  put(layout->offset(0), 1.5f);
  put(layout->offset(0) + 1, 2.5f);
  put(layout->observed_at(0), 0.5f);
  put(layout->offset(2), 3.0f);
  put(layout->offset(2) + 1, -4.0f);
  // The norm is that of the gradient alone.
  EXPECT_DOUBLE_EQ(optimizer.apply(state, Span<const float>(mean)), 5.0);
  const auto at = [&](std::int64_t i, std::int64_t k) {
    return state.parameters.tensors()[static_cast<std::size_t>(i)][k].item<double>();
  };
  EXPECT_FLOAT_EQ(at(0, 0), 0.75 * 1 + 0.25 * 3);
  EXPECT_FLOAT_EQ(at(0, 1), 0.75 * 1 + 0.25 * 5);
  EXPECT_EQ(at(1, 0), 1.0);
  EXPECT_FLOAT_EQ(at(2, 0), -2.0);
  EXPECT_FLOAT_EQ(at(2, 1), 5.0);
  const auto& velocity = state.slots.at(0).values;
  EXPECT_FALSE(velocity.slice(0, 0, layout->offset(2)).any().item<bool>());
  EXPECT_TRUE(velocity.slice(0, layout->offset(2)).any().item<bool>());
}

TEST(OuterOptimizer, Schedules) {
  StepOptions options;
  options.outer_lr = 0.4;
  EXPECT_DOUBLE_EQ(outer(options).learning_rate(7), 0.4);
  options.warmup = 4;
  EXPECT_DOUBLE_EQ(outer(options).learning_rate(0), 0.1);
  EXPECT_DOUBLE_EQ(outer(options).learning_rate(3), 0.4);
  options.warmup = 0;
  options.schedule = "cosine";
  options.min_lr = 0.2;
  const auto cosine = outer(options, 11);
  EXPECT_EQ(cosine.learning_rate(0), 0.4);
  EXPECT_DOUBLE_EQ(cosine.learning_rate(5), 0.3);
  EXPECT_GT(cosine.learning_rate(9), 0.2);
  EXPECT_EQ(cosine.learning_rate(10), 0.2);  // of the last of 11 steps, exactly
  EXPECT_EQ(cosine.learning_rate(15), 0.2);
  EXPECT_EQ(outer(options, 2).learning_rate(1), 0.2);
  EXPECT_EQ(outer(options, 1).learning_rate(0), 0.4);  // first and last: it trains
  options.min_lr = 0.0;
  options.schedule = "step";
  options.decay = 0.5;
  options.decay_every = 3;
  const auto stairs = outer(options);
  EXPECT_DOUBLE_EQ(stairs.learning_rate(2), 0.4);
  EXPECT_DOUBLE_EQ(stairs.learning_rate(3), 0.2);
  EXPECT_DOUBLE_EQ(stairs.learning_rate(8), 0.1);
}

/// What an optimizer was told, one entry a stretch; its slots are of the test's choice.
struct Told {
  std::vector<std::string> slots;
  std::vector<OptimizerStretch> stretches;
};
class Listener final : public Optimizer {
 public:
  explicit Listener(Told& told) : told_(told) {}
  std::vector<std::string> slots() const override { return told_.slots; }
  void update(const OptimizerStretch& stretch) const override {
    told_.stretches.push_back(stretch);
    stretch.values.sub_(stretch.gradient);
    for (std::size_t s = 0; s < stretch.slots.size(); ++s)
      stretch.slots[s].add_(stretch.gradient, static_cast<double>(s + 1));
  }

 private:
  Told& told_;
};

OuterOptimizer listening(Told& told, StepOptions options = options_with("lab", 0.5)) {
  auto types = builtin_optimizers();
  types["lab"].make = [&](const OptimizerRequest&) { return std::make_unique<Listener>(told); };
  return {options, 10, types};
}

TEST(OuterOptimizer, AnOptimizerHasAsManySlotsAsItNames) {
  for (const std::vector<std::string>& names : std::vector<std::vector<std::string>>{
           {}, {"only"}, {"first_moment", "b", "second_moment"}}) {
    Told told{names, {}};
    const auto optimizer = listening(told);
    TrainState state = optimizer.start(parameters_of(kStart));
    EXPECT_EQ(slot_names(state), names);
    for (int t = 1; t <= 2; ++t) {
      optimizer.apply(state, Span<const float>(gradient_of(t, state)));
      ++state.step;
    }
    const auto first = gradient_of(1, state), second = gradient_of(2, state);
    for (std::size_t i = 0; i < kStart.size(); ++i) {
      EXPECT_FLOAT_EQ(value(state, i), kStart[i] - first[i] - second[i]);
      for (std::size_t s = 0; s < names.size(); ++s)
        EXPECT_NEAR(state.slots[s].values[static_cast<std::int64_t>(i)].item<double>(),
                    (first[i] + second[i]) * static_cast<float>(s + 1), 1e-6);
    }
  }
}

TEST(OuterOptimizer, AnOptimizerSeesStretchesOfOneRuleWithTheirRate) {
  auto layout = std::make_shared<ParameterLayout>();
  const auto add = [&](const char* name, double rate, ParameterSection section) {
    ParameterSpec spec{name, {2}, Init::kOnes};
    spec.section = section;
    spec.outer.rate = rate;
    layout->add(spec);
  };
  add("frozen", 1.0, ParameterSection::kFrozen);
  add("average", 1.0, ParameterSection::kStatistics);
  add("a", 1.0, ParameterSection::kLearned);
  add("b", 1.0, ParameterSection::kLearned);
  add("slow", 0.25, ParameterSection::kLearned);
  Told told{{"kept"}, {}};
  auto options = options_with("lab", 0.5);
  options.warmup = 4;
  options.clip = "value";
  options.clip_at = 2.0;
  const auto optimizer = listening(told, options);
  TrainState state = optimizer.start(ParameterList::initial(layout, 1));
  std::vector<float> mean(static_cast<std::size_t>(layout->reduced_size()), 0.0f);
  const auto first = layout->flat_size() - layout->reduced_size();
  mean[static_cast<std::size_t>(layout->offset(3) - first)] = 3.0f;
  mean[static_cast<std::size_t>(layout->offset(4) - first)] = -1.0f;
  state.step = 1;
  state.updates = 6;
  optimizer.apply(state, Span<const float>(mean));
  ASSERT_EQ(told.stretches.size(), 2u);
  const auto &both = told.stretches[0], &slow = told.stretches[1];
  EXPECT_EQ(both.rate, 0.25);  // half of the way up
  EXPECT_EQ(slow.rate, 0.0625);
  EXPECT_EQ(both.updates, 7);
  EXPECT_EQ(slow.updates, 7);
  EXPECT_EQ(both.values.numel() + slow.values.numel(), layout->learned_size());
  const auto b = layout->offset(3) - layout->offset(2);
  EXPECT_EQ(both.gradient[b].item<float>(), 2.0f);  // clipped
  EXPECT_EQ(slow.gradient[0].item<float>(), -1.0f);
  const auto& kept = state.slots.at(0).values;
  EXPECT_EQ(kept[layout->offset(3)].item<float>(), 2.0f);
  EXPECT_EQ(kept[layout->offset(4)].item<float>(), -1.0f);
  EXPECT_EQ(kept.abs().sum().item<float>(), 3.0f);
  EXPECT_EQ(value(state, static_cast<std::size_t>(layout->offset(3))), -1.0);
  EXPECT_EQ(value(state, static_cast<std::size_t>(layout->offset(4))), 2.0);
}

std::string refusal_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(OuterOptimizer, SlotsNeedNamesThatCheckpointsCanTellApart) {
  for (const std::string name : {"", "first.moment", "a b", "once"}) {
    Told told{{"once", name}, {}};
    EXPECT_THAT(refusal_of([&] { listening(told); }),
                AllOf(HasSubstr("the optimizer lab names a slot '" + name + "'"),
                      HasSubstr("different words")));
  }
  Told told{{"once", "Twice_2"}, {}};
  EXPECT_EQ(refusal_of([&] { listening(told); }), "");
}

TEST(OuterOptimizer, UnknownWordsAreRefused) {
  const auto refusal = [](const StepOptions& options) {
    std::string said;
    EXPECT_THROW(
        try { outer(options); } catch (const UserError& error) {
          said = error.what();
          throw;
        },
        UserError);
    return said;
  };
  EXPECT_EQ(refusal(options_with("lbfgs", 0.1)),
            "step.optimizer: 'lbfgs' is unknown; there are adam, lion, sgd");
  EXPECT_THAT(refusal(options_with(Section("sgd", {{"momentum", "1"}}), 0.1)),
              HasSubstr("momentum of sgd is 1; must be 0 to below 1"));
  StepOptions options;
  options.schedule = "linear";
  EXPECT_EQ(refusal(options), "step.schedule: 'linear' is unknown");
  options = {};
  options.clip = "hard";
  EXPECT_EQ(refusal(options), "step.clip: 'hard' is unknown");
}

}  // namespace
}  // namespace cuttle
