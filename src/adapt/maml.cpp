#include <torch/torch.h>

#include "adapt/inner_loop.hpp"
#include "adapt/learners.hpp"
#include "adapt/perceptron.hpp"
#include "adapt/trajectory.hpp"

namespace cuttle {
namespace {

/// MAML (Finn, Abbeel, Levine 2017). Second order by reverse recursion: with theta_{k+1} =
/// U(theta_k, g(theta_k)),
///   lambda_K = dL_query/dtheta_K,   lambda_k = (dU/dtheta)^T lambda_{k+1} + H_k (dU/dg)^T
///   lambda_{k+1},
/// H_k the Hessian of the support loss at theta_k, so one step's graph is alive at a time, however
/// many steps (AdaptOptions::keep). First order (FOMAML) stops at lambda_K. Small perceptrons take
/// perceptron.cpp's way.
class Maml final : public Learner {
 public:
  Maml(std::shared_ptr<const Model> model, const AdaptOptions& options, bool second_order)
      : Learner(std::move(model), options),
        update_(make_sgd_update(options.inner_lr)),
        perceptron_(model_, options.inner_lr, second_order),
        second_order_(second_order) {}

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const std::int64_t steps = options_.inner_steps;
    if (perceptron_.takes(parameters, task.support) && perceptron_.takes(parameters, task.query))
      return perceptron_.meta_gradient(parameters, task, steps);
    Trajectory trajectory(*model_, *update_, task.support, options_.keep, steps, second_order_);
    auto [result, lambda] = query_gradient(trajectory.descend(parameters.tensors()), task.query);
    for (std::int64_t k = steps - 1; second_order_ && k >= 0; --k) {
      const SupportGradient at_k = trajectory.back(k);
      const auto adjoint = update_->vjp(lambda);
      lambda = vector_jacobian(at_k.gradient, at_k.theta, adjoint.gradient);
      for (std::size_t i = 0; i < lambda.size(); ++i) lambda[i] += adjoint.theta[i];
    }
    result.gradient = model_->layout()->flatten(lambda);
    return result;
  }

  double cost(std::int64_t support, std::int64_t query) const override {
    constexpr double kGradient = 3, kHessianProduct = 6;
    const double step = kGradient + (second_order_ ? kHessianProduct : 0.0);
    return kGradient * static_cast<double>(query) +
           step * static_cast<double>(options_.inner_steps * support);
  }

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters,
                                 const Batch& support) const override {
    auto theta = perceptron_.takes(parameters, support)
                     ? perceptron_.descend(parameters, support, eval_steps())
                     : descend(*model_, *update_, parameters.tensors(), support, eval_steps());
    return std::make_unique<FastWeights>(model_, std::move(theta), eval_steps());
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return FastWeights::restore(model_, state, eval_steps());
  }

  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    Tensors theta = parameters.tensors();
    std::vector<StepDiagnostics> lines{diagnose(*model_, theta, task, 0, 0)};
    for (std::int64_t k = 0; k < eval_steps(); ++k) {
      theta =
          update_->step(theta, support_gradient(*model_, theta, task.support, k, false).gradient);
      lines.push_back(diagnose(*model_, theta, task, k + 1, k + 1));
    }
    return lines;
  }

 private:
  /// Loss on the query set at the adapted parameters, and lambda_K.
  std::pair<TaskResult, Tensors> query_gradient(const Tensors& theta, const Batch& query) const {
    const auto leaves = as_leaves(theta);
    const auto logits = model_->forward(leaves, query, {options_.inner_steps});
    const auto loss = task_loss(logits, query);
    auto lambda = gradient_of(loss, leaves, false);
    for (std::size_t i = 0; i < lambda.size(); ++i)
      if (!lambda[i].defined()) lambda[i] = torch::zeros_like(leaves[i]);
    TaskResult result;
    result.query_loss = loss.item<double>();
    result.query_accuracy = accuracy_of(logits, query);
    return {std::move(result), std::move(lambda)};
  }

  std::unique_ptr<const InnerUpdate> update_;
  PerceptronMaml perceptron_;
  bool second_order_;
};

}  // namespace

std::unique_ptr<const Learner> make_maml(std::shared_ptr<const Model> model,
                                         const AdaptOptions& options, bool second_order) {
  return std::make_unique<Maml>(std::move(model), options, second_order);
}

}  // namespace cuttle
