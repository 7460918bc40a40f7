#pragma once

#include <map>
#include <string>

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

/// A support set alone, and what it gives to its queries. Samples that stand apart are embedded
/// `at_once` at a time (0: all).
Embedding embed_support(const Model& model, const Tensors& parameters, const Batch& support,
                        Context context, Statistics& given, std::int64_t at_once);

/// An embedding as one vector a sample, [n, width_as_one]: late fusion's parts side by side, and
/// which of them are there.
torch::Tensor as_one(const Embedding& embedding);
std::int64_t width_as_one(const Fusion& fusion);

/// What a support set answers, [n, width]: one-hot labels, or target values.
torch::Tensor answers_of(const Batch& batch, std::int64_t width, const torch::TensorOptions& like);
/// The most columns of these: as outputs have, but for deviations.
std::int64_t width_of_answers(const LearnerRequest& request);

/// [way, n]: which samples are of which class.
torch::Tensor members_of(const Batch& batch, const torch::TensorOptions& like);

/// Class means of every part, and how many samples each rests on, part after part. `share` [way,
/// samples]: how much of each sample belongs to each class.
Tensors prototypes_of(const Embedding& samples, const torch::Tensor& share);

/// Where a part of the query can say something of classes that rest on so many samples, [way, 1] or
/// [way]: as PartLogits::known.
torch::Tensor known_of(const Embedding& query, std::size_t part, const torch::Tensor& count);

/// [n, way]: negative squared distances of rows x [n, width] to means [way, width], written as
/// 2 x.m - |x|^2 - |m|^2, which is differentiable twice.
torch::Tensor minus_squared_distances(const torch::Tensor& x, const torch::Tensor& means);

/// How near a query is to class means: its negative squared distances (Snell, Swersky, Zemel 2017).
/// With a scale, e to its power
/// times the cosine (Meta-Baseline: Chen, Liu, Xu, Darrell, Wang 2021).
std::vector<PartLogits> nearness_to(const Tensors& prototypes, const Embedding& query,
                                    const torch::Tensor& log_scale = {});

/// A class that shares nothing with a sample is neither near nor far: it gets the mean of that
/// sample's other logits. Logits are 0 where unknown.
torch::Tensor neutral_where_unknown(const torch::Tensor& logits, const torch::Tensor& known);

/// [n, way]: what the parts say together, 0 of what none knows.
torch::Tensor combined(const Fusion& fusion, const std::vector<PartLogits>& parts,
                       const torch::Tensor& weights);
/// The same of classes, neutral where unknown.
torch::Tensor logits_of(const Fusion& fusion, const std::vector<PartLogits>& parts,
                        const torch::Tensor& weights);

/// The samples of several embeddings of one model, one after the other.
Embedding joined(const std::vector<Embedding>& pieces);
/// Some samples of an embedding.
Embedding rows_of(const Embedding& embedding, std::int64_t first, std::int64_t count);

/// A support set and parameters as entries of a state, and back. Error naming what is missing.
std::map<std::string, torch::Tensor> state_of(const Model& model, const Tensors& parameters,
                                              const Batch& support);
/// The parameters alone, as ParameterLayout::kept has them.
Tensors parameters_in(const Model& model, const std::map<std::string, torch::Tensor>& state,
                      const std::string& name = "parameters");
Batch support_in(const Model& model, const std::map<std::string, torch::Tensor>& state,
                 std::int64_t way);

}  // namespace cuttle
