#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/config/type.hpp"
#include "cuttle/core/random.hpp"
#include "cuttle/model/model.hpp"
#include "cuttle/task/objective.hpp"
#include "cuttle/task/task.hpp"
#include "cuttle/task/task_kind.hpp"

namespace cuttle {

/// Loss and metrics (TaskKind::metrics) on a task's support and query after `step` inner updates.
struct StepDiagnostics {
  std::int64_t step = 0;
  double support_loss = 0, query_loss = 0;
  std::vector<double> support_metrics, query_metrics;
};

/// What a task contributes to the outer step.
struct TaskResult {
  torch::Tensor gradient;  ///< flat [layout.flat_size()]: of the outer loss with respect to what is
                           ///< learned; where statistics are, what the task observed
  std::vector<double> values;  ///< as Learner::reports names them; the task's loss first
};

/// What adaptation produced: fast weights, a support set, ... It predicts and can be saved (`cuttle
/// adapt`). Its learner must outlive it.
class Adapted {
 public:
  virtual ~Adapted() = default;
  /// [n, way] outputs for a batch of the same model. No gradient.
  virtual torch::Tensor predict(const Batch& batch) const = 0;
  /// predict()'s outputs, and the embeddings that they were made of, by which samples can be
  /// compared; no parts: there are none. No gradient.
  struct Answers {
    torch::Tensor outputs;
    Embedding embedding;
  };
  virtual Answers answer(const Batch& batch) const { return {predict(batch), {}}; }
  /// Everything besides the model and the learner's options that predict needs, by name.
  virtual std::map<std::string, torch::Tensor> state() const = 0;
};

/// What a learner needs of the rest of a run; told before the model is made.
struct Demands {
  bool head = true;           ///< it answers by the model's head
  bool classifier = false;    ///< or by one of its own, in training (Pass::classify)
  bool learns = true;         ///< training moves the model; false: it stays as it came, whatever
                              ///< the tasks
  bool classes = false;       ///< it compares samples with classes: targets of values are refused
  bool deviations = false;    ///< it can predict them (TaskKind::uncertain); refused elsewhere
  bool one_each = false;      ///< it gives one output for each value of a sample (or class): kinds
                              ///< that ask for more are refused
  bool class_rows = false;    ///< beside the head: parameters of its own for each class of a task
  std::int64_t most_way = 0;  ///< classes that it has room for, whatever it was trained with; 0: as
                              ///< head and class_rows say
  bool second_order = false;  ///< it differentiates twice: refused on parts that cannot
  bool inner_loss = false;    ///< inner objectives move something
  TaskForm form = TaskForm::kEpisode;  ///< of the training tasks that it takes
  std::int64_t inner_steps = 0;  ///< inner updates that the model's parameters see in training
  double inner_lr = 0;           ///< on the mean loss, to be told to people; 0: none
};

/// What a learner is built from. Its own parameters go to `layout`, names starting with "learner.",
/// role kLearner.
struct LearnerRequest {
  const Section& section;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const TaskKind> kind;
  std::shared_ptr<const Objectives> objectives;
  ParameterLayout& layout;
  TaskInputs inputs = {};  ///< of the tasks: senses, targets, classes of the training split
};

/// A meta-learning algorithm: no state; everything learned lives in the parameters. On a GPU
/// several threads call meta_gradient at once; all else is for one thread at a time.
class Learner {
 public:
  explicit Learner(const LearnerRequest& request)
      : model_(request.model), kind_(request.kind), objectives_(request.objectives) {}
  virtual ~Learner() = default;

  /// Gradient of the task's outer loss; a pure function of its arguments.
  virtual TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const = 0;
  /// Adapts to a support set with the settings of use. `key`: of the task's own randomness.
  virtual std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                         const RandomKey& key) const = 0;
  /// The inverse of Adapted::state. Error naming the entry that is missing or has the wrong shape.
  virtual std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                           std::int64_t way) const = 0;
  /// Diagnostics before and after each inner step of use; empty for learners without steps.
  virtual std::vector<StepDiagnostics> trace(const ParameterList&, const Task&) const { return {}; }
  /// Whether the config asks for traces in validation.
  virtual bool diagnostics() const { return false; }
  /// Whether an answer in use depends on the support set and its own sample alone, whatever is
  /// asked beside it: such a learner is inductive, any other transductive.
  virtual bool samples_apart() const { return model_->samples_apart(); }
  /// Inner updates that adapt() takes; 0 for learners without.
  virtual std::int64_t eval_steps() const { return 0; }

  /// About how long meta_gradient takes for a task of this size, in passes of one sample through
  /// the model. For sharing out work: never part of a result. Callable from any thread.
  virtual double cost(const EpisodeSize& size) const {
    constexpr double kGradient = 3;  // a forward pass and twice as much back
    return kGradient * static_cast<double>(size.support + size.query);
  }

  const Model& model() const { return *model_; }
  const TaskKind& kind() const { return *kind_; }
  /// Names of TaskResult::values: loss, the kind's metrics, then the outer objectives.
  std::vector<std::string> reports() const;

 protected:
  /// What a pass is worth: `loss` is what the loop descends, `values` what is reported.
  struct Judged {
    torch::Tensor loss;
    std::vector<double> values;
  };
  /// Of the outer loop: the kind's loss of `outputs` for `query`, and the outer objectives of
  /// `pass`, which is of `seen` (the query, or support and query together). `own`: a loss of the
  /// learner's that is descended in place of the kind's, which is reported all the same.
  Judged judge(const Tensors& parameters, const torch::Tensor& outputs, const Batch& query,
               const Pass& pass, const Batch& seen, const Context& context,
               const torch::Tensor& own = {}) const;
  Judged judge(const Tensors& parameters, const Pass& pass, const Batch& query,
               const Context& context) const {
    return judge(parameters, pass.outputs, query, pass, query, context);
  }
  /// The result of an outer loss: gradients by parameter (undefined: zero) and what norms saw.
  TaskResult result_of(const Tensors& gradients, const Judged& judged,
                       const Statistics& seen) const;

  std::shared_ptr<const Model> model_;
  std::shared_ptr<const TaskKind> kind_;
  std::shared_ptr<const Objectives> objectives_;
};

/// A row of the registry. Options of a learner have `Demands demands() const` beside their keys.
struct LearnerType : Type<Learner, LearnerRequest> {
  std::function<Demands(const Section&)> demands;
};

/// type_of for learners.
template <class Part>
LearnerType learner_type(std::string summary, std::string source) {
  auto row = type_of<Part, LearnerType>(std::move(summary), std::move(source));
  row.demands = [](const Section& section) {
    return options_of<typename Part::Options>(section).demands();
  };
  return row;
}

/// In adapt/learners, one file each.
std::map<std::string, LearnerType> builtin_learners();

/// The learner that a section names. UserError for an unknown name, for a second-order algorithm on
/// a model with a part that has no double backward, and for one that needs classes where there are
/// none.
std::unique_ptr<const Learner> make_learner(const std::map<std::string, LearnerType>& learners,
                                            const LearnerRequest& request);

}  // namespace cuttle
