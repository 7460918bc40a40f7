#pragma once

#include "cuttle/adapt/learner.hpp"

namespace cuttle {

/// Support and query as the model sees them, for learners that compare embeddings.
struct Embedded {
  Embedding support, query;
  Pass pass;   ///< of both, or of the query
  Batch seen;  ///< what the pass is of
};

/// One pass for both where norms go by the batch at hand (they share its statistics, in training
/// and in use); the support's own pass first where the query's norms take its statistics.
Embedded embed_both(const Model& model, const Tensors& parameters, const Batch& support,
                    const Batch& query, Context context);

/// An embedding as one vector a sample, [n, width_as_one]: late fusion's parts side by side, and
/// which of them are there.
torch::Tensor as_one(const Embedding& embedding);
std::int64_t width_as_one(const Fusion& fusion);

/// What a support set answers, [n, outputs]: one-hot labels, or target values.
torch::Tensor answers_of(const Batch& batch, std::int64_t outputs,
                         const torch::TensorOptions& like);

/// Some samples of an embedding.
Embedding rows_of(const Embedding& embedding, std::int64_t first, std::int64_t count);

/// A support set and parameters as entries of a state, and back. Error naming what is missing.
std::map<std::string, torch::Tensor> state_of(const Model& model, const Tensors& parameters,
                                              const Batch& support);
Tensors parameters_in(const Model& model, const std::map<std::string, torch::Tensor>& state);
Batch support_in(const Model& model, const std::map<std::string, torch::Tensor>& state,
                 std::int64_t way);

}  // namespace cuttle
