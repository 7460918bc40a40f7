// The outer update against the papers' formulas, element by element in double.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "cuttle/core/error.hpp"
#include "cuttle/step/outer_optimizer.hpp"

namespace cuttle {
namespace {

const std::vector<float> kStart = {1.0f, -2.0f, 0.5f, 3.0f};

TrainState state_of(const std::vector<float>& values) {
  auto layout = std::make_shared<ParameterLayout>();
  layout->add({"weight", {static_cast<std::int64_t>(values.size())}});
  auto flat = torch::zeros({layout->flat_size()});
  std::copy(values.begin(), values.end(), flat.data_ptr<float>());
  return TrainState(ParameterList(layout, flat));
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

void step(const OuterOptimizer& optimizer, TrainState& state, int t) {
  optimizer.apply(state, Span<const float>(gradient_of(t, state)));
  ++state.step;
}

TEST(OuterOptimizer, AdamWithDecoupledWeightDecay) {
  StepOptions options;
  options.outer_lr = 0.01;
  options.beta1 = 0.8;
  options.beta2 = 0.95;
  options.weight_decay = 0.1;
  const OuterOptimizer optimizer(options, 100);
  TrainState state = state_of(kStart);
  std::vector<double> theta(kStart.begin(), kStart.end()), m(4, 0.0), v(4, 0.0);
  for (int t = 1; t <= 7; ++t) {
    step(optimizer, state, t);
    const auto g = gradient_of(t, state);
    for (std::size_t i = 0; i < 4; ++i) {
      m[i] = 0.8 * m[i] + 0.2 * g[i];
      v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
      const double corrected =
          (m[i] / (1 - std::pow(0.8, t))) / (std::sqrt(v[i] / (1 - std::pow(0.95, t))) + 1e-8);
      theta[i] -= 0.01 * 0.1 * theta[i] + 0.01 * corrected;
      EXPECT_NEAR(value(state, i), theta[i], 1e-6);
    }
  }
  EXPECT_EQ(state.updates, 7);
}

TEST(OuterOptimizer, SgdWithMomentum) {
  StepOptions options;
  options.optimizer = "sgd";
  options.outer_lr = 0.1;
  options.momentum = 0.9;
  const OuterOptimizer optimizer(options, 100);
  TrainState state = state_of(kStart);
  std::vector<double> theta(kStart.begin(), kStart.end()), velocity(4, 0.0);
  for (int t = 1; t <= 5; ++t) {
    step(optimizer, state, t);
    const auto g = gradient_of(t, state);
    for (std::size_t i = 0; i < 4; ++i) {
      velocity[i] = 0.9 * velocity[i] + g[i];
      theta[i] -= 0.1 * velocity[i];
      EXPECT_NEAR(value(state, i), theta[i], 1e-6);
    }
  }
}

TEST(OuterOptimizer, ClipsByNormAndByValueAndReportsTheNormBefore) {
  StepOptions options;
  options.optimizer = "sgd";
  options.outer_lr = 1.0;
  options.clip = "norm";
  options.clip_at = 2.5;
  TrainState state = state_of({0.0f, 0.0f});
  std::vector<float> gradient(static_cast<std::size_t>(state.parameters.flat().numel()), 0.0f);
  gradient[0] = 3.0f;
  gradient[1] = -4.0f;
  EXPECT_DOUBLE_EQ(OuterOptimizer(options, 1).apply(state, Span<const float>(gradient)), 5.0);
  EXPECT_FLOAT_EQ(value(state, 0), -1.5);
  EXPECT_FLOAT_EQ(value(state, 1), 2.0);
  options.clip = "value";
  options.clip_at = 3.5;
  state = state_of({0.0f, 0.0f});
  EXPECT_DOUBLE_EQ(OuterOptimizer(options, 1).apply(state, Span<const float>(gradient)), 5.0);
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
  TrainState state(ParameterList(layout, torch::zeros({layout->flat_size()})));
  std::vector<float> mean(static_cast<std::size_t>(layout->flat_size()), 0.0f);
  const float slopes[] = {0.25f, 0.25f, 0.25f, 2.0f, -2.0f, -0.5f};
  for (std::int64_t i = 0; i < layout->count(); ++i) {
    state.parameters.tensors()[static_cast<std::size_t>(i)].fill_(1.0);
    mean[static_cast<std::size_t>(layout->offset(i))] = slopes[i];
  }
  StepOptions options;
  options.optimizer = "sgd";
  options.outer_lr = 1.0;
  options.weight_decay = 0.1;
  OuterOptimizer(options, 1).apply(state, Span<const float>(mean));
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
  TrainState state(ParameterList::initial(layout, 1));
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
  StepOptions options;
  options.optimizer = "sgd";
  options.outer_lr = 1.0;
  // The norm is that of the gradient alone.
  EXPECT_DOUBLE_EQ(OuterOptimizer(options, 1).apply(state, Span<const float>(mean)), 5.0);
  const auto at = [&](std::int64_t i, std::int64_t k) {
    return state.parameters.tensors()[static_cast<std::size_t>(i)][k].item<double>();
  };
  EXPECT_FLOAT_EQ(at(0, 0), 0.75 * 1 + 0.25 * 3);
  EXPECT_FLOAT_EQ(at(0, 1), 0.75 * 1 + 0.25 * 5);
  EXPECT_EQ(at(1, 0), 1.0);
  EXPECT_FLOAT_EQ(at(2, 0), -2.0);
  EXPECT_FLOAT_EQ(at(2, 1), 5.0);
  EXPECT_EQ(state.first_moment.narrow(0, 0, layout->offset(2)).abs().max().item<float>(), 0.0f);
}

TEST(OuterOptimizer, Schedules) {
  StepOptions options;
  options.outer_lr = 0.4;
  EXPECT_DOUBLE_EQ(OuterOptimizer(options, 10).learning_rate(7), 0.4);
  options.warmup = 4;
  EXPECT_DOUBLE_EQ(OuterOptimizer(options, 10).learning_rate(0), 0.1);
  EXPECT_DOUBLE_EQ(OuterOptimizer(options, 10).learning_rate(3), 0.4);
  options.warmup = 0;
  options.schedule = "cosine";
  options.min_lr = 0.2;
  const OuterOptimizer cosine(options, 10);
  EXPECT_DOUBLE_EQ(cosine.learning_rate(0), 0.4);
  EXPECT_DOUBLE_EQ(cosine.learning_rate(5), 0.3);
  EXPECT_DOUBLE_EQ(cosine.learning_rate(10), 0.2);
  EXPECT_DOUBLE_EQ(cosine.learning_rate(15), 0.2);
  options.min_lr = 0.0;
  options.schedule = "step";
  options.decay = 0.5;
  options.decay_every = 3;
  const OuterOptimizer stairs(options, 10);
  EXPECT_DOUBLE_EQ(stairs.learning_rate(2), 0.4);
  EXPECT_DOUBLE_EQ(stairs.learning_rate(3), 0.2);
  EXPECT_DOUBLE_EQ(stairs.learning_rate(8), 0.1);
}

TEST(OuterOptimizer, UnknownWordsAreRefused) {
  StepOptions options;
  options.optimizer = "lbfgs";
  EXPECT_THROW(OuterOptimizer(options, 1), UserError);
  options = {};
  options.schedule = "linear";
  EXPECT_THROW(OuterOptimizer(options, 1), UserError);
  options = {};
  options.clip = "hard";
  EXPECT_THROW(OuterOptimizer(options, 1), UserError);
}

}  // namespace
}  // namespace cuttle
