#include "adapt/surface/surface.hpp"

#include <torch/types.h>

#include <algorithm>

#include "adapt/surface/perceptron_parts.hpp"
#include "adapt/surface/perceptron_pass.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {

torch::Tensor Surface::loss(const Tensors& theta, const Pass& pass, const Batch& batch,
                            const Context& context) const {
  auto loss = kind_->support_loss(pass.outputs, batch);
  for (const auto& objective : *objectives_)
    if (objective.inner)
      loss = loss + objective.weight * objective.objective->loss(theta, pass, batch, context);
  return loss;
}

bool Surface::on_kernels(const Tensors& theta, const Batch& batch) const {
  return torch::GradMode::is_enabled() && !has_objectives() && kernels_know(*model_, *kind_) &&
         fits(batch, theta[0]);
}

bool Surface::may_be_kept(const Tensors& theta, const Batch& batch, std::int64_t passes) const {
  constexpr std::int64_t kMostBytes = 8 << 20;
  if (!on_kernels(theta, batch)) return false;
  std::int64_t numbers = 0;  // weights, gradient and step; activations and deltas
  for (const auto& layer : model_->perceptron())
    numbers += 3 * (layer.in + 1) * layer.out + 2 * batch.size * layer.out;
  return passes * numbers * static_cast<std::int64_t>(theta[0].element_size()) <= kMostBytes;
}

bool Surface::learns_on_kernels(const Tensors& theta, const Batch& batch) const {
  return on_kernels(theta, batch) && !kind_->support_weights(batch).defined();
}

Pass Surface::pass(const Tensors& theta, const Batch& batch, const Context& context) const {
  if (learns_on_kernels(theta, batch)) return perceptron_pass(*model_, *kind_, theta, batch);
  Pass pass = model_->look(theta, batch, context);
  pass.outputs = model_->classify(theta, pass.embedding, kind_->columns(batch));
  pass.loss = loss(theta, pass, batch, context);
  return pass;
}

Pass Surface::pass_after(const Tensors& theta, const Batch& support, const Batch& query,
                         Context context) const {
  if (on_kernels(theta, query)) return perceptron_pass(*model_, *kind_, theta, query);
  const Statistics seen = model_->look_at(theta, support, context);
  if (model_->uses_support()) context.given = &seen;
  Pass pass = model_->look(theta, query, context);
  if (model_->head_rows() > 0)
    pass.outputs = model_->classify(theta, pass.embedding, kind_->columns(query));
  return pass;
}

Point Surface::at(const Tensors& theta, const Batch& batch, const Context& context,
                  bool graph) const {
  Point point;
  point.gradient.resize(theta.size());
  if (!graph && learns_on_kernels(theta, batch)) {
    const auto [pass, gradient] = perceptron_gradient(*model_, *kind_, theta, batch);
    std::size_t place = 0;
    for (const auto& layer : model_->perceptron())
      for (const auto i : {layer.weight, layer.bias}) {
        if (std::binary_search(fast_.begin(), fast_.end(), i))
          point.gradient[static_cast<std::size_t>(i)] = gradient[place];
        ++place;
      }
    point.theta = theta;
    point.loss = pass.loss;
    point.outputs = pass.outputs;
    return point;
  }
  point.theta = as_leaves(theta);
  const Pass passed = pass(point.theta, batch, context);
  Tensors moved;
  for (const std::int64_t i : fast_) moved.push_back(point.theta[static_cast<std::size_t>(i)]);
  const auto gradient = gradient_of(passed.loss, moved, graph);
  for (std::size_t i = 0; i < fast_.size(); ++i)
    point.gradient[static_cast<std::size_t>(fast_[i])] = gradient[i];
  point.outputs = passed.outputs.detach();
  point.loss = graph ? passed.loss : passed.loss.detach();
  return point;
}

bool Surface::has_objectives() const {
  return !objectives_->empty();
}

StepDiagnostics diagnose(const Surface& surface, const Tensors& theta, const Task& task,
                         std::int64_t step, std::int64_t norm_step) {
  const torch::NoGradGuard no_grad;
  Context context{norm_step};
  context.mode = Mode::kUse;
  const Model& model = surface.model();
  const auto support = model.forward(theta, task.support, context);
  const auto query = surface.pass_after(theta, task.support, task.query, context).outputs;
  const TaskKind& kind = surface.kind();
  return {step, kind.support_loss(support, task.support).item<double>(),
          kind.loss(query, task.query).item<double>(), kind.measure(support, task.support),
          kind.measure(query, task.query)};
}

}  // namespace cuttle
