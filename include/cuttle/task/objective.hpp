#pragma once

#include <torch/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/model/model.hpp"
#include "cuttle/task/options.hpp"
#include "cuttle/task/task_kind.hpp"

namespace cuttle {

/// A loss beside the task's own: a function of what a pass gives. Its parameters live in the
/// layout, with role kObjective.
class Objective {
 public:
  virtual ~Objective() = default;
  /// A scalar, differentiable twice unless second_order() says no. `pass` is of `batch`.
  virtual torch::Tensor loss(const Tensors& parameters, const Pass& pass, const Batch& batch,
                             const Context& context) const = 0;
  virtual bool second_order() const { return !players(); }
  /// Whether two players learn by it, each by a loss of its own, one of whom has parameters of the
  /// objective's: only the outer loop moves these, so it has to be there.
  virtual bool players() const { return false; }
  /// Whether loss() goes by the classes of samples.
  virtual bool classes() const { return false; }
  /// Whether loss() looks at tokens of the pass's features.
  virtual bool wants_tokens() const { return false; }
  /// Whether loss() asks what answers embeddings, a head of the model's or Pass::classify, about
  /// some of its own.
  virtual bool wants_classifier() const { return false; }
};

/// What an objective is built from.
struct ObjectiveRequest {
  const Section& section;
  const Model& model;
  ParameterLayout& layout;  ///< names start with `prefix`, role kObjective
  std::string prefix;       ///< "objective.<name>"
  const TaskKind& kind;
};
struct ObjectiveType : Type<Objective, ObjectiveRequest> {
  bool of_uneven = false;  ///< its loss is 0 where all classes of a task have as many samples
};

/// In task/objectives, one file each.
std::map<std::string, ObjectiveType> builtin_objectives();

/// An objective of a run.
struct WeightedObjective {
  std::string name;  ///< the user's
  double weight = 1.0;
  bool inner = false, outer = true;  ///< the loops whose loss it joins
  std::unique_ptr<const Objective> objective;
};
using Objectives = std::vector<WeightedObjective>;

/// Those that a config asks for, in the order of their names; their parameters join the model's
/// layout, and the model gives tokens if one wants them. The kind must outlive them.
Objectives make_objectives(const std::map<std::string, ObjectiveOptions>& wanted,
                           const std::map<std::string, ObjectiveType>& types, Model& model,
                           const TaskKind& kind);

}  // namespace cuttle
