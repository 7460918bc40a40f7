#include "cuttle/step/outer_optimizer.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

void clip(torch::Tensor& gradient, double norm, const StepOptions& options) {
  if (options.clip == "value") gradient.clamp_(-options.clip_at, options.clip_at);
  if (options.clip == "norm" && norm > options.clip_at) gradient.mul_(options.clip_at / norm);
}

/// Soft thresholds, the proximal step of an L1 penalty (Duchi and Singer 2009, section 5.1): a
/// subgradient would only make values small.
void shrink(torch::Tensor& values, double by) {
  values.copy_(values.sign() * (values.abs() - by).clamp_min(0));
}

}  // namespace

OuterOptimizer::OuterOptimizer(const StepOptions& options, std::int64_t total_steps,
                               const std::map<std::string, OptimizerType>& types)
    : options_(options),
      total_steps_(total_steps),
      optimizer_(
          find_type(types, "step.optimizer", options.optimizer.type).make({options.optimizer})) {
  const auto one_of = [](const std::string& key, const std::string& word,
                         std::vector<std::string> words) {
    CUTTLE_VALIDATE(std::find(words.begin(), words.end(), word) != words.end(),
                    "step.{}: '{}' is unknown", key, word);
  };
  one_of("schedule", options.schedule, {"constant", "cosine", "step"});
  one_of("clip", options.clip, {"none", "norm", "value"});
  std::set<std::string> seen;
  for (const auto& slot : optimizer_->slots())
    CUTTLE_REQUIRE(is_plain_word(slot, "_") && seen.insert(slot).second,
                   "the optimizer {} names a slot '{}' (it begins names in checkpoints); use "
                   "different words of letters, digits and _",
                   options.optimizer.type, slot);
}

TrainState OuterOptimizer::start(ParameterList initial) const {
  return {std::move(initial), optimizer_->slots()};
}

double OuterOptimizer::learning_rate(std::int64_t step) const {
  const auto& o = options_;
  const double warm =
      o.warmup > 0 ? std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(o.warmup))
                   : 1.0;
  double rate = o.outer_lr;
  if (o.schedule == "cosine") {
    // From outer_lr at the first step to min_lr at the last one.
    const double done =
        std::min(1.0, static_cast<double>(step) /
                          static_cast<double>(std::max<std::int64_t>(1, total_steps_ - 1)));
    rate = o.min_lr + 0.5 * (o.outer_lr - o.min_lr) * (1.0 + std::cos(M_PI * done));
  } else if (o.schedule == "step") {
    rate = o.outer_lr * std::pow(o.decay, static_cast<double>(step / o.decay_every));
  }
  return warm * rate;
}

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
  CUTTLE_EXPECT(state.slots.size() == optimizer_->slots().size());
  auto whole = torch::empty({layout.reduced_size()}, state.parameters.flat().options());
  std::copy(mean.begin(), mean.end(), whole.data_ptr<float>());
  move_statistics(state, whole);
  auto gradient = whole.narrow(0, layout.statistics_size(), layout.learned_size());
  const double norm = gradient.to(torch::kFloat64).norm().item<double>();
  clip(gradient, norm, options_);
  const double rate = learning_rate(state.step);
  ++state.updates;
  for (const auto& [rule, begin, end] : stretches_of(layout)) {
    const auto part = [first = begin, size = end - begin](const torch::Tensor& learned) {
      return learned.narrow(0, first, size);
    };
    OptimizerStretch stretch{part(layout.learned(state.parameters.flat())),
                             part(gradient),
                             {},
                             rate * rule.rate,
                             state.updates};
    for (const auto& slot : state.slots) stretch.slots.push_back(part(layout.learned(slot.values)));
    if (options_.weight_decay > 0 && rule.decay)
      stretch.values.mul_(1.0 - stretch.rate * options_.weight_decay);
    optimizer_->update(stretch);
    if (options_.l1 > 0 && rule.decay) shrink(stretch.values, stretch.rate * options_.l1);
    if (std::isfinite(rule.low) || std::isfinite(rule.high))
      stretch.values.clamp_(rule.low, rule.high);
  }
  return norm;
}

}  // namespace cuttle
