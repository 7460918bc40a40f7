#include "cuttle/step/outer_optimizer.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

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

double OuterOptimizer::apply(TrainState& state, Span<const float> mean) const {
  const torch::NoGradGuard no_grad;
  const auto& layout = state.parameters.layout();
  auto theta = layout.learned(state.parameters.flat());
  auto first_moment = layout.learned(state.first_moment),
       second_moment = layout.learned(state.second_moment);
  CUTTLE_EXPECT(static_cast<std::int64_t>(mean.size()) == theta.numel());
  auto gradient = torch::empty_like(theta);
  std::copy(mean.begin(), mean.end(), gradient.data_ptr<float>());
  const double norm = gradient.to(torch::kFloat64).norm().item<double>();
  clip(gradient, norm, options_);
  const double rate = learning_rate(state.step);
  if (options_.weight_decay > 0) theta.mul_(1.0 - rate * options_.weight_decay);
  ++state.updates;
  if (options_.optimizer == "sgd") {
    first_moment.mul_(options_.momentum).add_(gradient);
    theta.sub_(first_moment, rate);
    return norm;
  }
  const auto t = static_cast<double>(state.updates);
  first_moment.mul_(options_.beta1).add_(gradient, 1.0 - options_.beta1);
  second_moment.mul_(options_.beta2).addcmul_(gradient, gradient, 1.0 - options_.beta2);
  const auto m = first_moment / (1.0 - std::pow(options_.beta1, t));
  const auto v = second_moment / (1.0 - std::pow(options_.beta2, t));
  theta.sub_(m / (v.sqrt() + options_.epsilon), rate);
  return norm;
}

}  // namespace cuttle
