#pragma once

#include <memory>

#include "adapt/surface/surface.hpp"

namespace cuttle {

/// Gradient descent and its meta-gradient for a model that is a multilayer perceptron and nothing
/// else (Model::perceptron), whole tasks at a time on own kernels: at this size a general library
/// spends its time on dispatching operations, not on doing them. The same maths as the graph's, in
/// another order of additions.
class PerceptronEngine {
 public:
  /// Null where it cannot serve: another model, a fast set that is not the whole of it, a loss that
  /// the kernels do not know, objectives beside it. `rate`: of the gradient descent.
  static std::unique_ptr<const PerceptronEngine> find(const Surface& surface, double rate,
                                                      bool second_order);

  /// Whether it can compute tasks like this one: nothing missing, on the CPU, samples that all
  /// weigh the same in the support's loss. `query`: if it is to be passed too.
  bool takes(const ParameterList& parameters, const Batch& support,
             const Batch* query = nullptr) const;
  /// As Learner::meta_gradient, after `steps` inner steps.
  TaskResult meta_gradient(const ParameterList& parameters, const Task& task,
                           std::int64_t steps) const;
  /// The parameters after `steps` inner steps.
  Tensors descend(const ParameterList& parameters, const Batch& support, std::int64_t steps) const;

 private:
  PerceptronEngine(const Surface& surface, double rate, bool second_order)
      : surface_(surface), rate_(rate), second_order_(second_order) {}

  const Surface& surface_;
  double rate_;
  bool second_order_;
};

}  // namespace cuttle
