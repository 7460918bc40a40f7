#pragma once

#include <torch/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/train/evaluator.hpp"

namespace cuttle {

/// How far samples are from the classes of a support set, so that what belongs to none can be
/// rejected: the distance of their embedding to the nearest class mean (each part of the embedding
/// alone, then the mean over the parts that both have), in units of the mean distance between the
/// class means. About 0: like a support sample, 1: as far as another class. Nothing in it is
/// trained. Immutable.
class Novelty {
 public:
  /// `support`: embedding (Adapted::answer) of a support set with labels [n] of `way` classes.
  Novelty(const Embedding& support, const torch::Tensor& labels, std::int64_t way);
  /// The inverse of state(). Error naming what is missing.
  explicit Novelty(const std::map<std::string, torch::Tensor>& state);
  std::map<std::string, torch::Tensor> state() const;

  /// By sample; infinite where a sample shares no part with any class.
  std::vector<float> distances(const Embedding& samples) const;

 private:
  Tensors means_;          ///< [way, width_p] by part
  torch::Tensor has_;      ///< [way, parts], 1 where a class has the part
  torch::Tensor squared_;  ///< [parts], mean squared distance between two class means
};

/// What episodes of the validation classes say of a model's answers.
struct Calibration {
  /// Logits divided by it give probabilities that mean what they say (temperature scaling); above
  /// 1: the model is too sure.
  double temperature = 1.0;
  std::vector<float> distances;  ///< Novelty of queries of the support's classes, ascending; empty:
                                 ///< the learner has no embeddings
  double separation = 0;  ///< chance that a query of another class is farther than one of these
                          ///< (AUROC); NaN: there were no other classes
  std::int64_t way = 0, shot = 0, episodes = 0;  ///< of the episodes; the largest shot

  /// The share of such queries that are as far as this or farther: low where a sample belongs to
  /// no class (a conformal p-value; Vovk et al. 2005). In (0, 1].
  double known(float distance) const;
  /// Whether distances hardly tell other classes from these, so that known() says little.
  bool blurred() const { return separation < 0.6; }
};

/// Whether answers of a kind are probabilities, which a temperature changes: of classes, or labels.
inline bool tells_probabilities(const TaskKind& kind) {
  return kind.classes() || kind.labels();
}

/// Episodes of `plan` (its split, way, shot, seed, number and senses), adapted to and asked as in
/// use. The last class of each is kept out of the support where there are three or more, and its
/// queries are those of another class. `shots`: of the classes of a support set, of any number of
/// them, that the episodes shall be like, as far as the plan's shot allows; empty: the plan's.
/// Of labels the whole support is adapted to, and one temperature is for all labels.
/// `source`: of the plan. `progress(done)` is called after each episode. Every rank that calls it
/// does all the work and gets the same.
Calibration calibrate(const TaskSource& source, const Learner& learner,
                      const ParameterList& parameters, const EvaluationPlan& plan,
                      const std::vector<std::int64_t>& shots = {},
                      const std::function<void(std::int64_t)>& progress = {});

/// The temperature at which the mean probability of the answers of `logits` [n, way] to samples
/// with `labels` [n] is the share of right ones (expectation consistency, Clarte et al. 2023). The
/// least cross-entropy (Guo et al. 2017) would go by the few tasks that are confidently wrong: on
/// Omniglot it made MAML's expected calibration error larger. The share is smoothed to (right + 1)
/// / (n + 2), so that the temperature is above 0 even where all are right.
double fit_temperature(const torch::Tensor& logits, const torch::Tensor& labels);

}  // namespace cuttle
