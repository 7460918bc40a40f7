#include <torch/torch.h>

#include <cmath>

#include "adapt/inner_loop.hpp"
#include "adapt/learners.hpp"

namespace cuttle {
namespace {

/// Adam with beta1 = 0, as Reptile's authors use it in the inner loop; made afresh for every task,
/// so that nothing is carried from task to task.
class FreshAdam {
 public:
  explicit FreshAdam(double rate) : rate_(rate) {}
  Tensors step(const Tensors& theta, const Tensors& gradient) {
    constexpr double kBeta = 0.999, kEpsilon = 1e-8;
    ++steps_;
    squares_.resize(theta.size());
    const double correction = 1.0 - std::pow(kBeta, static_cast<double>(steps_));
    Tensors next = theta;
    for (std::size_t i = 0; i < theta.size(); ++i) {
      if (!gradient[i].defined()) continue;
      const auto square = (1.0 - kBeta) * gradient[i].square();
      squares_[i] = squares_[i].defined() ? kBeta * squares_[i] + square : square;
      next[i] = theta[i] - rate_ * gradient[i] / ((squares_[i] / correction).sqrt() + kEpsilon);
    }
    return next;
  }

 private:
  double rate_;
  std::int64_t steps_ = 0;
  Tensors squares_;
};

/// Reptile (Nichol, Achiam, Schulman 2018): the meta-gradient is theta_0 - theta_K. It has no query
/// set in training: the inner loop sees support and query together, and reports the loss before its
/// last update.
class Reptile final : public Learner {
 public:
  using Learner::Learner;

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const Batch samples = concatenate(task.support, task.query);
    SupportGradient last;
    const auto theta = descend_from(parameters.tensors(), samples, options_.inner_steps, last);
    Tensors gradient;
    for (std::size_t i = 0; i < theta.size(); ++i)
      gradient.push_back(parameters.tensors()[i] - theta[i]);
    TaskResult result;
    result.gradient = model_->layout()->flatten(gradient);
    result.query_loss = last.loss.item<double>();
    result.query_accuracy = accuracy_of(last.outputs, samples);
    return result;
  }

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters,
                                 const Batch& support) const override {
    SupportGradient last;
    auto theta = descend_from(parameters.tensors(), support, eval_steps(), last);
    return std::make_unique<FastWeights>(model_, std::move(theta), eval_steps());
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return FastWeights::restore(model_, state, eval_steps());
  }

  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    std::vector<StepDiagnostics> lines;
    SupportGradient last;
    for (std::int64_t k = 0; k <= eval_steps(); ++k)
      lines.push_back(
          diagnose(*model_, descend_from(parameters.tensors(), task.support, k, last), task, k, k));
    return lines;
  }

 private:
  Tensors descend_from(Tensors theta, const Batch& batch, std::int64_t steps,
                       SupportGradient& last) const {
    FreshAdam adam(options_.inner_lr);
    const auto sgd = make_sgd_update(options_.inner_lr);
    for (std::int64_t k = 0; k < steps; ++k) {
      last = support_gradient(*model_, theta, batch, k, false);
      const torch::NoGradGuard no_grad;
      theta = options_.inner_optimizer == "adam" ? adam.step(theta, last.gradient)
                                                 : sgd->step(theta, last.gradient);
    }
    return theta;
  }
};

}  // namespace

std::unique_ptr<const Learner> make_reptile(std::shared_ptr<const Model> model,
                                            const AdaptOptions& options) {
  return std::make_unique<Reptile>(std::move(model), options);
}

}  // namespace cuttle
