#include "cuttle/step/outer_optimizer.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

void clip(torch::Tensor& gradient, double norm, const StepOptions& options) {
  if (options.clip == "value") gradient.clamp_(-options.clip_at, options.clip_at);
  if (options.clip == "norm" && norm > options.clip_at) gradient.mul_(options.clip_at / norm);
}

}  // namespace

OuterOptimizer::OuterOptimizer(const StepOptions& options, std::int64_t total_steps)
    : options_(options), total_steps_(total_steps) {
  const auto one_of = [](const std::string& key, const std::string& word,
                         std::vector<std::string> words) {
    CUTTLE_VALIDATE(std::find(words.begin(), words.end(), word) != words.end(),
                    "step.{}: '{}' is unknown", key, word);
  };
  one_of("optimizer", options.optimizer, {"adam", "sgd"});
  one_of("schedule", options.schedule, {"constant", "cosine", "step"});
  one_of("clip", options.clip, {"none", "norm", "value"});
}

double OuterOptimizer::learning_rate(std::int64_t step) const {
  const auto& o = options_;
  const double warm =
      o.warmup > 0 ? std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(o.warmup))
                   : 1.0;
  double rate = o.outer_lr;
  if (o.schedule == "cosine") {
    const double done =
        std::min(1.0, static_cast<double>(step) /
                          static_cast<double>(std::max<std::int64_t>(1, total_steps_)));
    rate = o.min_lr + 0.5 * (o.outer_lr - o.min_lr) * (1.0 + std::cos(M_PI * done));
  } else if (o.schedule == "step") {
    rate = std::max(o.min_lr,
                    o.outer_lr * std::pow(o.decay, static_cast<double>(step / o.decay_every)));
  }
  return warm * rate;
}

/// A run of parameters that one rule holds for: values, moments, gradient.
struct OuterOptimizer::Part {
  OuterRule rule;
  torch::Tensor theta, first_moment, second_moment, gradient;
};

namespace {

/// Places [begin, end) in the learned part with equal rules, in order.
struct Stretch {
  OuterRule rule;
  std::int64_t begin, end;
};

std::vector<Stretch> stretches_of(const ParameterLayout& layout) {
  std::vector<Stretch> stretches;
  const std::int64_t first = layout.flat_size() - layout.learned_size();
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    if (!layout.is_learned(i)) continue;
    const std::int64_t begin = layout.offset(i) - first;
    if (!stretches.empty()) stretches.back().end = begin;
    if (stretches.empty() || !(stretches.back().rule == layout.spec(i).outer))
      stretches.push_back({layout.spec(i).outer, begin, begin});
    stretches.back().end = layout.learned_size();
  }
  return stretches;
}

/// Running averages move towards the mean over the tasks that observed something.
void move_statistics(TrainState& state, const torch::Tensor& mean) {
  const auto& layout = state.parameters.layout();
  const std::int64_t first = layout.flat_size() - layout.reduced_size();
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    if (layout.spec(i).section != ParameterSection::kStatistics) continue;
    const std::int64_t place = layout.offset(i), size = layout.elements(i);
    const auto share = mean[layout.observed_at(i) - first].item<double>();
    if (share == 0) continue;
    const double momentum = layout.spec(i).outer.momentum;
    state.parameters.flat()
        .narrow(0, place, size)
        .mul_(1.0 - momentum)
        .add_(mean.narrow(0, place - first, size) / share, momentum);
  }
}

}  // namespace

double OuterOptimizer::apply(TrainState& state, Span<const float> mean) const {
  const torch::NoGradGuard no_grad;
  const auto& layout = state.parameters.layout();
  CUTTLE_EXPECT(static_cast<std::int64_t>(mean.size()) == layout.reduced_size());
  auto whole = torch::empty({layout.reduced_size()}, state.parameters.flat().options());
  std::copy(mean.begin(), mean.end(), whole.data_ptr<float>());
  move_statistics(state, whole);
  auto gradient = whole.narrow(0, layout.statistics_size(), layout.learned_size());
  const double norm = gradient.to(torch::kFloat64).norm().item<double>();
  clip(gradient, norm, options_);
  const double rate = learning_rate(state.step);
  ++state.updates;
  for (const auto& [rule, begin, end] : stretches_of(layout)) {
    const auto part = [&, first = begin, size = end - begin](const torch::Tensor& learned) {
      return learned.narrow(0, first, size);
    };
    update({rule, part(layout.learned(state.parameters.flat())),
            part(layout.learned(state.first_moment)), part(layout.learned(state.second_moment)),
            part(gradient)},
           rate * rule.rate, static_cast<double>(state.updates));
  }
  return norm;
}

void OuterOptimizer::update(const Part& part, double rate, double updates) const {
  auto [rule, theta, first_moment, second_moment, gradient] = part;
  if (options_.weight_decay > 0 && rule.decay) theta.mul_(1.0 - rate * options_.weight_decay);
  if (options_.optimizer == "sgd") {
    first_moment.mul_(options_.momentum).add_(gradient);
    theta.sub_(first_moment, rate);
  } else {
    first_moment.mul_(options_.beta1).add_(gradient, 1.0 - options_.beta1);
    second_moment.mul_(options_.beta2).addcmul_(gradient, gradient, 1.0 - options_.beta2);
    const auto m = first_moment / (1.0 - std::pow(options_.beta1, updates));
    const auto v = second_moment / (1.0 - std::pow(options_.beta2, updates));
    theta.sub_(m / (v.sqrt() + options_.epsilon), rate);
  }
  if (std::isfinite(rule.low) || std::isfinite(rule.high)) theta.clamp_(rule.low, rule.high);
}

}  // namespace cuttle
