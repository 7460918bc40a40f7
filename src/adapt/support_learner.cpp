#include "adapt/support_learner.hpp"

#include <torch/types.h>

#include <optional>
#include <utility>

#include "adapt/fast_weights.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {

TaskResult SupportLearner::meta_gradient(const ParameterList& parameters, const Task& task) const {
  if (const auto layers = task_layers(task))
    if (auto result = gradient_by_layers(*model_, *kind_, *objectives_, parameters, task, *layers))
      return *std::move(result);
  if (const auto on_rows = outcome_on_rows(task)) {
    if (auto result = gradient_by_rows(*model_, *kind_, *objectives_, parameters, task, *on_rows))
      return *std::move(result);
    if (has_rows_beside_graph(*model_, *kind_, *objectives_, parameters, task))
      return gradient_beside_graph(parameters, task, *on_rows);
  }
  const auto leaves = as_leaves(parameters.tensors());
  Statistics seen;
  Context context;
  context.key = task.key;
  context.record = &seen;
  const Batch batch = in_order(task.support, task.key);
  const Tensors own = dealt(leaves, task.key);
  const auto both = embed_both(*model_, leaves, batch, task.query, context);
  const Support support{own, batch, both.support};
  const auto [outputs, instead, beside] = outcome(support, task, both.query);
  Judged judged = judge(leaves, outputs, task.query, both.pass, both.seen, context, instead);
  if (beside.defined()) judged.loss = judged.loss + beside;
  return result_of(gradient_of(judged.loss, leaves, false), judged, seen);
}

TaskResult SupportLearner::gradient_beside_graph(const ParameterList& parameters, const Task& task,
                                                 const TaskOutcome& on_rows) const {
  const auto leaves = as_leaves(parameters.tensors());
  Statistics seen;
  Context context;
  context.key = task.key;
  context.record = &seen;
  const auto both = embed_both(*model_, leaves, task.support, task.query, context);
  const auto &support = both.support.parts[0], &query = both.query.parts[0];
  const auto made = outcome_of_embedding(*model_, *kind_, parameters, task, support.detach(),
                                         query.detach(), on_rows);
  TaskResult result =
      result_of(vector_jacobian({support, query}, leaves, {made.of_support, made.of_query}),
                {{}, made.values}, seen);
  result.gradient += made.of_parameters;
  return result;
}

SupportLearner::Outcome SupportLearner::outcome(const Support& support, const Task&,
                                                const Embedding& query) const {
  return {answer(support, study(support), query)};
}

/// A support set that was adapted to.
class SupportLearner::InUse final : public Adapted {
 public:
  InUse(const SupportLearner& learner, Tensors parameters, Batch support)
      : learner_(learner), parameters_(std::move(parameters)), support_(std::move(support)) {}

  torch::Tensor predict(const Batch& query) const override { return answer(query).outputs; }
  Answers answer(const Batch& query) const override {
    const torch::NoGradGuard no_grad;
    const Model& model = learner_.model();
    Context context = in_use();
    if (!model.samples_apart()) {
      const Embedded both = embed_both(model, parameters_, support_, query, context);
      const Support support{parameters_, support_, both.support};
      return {learner_.answer(support, learner_.study(support), both.query), both.query};
    }
    if (!known_) {
      Known known;
      known.support =
          embed_support(model, parameters_, support_, context, known.given, model.lite());
      known.lesson = learner_.study({parameters_, support_, known.support});
      known_ = std::move(known);
    }
    if (model.uses_support()) context.given = &known_->given;
    const Embedding embedding = model.embed(parameters_, query, context);
    const Support support{parameters_, support_, known_->support};
    return {learner_.answer(support, known_->lesson, embedding), embedding};
  }
  std::map<std::string, torch::Tensor> state() const override {
    return state_of(learner_.model(), parameters_, support_);
  }

 private:
  /// Of the first query; like all of a learner in use, for one thread at a time.
  struct Known {
    Embedding support;
    Tensors lesson;
    Statistics given;
  };
  mutable std::optional<Known> known_;

  const SupportLearner& learner_;
  Tensors parameters_;
  Batch support_;
};

std::unique_ptr<Adapted> SupportLearner::adapt(const ParameterList& parameters,
                                               const Batch& support, const RandomKey& key) const {
  return std::make_unique<InUse>(*this, dealt(parameters.tensors(), key), in_order(support, key));
}

std::unique_ptr<Adapted> SupportLearner::restore(const std::map<std::string, torch::Tensor>& state,
                                                 std::int64_t way) const {
  return std::make_unique<InUse>(*this, parameters_in(*model_, state),
                                 support_in(*model_, state, way));
}

std::vector<std::int64_t> SupportLearner::order_of(std::int64_t count, const RandomKey& key) {
  return Random(key.with(Draw::kSupportOrder)).sample(count, count);
}

torch::Tensor SupportLearner::log_counts(const Batch& support,
                                         const torch::TensorOptions& like) const {
  const auto counts = kind_->support_weights(support);
  return counts.defined() ? counts.log().to(like) : torch::zeros({support.size}, like);
}

}  // namespace cuttle
