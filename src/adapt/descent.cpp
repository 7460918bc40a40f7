#include "adapt/descent.hpp"

#include <torch/types.h>

#include <utility>

#include "adapt/fast_weights.hpp"
#include "adapt/surface/trajectory.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {
namespace {

void add(const Tensors& terms, Tensors& sums) {
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = sums[i] + terms[i];
}

Tensors detached(Tensors values) {
  for (auto& value : values) value = value.detach();
  return values;
}

}  // namespace

void LoopOptions::keys(Keys& keys) {
  keys.add("inner_steps", inner_steps, at_least(0), "adaptation steps in training");
  keys.add("eval_inner_steps", eval_inner_steps, at_least(0),
           "adaptation steps in evaluation and use; 0: as in training");
  keys.add("diagnostics", diagnostics, anything(),
           "record loss and accuracy before and after every inner step");
}

Demands LoopOptions::demands() const {
  Demands demands;
  demands.inner_loss = true;
  demands.inner_steps = inner_steps;
  return demands;
}

void RateOptions::keys(Keys& keys) {
  LoopOptions::keys(keys);
  keys.add(
      "inner_lr", inner_lr, above(0),
      "on the mean cross-entropy (the MAML paper's 0.4 on its summed loss is 2.0 here for 5-way)");
}

Demands RateOptions::demands() const {
  Demands demands = LoopOptions::demands();
  demands.inner_lr = inner_lr;
  return demands;
}

void WayBackOptions::keys(Keys& keys) {
  keys.add("keep", keep, one_of({"parameters", "all", "sqrt"}),
           "what inner steps keep for the way back; all: least time, sqrt: least memory");
}

void DescentOptions::keys(Keys& keys) {
  RateOptions::keys(keys);
  FastOptions::keys(keys);
  WayBackOptions::keys(keys);
}

Demands DescentOptions::demands() const {
  Demands demands = RateOptions::demands();
  demands.second_order = true;
  return demands;
}

DescentLearner::DescentLearner(const LearnerRequest& request, const LoopOptions& options,
                               Descender descender)
    : Learner(request),
      options_(options),
      descender_(std::move(descender)),
      surface_(request, descender_.fast),
      engine_(
          descender_.engine_rates.rate > 0
              ? PerceptronEngine::find(surface_, descender_.engine_rates, descender_.second_order)
              : nullptr) {}

TaskResult DescentLearner::meta_gradient(const ParameterList& parameters, const Task& task) const {
  const std::int64_t steps = options_.inner_steps;
  const bool through = second_order(task.key);
  const InnerUpdate& update = *descender_.update;
  Context context;
  context.key = task.key;
  bool back = through || update.learned();
  for (std::int64_t k = 0; k < steps; ++k) back = back || share(k, task.key) > 0;
  const Tensors origin = starts_by_task() ? as_leaves(parameters.tensors()) : Tensors();
  const Tensors first =
      origin.empty() ? parameters.tensors() : start_of(origin, task.support, context);
  if (engine_ && engine_->takes(first, task.support, &task.query)) {
    auto result = engine_->meta_gradient(detached(first), task, steps);
    if (!origin.empty()) {
      const Tensors lambda = model_->layout()->views(result.gradient);
      result.gradient = model_->layout()->flatten(vector_jacobian(first, origin, lambda));
    }
    return result;
  }
  Trajectory trajectory(surface_, update, task.support, context, steps,
                        {back, through, descender_.keep});
  const auto last = trajectory.descend(detached(first)).theta;

  Statistics seen;
  context.record = &seen;
  auto [judged, lambda] = outer_loss(last, task, steps, context);
  context.record = nullptr;
  Tensors of_state;
  for (std::int64_t k = steps - 1; back && k >= 0; --k) {
    const auto [at_k, state] = trajectory.back(k);
    auto adjoint = update.vjp(at_k, state, k, lambda, of_state);
    of_state = std::move(adjoint.state);
    lambda = std::move(adjoint.theta);
    if (through) {
      Tensors outputs = at_k.gradient, cotangents = adjoint.gradient;
      outputs.push_back(at_k.loss);
      cotangents.push_back(adjoint.loss);
      add(vector_jacobian(outputs, at_k.theta, cotangents), lambda);
    }
    if (share(k, task.key) > 0) add(outer_loss(at_k.theta, task, k, context).second, lambda);
  }
  if (!origin.empty()) lambda = vector_jacobian(first, origin, lambda);
  return result_of(lambda, judged, seen);
}

std::pair<Learner::Judged, Tensors> DescentLearner::outer_loss(const Tensors& theta,
                                                               const Task& task, std::int64_t k,
                                                               Context context) const {
  context.inner_step = k;
  const auto leaves = as_leaves(theta);
  const Pass pass = surface_.pass_after(leaves, task.support, task.query, context);
  Judged judged = judge(leaves, pass, task.query, context);
  Tensors slope = dense_gradient_of(share(k, task.key) * judged.loss, leaves);
  return {std::move(judged), std::move(slope)};
}

Tensors DescentLearner::start_in_use(const ParameterList& parameters, const Batch& support,
                                     const RandomKey& key) const {
  const torch::NoGradGuard no_grad;
  return start_of(parameters.tensors(), support, in_use(0, key));
}

double DescentLearner::cost(const EpisodeSize& size) const {
  constexpr double kGradient = 3, kHessianProduct = 6;  // in forward passes
  const double step = kGradient + (descender_.second_order ? kHessianProduct : 0.0);
  return kGradient * static_cast<double>(size.query) +
         step * static_cast<double>(options_.inner_steps * size.support);
}

Tensors DescentLearner::descend(const Tensors& theta, const Batch& support, const Context& context,
                                std::int64_t steps) const {
  if (engine_ && engine_->takes(theta, support)) return engine_->descend(theta, support, steps);
  Trajectory trajectory(surface_, *descender_.update, support, context, steps, {});
  return trajectory.descend(theta).theta;
}

std::unique_ptr<Adapted> DescentLearner::adapt(const ParameterList& parameters,
                                               const Batch& support, const RandomKey& key) const {
  const std::int64_t steps = eval_steps();
  auto theta = descend(start_in_use(parameters, support, key), support, in_use(0, key), steps);
  return std::make_unique<FastWeights>(model_, kind_, std::move(theta), support, steps);
}

std::unique_ptr<Adapted> DescentLearner::restore(const std::map<std::string, torch::Tensor>& state,
                                                 std::int64_t) const {
  return FastWeights::restore(model_, kind_, state, eval_steps());
}

std::vector<StepDiagnostics> DescentLearner::trace(const ParameterList& parameters,
                                                   const Task& task) const {
  const auto first = start_in_use(parameters, task.support, task.key);
  InnerUpdate::Moved place{first, descender_.update->fresh(first)};
  std::vector<StepDiagnostics> lines{diagnose(surface_, place.theta, task, 0, 0)};
  for (std::int64_t k = 0; k < eval_steps(); ++k) {
    const auto at_k = surface_.at(place.theta, task.support, in_use(k, task.key), false);
    const torch::NoGradGuard no_grad;
    place = descender_.update->step(at_k, place.state, k);
    lines.push_back(diagnose(surface_, place.theta, task, k + 1, k + 1));
  }
  return lines;
}

}  // namespace cuttle
