#pragma once

#include "cuttle/adapt/learner.hpp"

namespace cuttle {

/// MAML and FOMAML of a model that is a multilayer perceptron and nothing else (Model::perceptron),
/// task by task on own kernels: at this size a general library spends its time on dispatching
/// operations, not on doing them. The same maths as the graph's, in another order of additions.
class PerceptronMaml {
 public:
  /// `rate`: of the inner loop's gradient descent.
  PerceptronMaml(std::shared_ptr<const Model> model, double rate, bool second_order);

  /// Whether it can compute tasks like this one: nothing missing, on the CPU, a model small enough
  /// for the kernels.
  bool takes(const ParameterList& parameters, const Batch& support) const;
  /// As Learner::meta_gradient, after `steps` inner steps.
  TaskResult meta_gradient(const ParameterList& parameters, const Task& task,
                           std::int64_t steps) const;
  /// The parameters after `steps` inner steps.
  Tensors descend(const ParameterList& parameters, const Batch& support, std::int64_t steps) const;

 private:
  std::shared_ptr<const Model> model_;
  double rate_;
  bool second_order_;
};

}  // namespace cuttle
