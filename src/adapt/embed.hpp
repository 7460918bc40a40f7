#pragma once

#include <map>
#include <memory>
#include <optional>
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

/// An embedding as one vector a sample, [n, width_as_one]: late fusion's parts side by side, and
/// which of them are there.
torch::Tensor as_one(const Embedding& embedding);
std::int64_t width_as_one(const Fusion& fusion);

/// Rows of x [n, width] made of length 1; zeros stay zeros.
torch::Tensor unit_rows(const torch::Tensor& x);

/// The place of a new number that a learner owns, "learner.NAME", which weight decay spares.
std::int64_t own_number(ParameterLayout& layout, const std::string& name, double start);
/// What is at a place; undefined where it is negative, for parameters that some settings have not.
inline torch::Tensor parameter_at(const Tensors& parameters, std::int64_t place) {
  return place < 0 ? torch::Tensor() : parameters[static_cast<std::size_t>(place)];
}

/// What a support set answers, [n, outputs]: one-hot labels, or target values.
torch::Tensor answers_of(const Batch& batch, std::int64_t outputs,
                         const torch::TensorOptions& like);

/// [way, n]: which samples are of which class.
torch::Tensor members_of(const Batch& batch, const torch::TensorOptions& like);

/// Class means of every part, and how many samples each rests on, part after part. `share` [way,
/// samples]: how much of each sample belongs to each class.
Tensors prototypes_of(const Embedding& samples, const torch::Tensor& share);

/// How near a query is to class means: its negative squared distances (Snell, Swersky, Zemel 2017),
/// written as |q|^2 - 2 q.c + |c|^2, which is differentiable twice. With a scale, e to its power
/// times the cosine (Meta-Baseline: Chen, Liu, Xu, Darrell, Wang 2021).
std::vector<PartLogits> nearness_to(const Tensors& prototypes, const Embedding& query,
                                    const torch::Tensor& log_scale = {});

/// A class that shares nothing with a sample is neither near nor far: it gets the mean of that
/// sample's other logits. Logits are 0 where unknown.
torch::Tensor neutral_where_unknown(const torch::Tensor& logits, const torch::Tensor& known);

/// [n, way]: what the parts say together of classes.
torch::Tensor logits_of(const Fusion& fusion, const std::vector<PartLogits>& parts,
                        const torch::Tensor& weights);

/// Some samples of an embedding.
Embedding rows_of(const Embedding& embedding, std::int64_t first, std::int64_t count);

/// A support set and parameters as entries of a state, and back. Error naming what is missing.
std::map<std::string, torch::Tensor> state_of(const Model& model, const Tensors& parameters,
                                              const Batch& support);
Tensors parameters_in(const Model& model, const std::map<std::string, torch::Tensor>& state);
Batch support_in(const Model& model, const std::map<std::string, torch::Tensor>& state,
                 std::int64_t way);

/// A support set in use by a learner that compares embeddings. Where samples stand apart it is
/// embedded and studied once, and each query embedded by itself; where norms go by the batch at
/// hand, all of that again with every query.
class KnownSupport : public Adapted {
 public:
  torch::Tensor predict(const Batch& query) const final { return answer(query).outputs; }
  Answers answer(const Batch& query) const final;
  std::map<std::string, torch::Tensor> state() const final {
    return state_of(*model_, parameters_, support_);
  }

 protected:
  KnownSupport(std::shared_ptr<const Model> model, Tensors parameters, Batch support)
      : model_(std::move(model)),
        parameters_(std::move(parameters)),
        support_(std::move(support)) {}
  const Model& model() const { return *model_; }
  const Tensors& parameters() const { return parameters_; }
  const Batch& support() const { return support_; }

 private:
  /// What the support's embedding teaches, whatever will be asked.
  virtual Tensors study(const Embedding&) const { return {}; }
  /// [n, way] outputs for a query; `lesson` is what study() made of `support`.
  virtual torch::Tensor compare(const Embedding& support, const Tensors& lesson,
                                const Embedding& query) const = 0;

  /// Of the first query; like all of a learner in use, for one thread at a time.
  struct Known {
    Embedding support;
    Tensors lesson;
    Statistics given;
  };
  mutable std::optional<Known> known_;

  std::shared_ptr<const Model> model_;
  Tensors parameters_;
  Batch support_;
};

}  // namespace cuttle
