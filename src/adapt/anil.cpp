#include <torch/torch.h>

#include "adapt/inner_loop.hpp"
#include "adapt/learners.hpp"

namespace cuttle {
namespace {

/// ANIL (Raghu et al. 2020): the inner loop moves the head alone, the body gives features once. The
/// graph of all steps is kept, since it holds a few head-sized tensors a step and the body's graph
/// only once.
class Anil final : public Learner {
 public:
  Anil(std::shared_ptr<const Model> model, const AdaptOptions& options)
      : Learner(std::move(model), options),
        update_(make_sgd_update(options.inner_lr)),
        head_(model_->layout()->with_role(ParameterRole::kHead)) {}

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const auto leaves = as_leaves(parameters.tensors());
    const auto theta = adapt_head(leaves, task.support, options_.inner_steps, true);
    const auto logits = model_->forward(theta, task.query, {});
    const auto loss = task_loss(logits, task.query);
    TaskResult result;
    result.gradient = model_->layout()->flatten(gradient_of(loss, leaves, false));
    result.query_loss = loss.item<double>();
    result.query_accuracy = accuracy_of(logits, task.query);
    return result;
  }

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters,
                                 const Batch& support) const override {
    auto theta = adapt_head(as_leaves(parameters.tensors()), support, eval_steps(), false);
    for (auto& value : theta) value = value.detach();
    return std::make_unique<FastWeights>(model_, std::move(theta), 0);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return FastWeights::restore(model_, state, 0);
  }

  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    std::vector<StepDiagnostics> lines;
    for (std::int64_t k = 0; k <= eval_steps(); ++k) {
      const auto theta = adapt_head(as_leaves(parameters.tensors()), task.support, k, false);
      lines.push_back(diagnose(*model_, theta, task, k, 0));
    }
    return lines;
  }

 private:
  /// All parameters, the head moved by `steps` updates; with the graph back to `theta` if asked
  /// for.
  Tensors adapt_head(Tensors theta, const Batch& support, std::int64_t steps,
                     bool create_graph) const {
    const auto features = model_->embed(theta, support, {});
    for (std::int64_t k = 0; k < steps; ++k) {
      Tensors head;
      for (const auto i : head_) head.push_back(theta[static_cast<std::size_t>(i)]);
      const auto loss = task_loss(model_->classify(theta, features, support.way), support);
      // Without create_graph the features' graph must still survive for the next step.
      const auto gradient = torch::autograd::grad({loss}, head, {}, true, create_graph, true);
      const auto moved = update_->step(head, gradient);
      for (std::size_t i = 0; i < head_.size(); ++i)
        theta[static_cast<std::size_t>(head_[i])] = moved[i];
    }
    return theta;
  }

  std::unique_ptr<const InnerUpdate> update_;
  std::vector<std::int64_t> head_;
};

}  // namespace

std::unique_ptr<const Learner> make_anil(std::shared_ptr<const Model> model,
                                         const AdaptOptions& options) {
  return std::make_unique<Anil>(std::move(model), options);
}

}  // namespace cuttle
