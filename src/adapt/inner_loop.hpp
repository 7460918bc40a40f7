#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

#include "adapt/inner_update.hpp"
#include "cuttle/adapt/learner.hpp"

namespace cuttle {

/// Copies of `values` that gradients can be taken with respect to, cut from any graph.
Tensors as_leaves(const Tensors& values);

/// Gradients of a scalar; undefined where it does not depend on the input.
Tensors gradient_of(const torch::Tensor& loss, const Tensors& inputs, bool create_graph);

/// sum_i dy_i/dinputs^T cotangent_i over the defined y_i; zeros where nothing depends on an input.
Tensors vector_jacobian(const Tensors& outputs, const Tensors& inputs, const Tensors& cotangents);

/// The support loss at one point of the trajectory.
struct SupportGradient {
  Tensors theta;                ///< leaves
  Tensors gradient;             ///< with graph if asked for
  torch::Tensor outputs, loss;  ///< without
};
SupportGradient support_gradient(const Model& model, const Tensors& theta, const Batch& support,
                                 std::int64_t step, bool create_graph);

/// theta after `steps` updates on `support`, without graph.
Tensors descend(const Model& model, const InnerUpdate& update, Tensors theta, const Batch& support,
                std::int64_t steps);

/// Fast weights: the whole model with other values.
class FastWeights final : public Adapted {
 public:
  /// `inner_step`: how many updates made the values (per-step norms).
  FastWeights(std::shared_ptr<const Model> model, Tensors theta, std::int64_t inner_step);
  static std::unique_ptr<Adapted> restore(std::shared_ptr<const Model> model,
                                          const std::map<std::string, torch::Tensor>& state,
                                          std::int64_t inner_step);
  torch::Tensor predict(const Batch& batch) const override;
  std::map<std::string, torch::Tensor> state() const override;

 private:
  std::shared_ptr<const Model> model_;
  Tensors theta_;
  std::int64_t inner_step_;
};

/// The entry `name` of a saved state with `elements` elements; Error naming it otherwise.
torch::Tensor state_entry(const std::map<std::string, torch::Tensor>& state,
                          const std::string& name, std::int64_t elements);

/// One line of a trace.
StepDiagnostics diagnose(const Model& model, const Tensors& theta, const Task& task,
                         std::int64_t step, std::int64_t norm_step);

}  // namespace cuttle
