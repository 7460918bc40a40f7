#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/adapt/options.hpp"
#include "cuttle/core/random.hpp"
#include "cuttle/model/model.hpp"

namespace cuttle {

/// A task ready to be learned: tensors and the key of its own randomness.
struct Task {
  Batch support, query;
  RandomKey key;

  Task on(torch::Device device) const { return {support.on(device), query.on(device), key}; }
};

/// Loss and accuracy on a task's support and query after `step` inner updates.
struct StepDiagnostics {
  std::int64_t step = 0;
  double support_loss = 0, support_accuracy = 0, query_loss = 0, query_accuracy = 0;
};

/// Mean cross-entropy of [n, way] logits with the labels; mean squared error if there are targets.
torch::Tensor task_loss(const torch::Tensor& outputs, const Batch& batch);
/// Share of the rows of [n, way] logits whose largest is the label's; 0 if there are targets.
double accuracy_of(const torch::Tensor& outputs, const Batch& batch);

/// What a task contributes to the outer step.
struct TaskResult {
  torch::Tensor gradient;  ///< flat [layout.flat_size()], of the query loss with respect to the
                           ///< meta-parameters
  double query_loss = 0, query_accuracy = 0;  ///< of values: no accuracy
};

/// What adaptation produced: fast weights, a support set, ... It predicts and can be saved (`cuttle
/// adapt`).
class Adapted {
 public:
  virtual ~Adapted() = default;
  /// [n, way] logits for a batch of the same model. No gradient.
  virtual torch::Tensor predict(const Batch& batch) const = 0;
  /// Everything besides the model and the learner's options that predict needs, by name.
  virtual std::map<std::string, torch::Tensor> state() const = 0;
};

/// A meta-learning algorithm: no state; everything learned lives in the parameters. On a GPU
/// several threads call meta_gradient at once; all else is for one thread at a time.
class Learner {
 public:
  Learner(std::shared_ptr<const Model> model, const AdaptOptions& options)
      : model_(std::move(model)), options_(options) {}
  virtual ~Learner() = default;

  /// Gradient of the task's outer loss; a pure function of its arguments.
  virtual TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const = 0;
  /// Adapts to a labelled support set with the evaluation settings (eval_inner_steps).
  virtual std::unique_ptr<Adapted> adapt(const ParameterList& parameters,
                                         const Batch& support) const = 0;
  /// The inverse of Adapted::state. Error naming the entry that is missing or has the wrong shape.
  virtual std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                           std::int64_t way) const = 0;
  /// Loss and accuracy before and after each evaluation inner step; empty for learners without
  /// steps.
  virtual std::vector<StepDiagnostics> trace(const ParameterList&, const Task&) const { return {}; }

  /// About how long meta_gradient takes for a task of this many samples, in passes of one sample
  /// through the model. For sharing out work: never part of a result.
  /// Callable from any thread.
  virtual double cost(std::int64_t support, std::int64_t query) const;

  const Model& model() const { return *model_; }
  const AdaptOptions& options() const { return options_; }
  /// Inner updates that adapt() takes; 0 for learners without.
  virtual std::int64_t eval_steps() const {
    return options_.eval_inner_steps > 0 ? options_.eval_inner_steps : options_.inner_steps;
  }

 protected:
  std::shared_ptr<const Model> model_;
  AdaptOptions options_;
};

using LearnerFactory = std::function<std::unique_ptr<const Learner>(std::shared_ptr<const Model>,
                                                                    const AdaptOptions&)>;

/// An algorithm that a config can name.
struct LearnerType {
  LearnerFactory make;
  bool head = true;           ///< it classifies by the model's head; metric learners have none
  bool second_order = false;  ///< it differentiates twice: refused on blocks that cannot
};
using LearnerRegistry = std::map<std::string, LearnerType>;

/// maml, fomaml, anil, reptile, protonet.
LearnerRegistry builtin_learners();

/// The type that `algorithm` names; UserError listing what there is.
const LearnerType& find_learner(const LearnerRegistry& learners, const std::string& algorithm);

/// The learner that `options.algorithm` names. UserError for an unknown name, and for a
/// second-order algorithm on a model with a block that has no double backward.
std::unique_ptr<const Learner> make_learner(const LearnerRegistry& learners,
                                            std::shared_ptr<const Model> model,
                                            const AdaptOptions& options);

}  // namespace cuttle
