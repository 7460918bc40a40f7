#pragma once

#include <torch/types.h>

#include <vector>

#include "cuttle/task/objective.hpp"

// What objectives share that make samples between others, as embeddings.
namespace cuttle {

/// For each i the place between samples first[i] and second[i]: `share[i]` of the
/// first and the rest of the second. A part that one of both lacks is the other's.
Embedding mixed_embedding(const Embedding& embedding, const std::vector<std::int64_t>& first,
                          const std::vector<std::int64_t>& second,
                          const std::vector<double>& share);

/// A batch of no senses with the labels and targets of these samples, for the kind's loss.
Batch asked_of(const Batch& batch, const std::vector<std::int64_t>& samples);

/// What embeddings are answered by, as the pass' own were.
torch::Tensor answers_to(const Model& model, const TaskKind& kind, const Tensors& parameters,
                         const Pass& pass, const Embedding& embedding, const Batch& batch);

}  // namespace cuttle
