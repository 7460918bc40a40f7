#include "adapt/inner_loop.hpp"

#include <torch/torch.h>

#include "cuttle/core/error.hpp"

namespace cuttle {

Tensors as_leaves(const Tensors& values) {
  Tensors leaves;
  leaves.reserve(values.size());
  for (const auto& value : values) leaves.push_back(value.detach().requires_grad_(true));
  return leaves;
}

Tensors gradient_of(const torch::Tensor& loss, const Tensors& inputs, bool create_graph) {
  return torch::autograd::grad({loss}, inputs, {}, create_graph, create_graph,
                               /*allow_unused=*/true);
}

Tensors vector_jacobian(const Tensors& outputs, const Tensors& inputs, const Tensors& cotangents) {
  Tensors defined, weights;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].defined() && outputs[i].requires_grad()) {
      defined.push_back(outputs[i]);
      weights.push_back(cotangents[i]);
    }
  Tensors product(inputs.size());
  if (!defined.empty())
    product = torch::autograd::grad(defined, inputs, weights, false, false, /*allow_unused=*/true);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!product[i].defined()) product[i] = torch::zeros_like(inputs[i]);
  return product;
}

torch::Tensor task_loss(const torch::Tensor& outputs, const Batch& batch) {
  return batch.targets.defined() ? torch::mse_loss(outputs, batch.targets)
                                 : torch::nn::functional::cross_entropy(outputs, batch.labels);
}

double accuracy_of(const torch::Tensor& outputs, const Batch& batch) {
  if (batch.targets.defined()) return 0.0;
  return outputs.detach().argmax(1).eq(batch.labels).to(torch::kFloat64).mean().item<double>();
}

SupportGradient support_gradient(const Model& model, const Tensors& theta, const Batch& support,
                                 std::int64_t step, bool create_graph) {
  SupportGradient result;
  result.theta = as_leaves(theta);
  const auto outputs = model.forward(result.theta, support, {step});
  const auto loss = task_loss(outputs, support);
  result.gradient = gradient_of(loss, result.theta, create_graph);
  result.outputs = outputs.detach();
  result.loss = loss.detach();
  return result;
}

Tensors descend(const Model& model, const InnerUpdate& update, Tensors theta, const Batch& support,
                std::int64_t steps) {
  for (std::int64_t k = 0; k < steps; ++k) {
    const auto at_k = support_gradient(model, theta, support, k, false);
    theta = update.step(theta, at_k.gradient);
  }
  return theta;
}

FastWeights::FastWeights(std::shared_ptr<const Model> model, Tensors theta, std::int64_t inner_step)
    : model_(std::move(model)), theta_(std::move(theta)), inner_step_(inner_step) {}

std::unique_ptr<Adapted> FastWeights::restore(std::shared_ptr<const Model> model,
                                              const std::map<std::string, torch::Tensor>& state,
                                              std::int64_t inner_step) {
  auto theta =
      model->layout()->views(state_entry(state, "fast_weights", model->layout()->flat_size()));
  return std::make_unique<FastWeights>(std::move(model), std::move(theta), inner_step);
}

torch::Tensor FastWeights::predict(const Batch& batch) const {
  const torch::NoGradGuard no_grad;
  return model_->forward(theta_, batch, {inner_step_});
}

std::map<std::string, torch::Tensor> FastWeights::state() const {
  return {{"fast_weights", model_->layout()->flatten(theta_)}};
}

torch::Tensor state_entry(const std::map<std::string, torch::Tensor>& state,
                          const std::string& name, std::int64_t elements) {
  const auto found = state.find(name);
  CUTTLE_REQUIRE(found != state.end(),
                 "the adapted model has no entry '{}' (made by another algorithm?)", name);
  CUTTLE_REQUIRE(
      found->second.numel() == elements,
      "the adapted model's entry '{}' has {} elements where the model needs {} (another model?)",
      name, found->second.numel(), elements);
  return found->second;
}

StepDiagnostics diagnose(const Model& model, const Tensors& theta, const Task& task,
                         std::int64_t step, std::int64_t norm_step) {
  const torch::NoGradGuard no_grad;
  const auto support = model.forward(theta, task.support, {norm_step});
  const auto query = model.forward(theta, task.query, {norm_step});
  return {step, task_loss(support, task.support).item<double>(), accuracy_of(support, task.support),
          task_loss(query, task.query).item<double>(), accuracy_of(query, task.query)};
}

}  // namespace cuttle
