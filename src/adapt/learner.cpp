#include "cuttle/adapt/learner.hpp"

#include <torch/types.h>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// The first part of inner steps that has no second derivative; empty: all have.
std::string first_order_part(const Model& model, const Objectives& objectives) {
  for (const auto& objective : objectives)
    if (objective.inner && !objective.objective->second_order())
      return "objective " + objective.name;
  return model.first_order_only();
}

}  // namespace

std::vector<std::string> Learner::reports() const {
  std::vector<std::string> names{"loss"};
  for (const auto& metric : kind_->metrics()) names.push_back(metric);
  for (const auto& objective : *objectives_)
    if (objective.outer) names.push_back("objective." + objective.name);
  return names;
}

Learner::Judged Learner::judge(const Tensors& parameters, const torch::Tensor& outputs,
                               const Batch& query, const Pass& pass, const Batch& seen,
                               const Context& context, const torch::Tensor& own) const {
  Judged judged;
  judged.loss = pass.loss.defined() ? pass.loss : kind_->loss(outputs, query);
  judged.values.push_back(judged.loss.item<double>());
  if (own.defined()) judged.loss = own;
  for (const double value : kind_->measure(outputs, query)) judged.values.push_back(value);
  for (const auto& [name, weight, inner, outer, objective] : *objectives_) {
    if (!outer) continue;
    const auto loss = objective->loss(parameters, pass, seen, context);
    judged.values.push_back(loss.item<double>());
    judged.loss = judged.loss + weight * loss;
  }
  return judged;
}

TaskResult Learner::result_of(const Tensors& gradients, const Judged& judged,
                              const Statistics& seen) const {
  TaskResult result{model_->layout()->flatten(gradients), judged.values};
  const auto places = model_->layout()->views(result.gradient);
  for (const auto& [parameter, value] : seen.observed()) {
    places[static_cast<std::size_t>(parameter)].copy_(value);
    result.gradient[model_->layout()->observed_at(parameter)] = 1;
  }
  return result;
}

std::unique_ptr<const Learner> make_learner(const std::map<std::string, LearnerType>& learners,
                                            const LearnerRequest& request) {
  const std::string& name = request.section.type;
  const LearnerType& type = find_type(learners, "adapt.algorithm", name);
  const Demands demands = type.demands(request.section);
  CUTTLE_VALIDATE(!demands.classes || request.kind->classes(),
                  "adapt.algorithm: {} compares samples with classes (this episode.target has "
                  "none); choose one with a head, such as maml",
                  name);
  CUTTLE_VALIDATE(request.kind->classes() || !request.model->fusion().combines_classes(),
                  "model.fusion: what senses say is put together as probabilities of classes (this "
                  "episode.target has none); use model.late_by: mean, or another fusion");
  CUTTLE_VALIDATE(demands.deviations || !request.kind->uncertain(),
                  "adapt.algorithm: {} predicts values without standard deviations (this "
                  "episode.target asks for both); use episode.target: value, or a learner that "
                  "predicts both: caml or neural_process",
                  name);
  CUTTLE_VALIDATE(!demands.one_each || !request.kind->values() ||
                      request.inputs.outputs == request.inputs.target_width,
                  "adapt.algorithm: {} gives one output for each value of a sample (this "
                  "episode.target asks for {} of {}); choose one with a head, such as maml",
                  name, request.inputs.outputs, request.inputs.target_width);
  for (const auto& objective : *request.objectives) {
    CUTTLE_VALIDATE(!objective.inner || demands.inner_loss,
                    "objectives.{}.where: {} has no inner loop that it could move; use outer",
                    objective.name, name);
    CUTTLE_VALIDATE(
        !objective.objective->wants_classifier() || demands.head || demands.classifier,
        "objectives.{}.type: asks what a head says of embeddings, and {} trains by none; "
        "choose a learner with one, such as maml or pretrain, or remove the objective",
        objective.name, name);
    CUTTLE_VALIDATE(!objective.objective->classes() || request.kind->classes(),
                    "objectives.{}: goes by the classes of samples (this episode.target has none); "
                    "remove it, or use its form that needs none",
                    objective.name);
  }
  const std::string part =
      demands.second_order ? first_order_part(*request.model, *request.objectives) : "";
  CUTTLE_VALIDATE(part.empty(),
                  "adapt.algorithm: {} needs second derivatives, but {} has none (its gradient "
                  "would be silently "
                  "wrong); choose fomaml, reptile or protonet, or another encoder",
                  name, part);
  return type.make(request);
}

}  // namespace cuttle
