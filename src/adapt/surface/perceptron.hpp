#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "adapt/linear_systems.hpp"
#include "adapt/surface/surface.hpp"

namespace cuttle {

/// How fast an engine descends: all of the fast set at one rate, or each element at a learned one.
struct EngineRates {
  double rate = 0;
  std::vector<std::int64_t> learned = {};  ///< by parameter, where its rates are; empty: none are
  double pull = 0;  ///< times the way from the start, beside the loss's gradient; descend() alone
};

/// Gradient descent and its meta-gradient for a model that is a multilayer perceptron and nothing
/// else (Model::perceptron), whole tasks at a time on own kernels: at this size a general library
/// spends its time on dispatching operations, not on doing them. The same maths as the graph's, in
/// another order of additions.
class PerceptronEngine {
 public:
  /// Null where it cannot serve: another model, a loss that the kernels do not know, objectives
  /// beside it, learned rates of a part of the model.
  static std::unique_ptr<const PerceptronEngine> find(const Surface& surface, EngineRates rates,
                                                      bool second_order);

  /// Whether it can compute tasks like this one: nothing missing, on the CPU, samples that all
  /// weigh the same in the support's loss. `query`: if it is to be passed too.
  bool takes(const Tensors& theta, const Batch& support, const Batch* query = nullptr) const;
  /// As Learner::meta_gradient, after `steps` inner steps.
  TaskResult meta_gradient(const Tensors& theta, const Task& task, std::int64_t steps) const;
  /// Of packed parameters, what solves the outer gradient from a product with the support loss's
  /// Hessian after `steps` inner steps, and the query's gradient there.
  using Solve = std::function<torch::Tensor(const LinearMap& hessian, const torch::Tensor& slope)>;
  /// The result of that. moves_all().
  TaskResult implicit_gradient(const Tensors& theta, const Task& task, std::int64_t steps,
                               const Solve& solve) const;
  /// Whether the loop moves all of the model.
  bool moves_all() const;
  /// The parameters after `steps` inner steps; `last`, if asked for, gets outputs and loss before
  /// the last one.
  Tensors descend(const Tensors& theta, const Batch& support, std::int64_t steps,
                  Pass* last = nullptr) const;

 private:
  PerceptronEngine(const Surface& surface, EngineRates rates, bool second_order)
      : surface_(surface),
        rates_(std::move(rates)),
        second_order_(second_order),
        head_moves_alone_(surface.model().perceptron().size() > 1 &&
                          surface.fast() == head_alone(*surface.model().layout())) {}

  const Surface& surface_;
  EngineRates rates_;
  bool second_order_, head_moves_alone_;
};

}  // namespace cuttle
