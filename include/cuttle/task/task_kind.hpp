#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/config/type.hpp"
#include "cuttle/sense/batch.hpp"

namespace cuttle {

/// Nine in ten values of a normal distribution are within so many deviations of its mean.
constexpr double kNineInTen = 1.6448536269514722;

/// A figure over all episodes of an evaluation: the quotient of two sums, exact at every world
/// size.
struct Figure {
  std::string name;
  bool root = false;  ///< the root of the quotient is told
};
/// What an episode adds to both sums. To a mean over the episodes that have such a number, 0 and 0
/// where it has none and its number and 1 elsewhere.
struct FigureTerm {
  double sum = 0, of = 0;
};
/// Targets whose own figures are told: of more, nobody reads them.
constexpr std::int64_t kMostTargetsTold = 256;

/// What is asked of a model: the loss of its outputs, what is measured beside it, and what a head
/// must give. Stateless.
class TaskKind {
 public:
  virtual ~TaskKind() = default;

  /// Columns of the outputs for an episode of `way` classes whose samples have `target_width`
  /// values.
  virtual std::int64_t outputs(std::int64_t way, std::int64_t target_width) const = 0;
  /// The same for a batch, whose `way` is of classes or values.
  std::int64_t columns(const Batch& batch) const { return outputs(batch.way, batch.way); }
  /// Outputs, of as many numbers of any size, as a last layer gives them: learners that predict
  /// deviations (Demands::deviations) call it before all else, for others they are the same.
  virtual torch::Tensor outputs_of(const torch::Tensor& given) const { return given; }
  /// Mean loss over the batch of its outputs [n, outputs], differentiable twice.
  virtual torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const = 0;
  /// Mean loss over a support set, which is adapted to; differentiable twice.
  virtual torch::Tensor support_loss(const torch::Tensor& outputs, const Batch& support) const {
    return loss(outputs, support);
  }
  /// What each sample counts in it, float64 [n] on the CPU, 1 on average; undefined if all count
  /// alike. For learners that solve the support set otherwise than by this loss; engines that know
  /// `loss` alone stand back where it is defined.
  virtual torch::Tensor support_weights(const Batch&) const { return {}; }
  /// What is measured beside the loss; shares are in [0, 1].
  virtual std::vector<std::string> metrics() const { return {}; }
  /// Their values, in that order.
  virtual std::vector<double> measure(const torch::Tensor&, const Batch&) const { return {}; }

  /// What evaluation tells beside loss and metrics; shares are in [0, 1].
  virtual std::vector<Figure> figures() const { return {}; }
  /// The same of each target by itself, where there are at most kMostTargetsTold.
  virtual std::vector<Figure> figures_by_target() const { return {}; }
  /// An episode's terms, of outputs and targets on the CPU: of figures(), then of each target those
  /// of figures_by_target().
  virtual std::vector<FigureTerm> terms(const torch::Tensor&, const Batch&) const { return {}; }

  /// What picks the best checkpoint: the loss (0), metric i - 1, or, after these, a figure.
  virtual std::size_t score_column() const { return 0; }
  /// Whether a larger one is better.
  virtual bool larger_is_better() const { return false; }
  /// The score's name as records and JSON have it.
  virtual std::string score_name() const = 0;
  /// As in "accuracy 83.20 +- 0.71 %"; without a half width, "accuracy 83.20 %".
  virtual std::string say_score(double mean, std::optional<double> half_width) const = 0;

  /// Whether samples have labels in 0..way-1: what learners that compare with classes need.
  virtual bool classes() const { return false; }
  /// Whether samples have rows of values to predict (Dataset::target).
  virtual bool values() const { return false; }
  /// What is learned of values, as in "regression from 10 samples".
  virtual std::string says() const { return "regression"; }
  /// What a target's values must be, as in "0 or 1"; empty: any numbers.
  virtual std::string targets_are() const { return {}; }
  virtual bool is_target(float) const { return true; }
  /// Whether the first outputs are estimates of the values, in their units, as `rescaled` takes
  /// them; false: of something that they are made of.
  virtual bool estimates() const { return values(); }
  /// Outputs for a mean of values [n, values], for learners that answer by those of the support
  /// (Demands::one_each).
  virtual torch::Tensor outputs_of_mean(const torch::Tensor& mean) const { return mean; }
  /// What is told of a sample whose outputs these are, [n, values]: the values themselves, or
  /// probabilities of labels.
  virtual torch::Tensor told(const torch::Tensor& outputs, std::int64_t values) const {
    return outputs.narrow(1, 0, values);
  }
  /// Whether values are labels that a sample has or has not, and what is told their probabilities.
  virtual bool labels() const { return false; }
  /// Whether values are levels in an order, and what is told the level.
  virtual bool levels() const { return false; }
  /// Numbers that are told beside each value: the end of the column's name, and the name in
  /// records.
  struct Beside {
    std::string column, record;
  };
  virtual std::vector<Beside> beside() const { return {}; }
  /// These numbers, [n, values] each.
  virtual std::vector<torch::Tensor> told_beside(const torch::Tensor&) const { return {}; }
  /// Whether a standard deviation is predicted beside each value: the values are the first columns
  /// of the outputs.
  virtual bool uncertain() const { return false; }
  /// These deviations, [n, values]; undefined: there are none.
  virtual torch::Tensor deviations(const torch::Tensor&) const { return {}; }
  /// Whether values are learned in units of the training classes (TaskInputs::units); then
  /// `estimates`.
  virtual bool in_training_units() const { return false; }
  /// Outputs for values in units of `scale` from `origin`, [1, values] each, as outputs for the
  /// values themselves.
  virtual torch::Tensor rescaled(const torch::Tensor& outputs, const torch::Tensor& origin,
                                 const torch::Tensor& scale) const {
    return outputs * scale + origin;
  }
  /// Outputs for values in these units, as outputs for the values in their own.
  torch::Tensor in_own_units(const torch::Tensor& outputs, const TargetUnits& units) const {
    return units.empty() ? outputs : rescaled(outputs, units.origins(), units.scales());
  }
  /// Losses that engines of their own know: mean cross-entropy with labels, mean squared error to
  /// targets.
  enum class SimpleLoss { kCrossEntropy, kSquaredError };
  virtual std::optional<SimpleLoss> simple_loss() const { return std::nullopt; }
};

class Dataset;
/// UserError naming the first sample of `place` with a target that the kind has no use for
/// (TaskKind::targets_are). Data without targets have none.
void check_targets(const TaskKind& kind, const Dataset& data, const std::string& place);

struct TaskKindRequest {
  const Section& section;
};
using TaskKindType = Type<TaskKind, TaskKindRequest>;

/// In task/kinds, one file each.
std::map<std::string, TaskKindType> builtin_task_kinds();

}  // namespace cuttle
