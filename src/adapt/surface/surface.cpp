#include "adapt/surface/surface.hpp"

#include <torch/types.h>

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

Point Surface::at(const Tensors& theta, const Batch& batch, const Context& context,
                  bool graph) const {
  Point point;
  point.theta = as_leaves(theta);
  Pass pass = model_->look(point.theta, batch, context);
  pass.outputs = model_->classify(point.theta, pass.embedding, batch.way);
  const auto total = loss(point.theta, pass, batch, context);
  Tensors moved;
  for (const std::int64_t i : fast_) moved.push_back(point.theta[static_cast<std::size_t>(i)]);
  const auto gradient = gradient_of(total, moved, graph);
  point.gradient.resize(theta.size());
  for (std::size_t i = 0; i < fast_.size(); ++i)
    point.gradient[static_cast<std::size_t>(fast_[i])] = gradient[i];
  point.outputs = pass.outputs.detach();
  point.loss = graph ? total : total.detach();
  return point;
}

bool Surface::has_objectives() const {
  return !objectives_->empty();
}

Pass pass_after(const Model& model, const Tensors& theta, const Batch& support, const Batch& query,
                Context context) {
  const Statistics seen = model.look_at(theta, support, context);
  if (model.uses_support()) context.given = &seen;
  Pass pass = model.look(theta, query, context);
  if (model.head_rows() > 0) pass.outputs = model.classify(theta, pass.embedding, query.way);
  return pass;
}

StepDiagnostics diagnose(const Surface& surface, const Tensors& theta, const Task& task,
                         std::int64_t step, std::int64_t norm_step) {
  const torch::NoGradGuard no_grad;
  Context context{norm_step};
  context.mode = Mode::kUse;
  const Model& model = surface.model();
  const auto support = model.forward(theta, task.support, context);
  const auto query = pass_after(model, theta, task.support, task.query, context).outputs;
  const TaskKind& kind = surface.kind();
  return {step, kind.support_loss(support, task.support).item<double>(),
          kind.loss(query, task.query).item<double>(), kind.measure(support, task.support),
          kind.measure(query, task.query)};
}

}  // namespace cuttle
