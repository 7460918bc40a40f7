#pragma once

#include <torch/types.h>

#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/train/evaluator.hpp"

namespace cuttle {

class Novelty;

/// What an adapted model says of a batch, on the CPU.
struct Answered {
  torch::Tensor outputs;         ///< [n, way]
  std::vector<float> distances;  ///< by sample; empty: not asked for
};
/// `batch`: on the model's device. `at_once`: kClass needs labels. `novelty`: of the support, for
/// distances; null: none.
Answered answers_to(const Adapted& adapted, const Batch& batch, QueriesAtOnce at_once,
                    const Novelty* novelty = nullptr);

/// What the model says of a task's query after adapting to its support, on the CPU as the task is.
/// `parameters` are on the model's device.
torch::Tensor query_outputs(const Learner& learner, const ParameterList& parameters,
                            const Task& task, QueriesAtOnce at_once = QueriesAtOnce::kAll);

/// How many of `most` queries each of `way` classes keeps where shares are unequal
/// (EvaluationPlan::unbalanced); a pure function of the key.
std::vector<std::int64_t> unbalanced_counts(std::int64_t way, std::int64_t most,
                                            const RandomKey& key);

/// The first `counts` samples of each class of a batch (all, if it has fewer), in the same order.
Batch first_of_classes(const Batch& batch, const std::vector<std::int64_t>& counts);

/// A task's query with unequal shares of its classes, in the same order.
Batch unbalanced_query(const Task& task);

}  // namespace cuttle
