#pragma once

#include <memory>
#include <string>
#include <utility>

#include "adapt/surface/perceptron.hpp"
#include "adapt/surface/surface.hpp"
#include "adapt/updates/inner_update.hpp"

namespace cuttle {

/// Keys of an inner loop, whatever its update.
struct LoopOptions {
  std::int64_t inner_steps = 1;
  std::int64_t eval_inner_steps = 0;
  bool diagnostics = false;
  void keys(Keys& keys);
  std::int64_t steps_in_use() const {
    return eval_inner_steps > 0 ? eval_inner_steps : inner_steps;
  }
  /// The part of Demands that follows from these.
  Demands demands() const;
};

/// The same with gradient descent at one rate.
struct RateOptions : LoopOptions {
  double inner_lr = 0.4;
  void keys(Keys& keys);
  Demands demands() const;
};

/// The key of loops that go back through their steps (Trajectory).
struct WayBackOptions {
  std::string keep = "parameters";
  void keys(Keys& keys);
};

/// Of gradient descent with second derivatives, on a part of the model if asked for.
struct DescentOptions : RateOptions, FastOptions, WayBackOptions {
  void keys(Keys& keys);
  Demands demands() const;
};

/// What tells one learner that descends from another.
struct Descender {
  std::unique_ptr<const InnerUpdate> update;
  FastSet fast;               ///< what the loop moves
  bool second_order = false;  ///< differentiates through the inner gradients
  std::string keep = "parameters";
  /// Of gradient descent, which an engine may take; without a rate it is none.
  EngineRates engine_rates = {};
};

/// Learners whose inner loop descends the support loss, K times by an InnerUpdate U, and whose
/// outer loss is the query's at the end (Finn, Abbeel, Levine 2017). With theta_{k+1} = U(theta_k,
/// g(theta_k)), reverse recursion gives
///   lambda_K = dL_query/dtheta_K,
///   lambda_k = (dU/dtheta)^T lambda_{k+1} + H_k (dU/dg)^T lambda_{k+1},
/// H_k the Hessian of the support loss at theta_k, so one step's graph is alive at a time, however
/// many steps. First order leaves the H_k out. A query's loss on the way adds its own gradient to
/// lambda_k. Small perceptrons take the engine's way.
class DescentLearner : public Learner {
 public:
  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override;
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override;
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override;
  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override;
  bool diagnostics() const override { return options_.diagnostics; }
  std::int64_t eval_steps() const override { return options_.steps_in_use(); }
  double cost(const EpisodeSize& size) const override;

 protected:
  DescentLearner(const LearnerRequest& request, const LoopOptions& options, Descender descender);
  const Surface& surface() const { return surface_; }
  /// Null: the model is none that it takes.
  const PerceptronEngine* engine() const { return engine_.get(); }
  /// Where `steps` inner steps lead; nothing is kept of the way.
  Tensors descend(const Tensors& theta, const Batch& support, const Context& context,
                  std::int64_t steps) const;

  /// Whether the loop starts elsewhere for every task: at start_of(), which is differentiable, and
  /// the outer gradient goes back through it.
  virtual bool starts_by_task() const { return false; }
  virtual Tensors start_of(const Tensors& parameters, const Batch&, const Context&) const {
    return parameters;
  }

  // What may change while training goes on, as pure functions of the task's key: the step of a
  // training task's is the outer step. The engine knows neither.
  /// Whether the outer gradient goes through the inner ones.
  virtual bool second_order(const RandomKey&) const { return descender_.second_order; }
  /// How much the query's loss after k inner steps counts in the outer loss.
  virtual double share(std::int64_t k, const RandomKey&) const {
    return k == options_.inner_steps ? 1.0 : 0.0;
  }

 private:
  /// Where the loop starts in use.
  Tensors start_in_use(const ParameterList& parameters, const Batch& support,
                       const RandomKey& key) const;
  /// The query's loss after k steps, and its gradient by parameter, times its share.
  std::pair<Judged, Tensors> outer_loss(const Tensors& theta, const Task& task, std::int64_t k,
                                        Context context) const;

  LoopOptions options_;
  Descender descender_;
  Surface surface_;
  std::unique_ptr<const PerceptronEngine> engine_;  ///< null: the model is none
};

}  // namespace cuttle
