#include <torch/types.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "adapt/descent.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/learners/mini_batches.hpp"
#include "adapt/rows.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct ReptileOptions : RateOptions {
  std::string inner_optimizer = "sgd";
  std::int64_t inner_batch = 0;
  void keys(Keys& keys) {
    // Not from 0 steps on: it learns from where they lead, so it would never move.
    keys.add("inner_steps", inner_steps, at_least(1), "adaptation steps in training");
    keys.add("eval_inner_steps", eval_inner_steps, at_least(0),
             "adaptation steps in evaluation and use; 0: as in training");
    keys.add("inner_lr", inner_lr, above(0), "on the mean loss");
    keys.add("inner_optimizer", inner_optimizer, one_of({"sgd", "adam"}),
             "adam: beta1 = 0, fresh for every task");
    keys.add(
        "inner_batch", inner_batch, at_least(0),
        "samples that an inner step looks at, in turn, shuffled again after each round; 0: all "
        "of the task");
    keys.add("diagnostics", diagnostics, anything(),
             "record loss and accuracy before and after every inner step");
  }
};

/// Reptile (Nichol, Achiam, Schulman 2018): the meta-gradient is theta_0 - theta_K, so that only
/// what the inner loop moves is ever learned, and it moves the whole model. It has no query set in
/// training: the inner loop sees support and query together, and reports the loss before its last
/// update, of what that looked at.
class Reptile final : public Learner {
 public:
  using Options = ReptileOptions;
  Reptile(const LearnerRequest& request, const Options& options)
      : Learner(request),
        options_(options),
        update_(options.inner_optimizer == "adam" ? make_adam_update(options.inner_lr)
                                                  : make_sgd_update(options.inner_lr)),
        surface_(request, whole_model(request.layout)),
        engine_(options.inner_optimizer == "sgd"
                    ? PerceptronEngine::find(surface_, {options.inner_lr}, false)
                    : nullptr) {
    for (const auto& objective : *objectives_)
      CUTTLE_VALIDATE(!objective.outer, "objectives.{}.where: reptile has no outer loss; use inner",
                      objective.name);
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const Batch samples = concatenate(task.support, task.query);
    Context context;
    context.key = task.key;
    Statistics seen;
    context.record = &seen;
    Last last;
    const auto theta = descend(parameters.tensors(), samples, options_.inner_steps, context, last);
    Tensors gradient;
    for (std::size_t i = 0; i < theta.size(); ++i)
      gradient.push_back(parameters.tensors()[i] - theta[i]);
    Judged judged;
    judged.values.push_back(last.pass.loss.item<double>());
    for (const double value : kind_->measure(last.pass.outputs, last.batch))
      judged.values.push_back(value);
    return result_of(gradient, judged, seen);
  }

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    Last last;
    auto theta = descend(parameters.tensors(), support, eval_steps(), in_use(0, key), last);
    return std::make_unique<FastWeights>(model_, kind_, std::move(theta), support, eval_steps());
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return FastWeights::restore(model_, kind_, state, eval_steps());
  }

  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    std::vector<StepDiagnostics> lines;
    Last last;
    for (std::int64_t k = 0; k <= eval_steps(); ++k)
      lines.push_back(diagnose(
          surface_, descend(parameters.tensors(), task.support, k, in_use(0, task.key), last), task,
          k, k));
    return lines;
  }
  bool diagnostics() const override { return options_.diagnostics; }
  std::int64_t eval_steps() const override { return options_.steps_in_use(); }
  double cost(const EpisodeSize& size) const override {
    constexpr double kGradient = 3;
    const std::int64_t all = size.support + size.query;
    const std::int64_t batch =
        options_.inner_batch == 0 ? all : std::min(options_.inner_batch, all);
    return kGradient * static_cast<double>(options_.inner_steps * batch);
  }

 private:
  /// The last update, and what it looked at.
  struct Last {
    Batch batch;
    Pass pass;  ///< loss and outputs before it
  };

  Tensors descend(const Tensors& theta, const Batch& samples, std::int64_t steps, Context context,
                  Last& last) const {
    const bool all = options_.inner_batch == 0 || options_.inner_batch >= samples.size;
    if (engine_ && all && engine_->takes(theta, samples)) {
      last.batch = samples;
      return engine_->descend(theta, samples, steps, &last.pass);
    }
    InnerUpdate::Moved place{theta, update_->fresh(theta)};
    MiniBatches batches(samples, options_.inner_batch, context.key);
    for (std::int64_t k = 0; k < steps; ++k) {
      context.inner_step = k;
      last.batch = batches.next();
      const Point point = surface_.at(place.theta, last.batch, context, false);
      last.pass.loss = point.loss;
      last.pass.outputs = point.outputs;
      const torch::NoGradGuard no_grad;
      place = update_->step(point, place.state, k);
    }
    return place.theta;
  }

  Options options_;
  std::unique_ptr<const InnerUpdate> update_;
  Surface surface_;
  std::unique_ptr<const PerceptronEngine> engine_;  ///< null: the model is no perceptron
};

}  // namespace

LearnerType row_of_reptile() {
  return learner_type<Reptile>("moves towards where a few steps of training on the task lead",
                               "Nichol, Achiam, Schulman 2018");
}

}  // namespace cuttle
