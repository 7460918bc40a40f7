#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <utility>

#include "adapt/descent.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {
namespace {

struct AnilOptions : RateOptions {
  Demands demands() const {
    Demands demands = RateOptions::demands();
    demands.inner_loss = false;    // features do not move
    demands.second_order = false;  // through the head's few operations alone
    return demands;
  }
};

/// ANIL (Raghu et al. 2020): the inner loop moves the head alone, the body gives features once. The
/// graph of all steps is kept, since it holds a few head-sized tensors a step and the body's graph
/// only once.
class Anil final : public Learner {
 public:
  using Options = AnilOptions;
  Anil(const LearnerRequest& request, const Options& options)
      : Learner(request),
        options_(options),
        update_(make_sgd_update(options.inner_lr)),
        surface_(request, head_alone(request.layout)),
        engine_(PerceptronEngine::find(surface_, {options.inner_lr}, true)) {}

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    if (engine_ && engine_->takes(parameters.tensors(), task.support, &task.query))
      return engine_->meta_gradient(parameters.tensors(), task, options_.inner_steps);
    const auto leaves = as_leaves(parameters.tensors());
    Context context;
    context.key = task.key;
    const Adaptation adapted =
        adapt_head(leaves, task.support, options_.inner_steps, context, true);
    Statistics seen;
    context.record = &seen;
    if (model_->uses_support()) context.given = &adapted.given;
    Pass pass = model_->look(adapted.theta, task.query, context);
    pass.outputs = model_->classify(adapted.theta, pass.embedding, kind_->columns(task.query));
    const Judged judged = judge(adapted.theta, pass, task.query, context);
    return result_of(gradient_of(judged.loss, leaves, false), judged, seen);
  }

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    Tensors theta;
    if (engine_ && engine_->takes(parameters.tensors(), support))
      theta = engine_->descend(parameters.tensors(), support, eval_steps());
    else
      theta =
          adapt_head(as_leaves(parameters.tensors()), support, eval_steps(), in_use(0, key), false)
              .theta;
    for (auto& value : theta) value = value.detach();
    return std::make_unique<FastWeights>(model_, kind_, std::move(theta), support, 0);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return FastWeights::restore(model_, kind_, state, 0);
  }

  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    std::vector<StepDiagnostics> lines;
    for (std::int64_t k = 0; k <= eval_steps(); ++k) {
      const auto adapted =
          adapt_head(as_leaves(parameters.tensors()), task.support, k, in_use(0, task.key), false);
      lines.push_back(diagnose(surface_, adapted.theta, task, k, 0));
    }
    return lines;
  }
  bool diagnostics() const override { return options_.diagnostics; }
  std::int64_t eval_steps() const override { return options_.steps_in_use(); }
  double cost(const EpisodeSize& size) const override {
    constexpr double kGradient = 3;
    return kGradient * static_cast<double>(size.query + options_.inner_steps * size.support);
  }

 private:
  struct Adaptation {
    Tensors theta;     ///< all parameters, the head moved
    Statistics given;  ///< what norms saw of the support set
  };

  /// The head moved by `steps` updates; with the graph back to `theta` if asked for.
  Adaptation adapt_head(Tensors theta, const Batch& support, std::int64_t steps, Context context,
                        bool create_graph) const {
    Adaptation adapted;
    if (model_->uses_support()) context.record = &adapted.given;
    Pass pass = model_->look(theta, support, context);
    context.record = nullptr;
    for (std::int64_t k = 0; k < steps; ++k) {
      pass.outputs = model_->classify(theta, pass.embedding, kind_->columns(support));
      const auto loss = surface_.loss(theta, pass, support, context);
      Point at{theta, Tensors(theta.size()), loss, {}};
      Tensors head;
      for (const auto i : surface_.fast()) head.push_back(theta[static_cast<std::size_t>(i)]);
      // Without create_graph the features' graph must still survive for the next step.
      const auto gradient = torch::autograd::grad({loss}, head, {}, true, create_graph, true);
      for (std::size_t i = 0; i < head.size(); ++i)
        at.gradient[static_cast<std::size_t>(surface_.fast()[i])] = gradient[i];
      theta = update_->step(at, {}, k).theta;
    }
    adapted.theta = std::move(theta);
    return adapted;
  }

  Options options_;
  std::unique_ptr<const InnerUpdate> update_;
  Surface surface_;
  std::unique_ptr<const PerceptronEngine> engine_;  ///< null: the model is no perceptron
};

}  // namespace

LearnerType row_of_anil() {
  return learner_type<Anil>("the inner loop moves the head alone", "Raghu et al. 2020");
}

}  // namespace cuttle
