#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapt/embed.hpp"
#include "adapt/task_layers.hpp"

namespace cuttle {

/// A support set as a learner has it before it: read in its order, with the task's parameters.
struct Support {
  const Tensors& parameters;
  const Batch& batch;
  const Embedding& embedding;
};

/// Learners that embed a support set, study it once, and answer queries by what they learned. Where
/// samples stand apart, adaptation embeds and studies the support once and embeds each query by
/// itself; where norms go by the batch at hand, all of that again with every query.
class SupportLearner : public Learner {
 public:
  using Learner::Learner;

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override;
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override;
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override;

 protected:
  /// The order that a task's samples are read in; what is saved has it.
  virtual Batch in_order(const Batch& support, const RandomKey&) const { return support; }
  /// An order that says nothing of classes: of so many samples, and of a support.
  static std::vector<std::int64_t> order_of(std::int64_t count, const RandomKey& key);
  static Batch shuffled(const Batch& support, const RandomKey& key) {
    return select_rows(support, order_of(support.size, key));
  }
  /// A task's own form of the parameters; what is saved has it.
  virtual Tensors dealt(Tensors parameters, const RandomKey&) const { return parameters; }

  /// What the support teaches, whatever will be asked.
  virtual Tensors study(const Support&) const { return {}; }
  /// [n, way] outputs for queries; `lesson` is what study() made of `support`.
  virtual torch::Tensor answer(const Support& support, const Tensors& lesson,
                               const Embedding& query) const = 0;

  /// What training makes of a task: its outputs and, where they are defined, a loss that is
  /// descended in place of theirs, and one beside it.
  struct Outcome {
    torch::Tensor outputs, instead = {}, beside = {};
  };
  /// In training; `query` is the embedding of task.query.
  virtual Outcome outcome(const Support& support, const Task& task, const Embedding& query) const;
  /// Small models take no graph where these compute what outcome() says, with the settings at hand:
  /// layers that the support makes, if it is the kind's loss of what they say (and a loss beside it
  /// of the support alone, whose gradient their back() adds), or all of it on rows. Rows are those
  /// of task.support and task.query as they lie; of larger encoders the graph ends there.
  virtual std::optional<TaskLayers> task_layers(const Task&) const { return std::nullopt; }
  virtual std::optional<TaskOutcome> outcome_on_rows(const Task&) const { return std::nullopt; }

  /// Logarithms of how much the samples count, [samples]; zeros where all count alike.
  torch::Tensor log_counts(const Batch& support, const torch::TensorOptions& like) const;

 private:
  TaskResult gradient_beside_graph(const ParameterList& parameters, const Task& task,
                                   const TaskOutcome& on_rows) const;
  class InUse;
};

}  // namespace cuttle
