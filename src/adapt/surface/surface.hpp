#pragma once

#include <torch/types.h>

#include <utility>

#include "adapt/surface/fast_set.hpp"

namespace cuttle {

/// The inner loss at one point of the trajectory.
struct Point {
  Tensors theta;          ///< all parameters; with graph they are leaves
  Tensors gradient;       ///< undefined outside the fast set; with graph if asked for
  torch::Tensor loss;     ///< with graph if asked for
  torch::Tensor outputs;  ///< without
};

/// What an inner loop descends: the kind's loss of the model's outputs, with the inner objectives.
class Surface {
 public:
  Surface(const LearnerRequest& request, FastSet fast)
      : model_(request.model),
        kind_(request.kind),
        objectives_(request.objectives),
        fast_(std::move(fast)) {}

  /// `graph`: gradient and loss can be differentiated once more.
  Point at(const Tensors& theta, const Batch& batch, const Context& context, bool graph) const;
  /// Whether own kernels know model, loss and batch, with nothing beside the loss.
  bool on_kernels(const Tensors& theta, const Batch& batch) const;
  /// on_kernels() of a batch that is learned from, whose samples must weigh the same there.
  bool learns_on_kernels(const Tensors& theta, const Batch& batch) const;
  /// Whether on kernels so many passes keep so little that none need be done again.
  bool may_be_kept(const Tensors& theta, const Batch& batch, std::int64_t passes) const;
  /// Outputs and inner loss of a batch.
  Pass pass(const Tensors& theta, const Batch& batch, const Context& context) const;
  /// The pass of a query under parameters that a support set led to: norms that want the support's
  /// statistics get them, with the graph. `context` is that of the pass; `record` sees the query
  /// alone.
  Pass pass_after(const Tensors& theta, const Batch& support, const Batch& query,
                  Context context) const;
  /// The loss of a pass whose outputs are there.
  torch::Tensor loss(const Tensors& theta, const Pass& pass, const Batch& batch,
                     const Context& context) const;

  const Model& model() const { return *model_; }
  const TaskKind& kind() const { return *kind_; }
  const FastSet& fast() const { return fast_; }
  /// Whether objectives stand beside the kind's loss, in either loop.
  bool has_objectives() const;

 private:
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const TaskKind> kind_;
  std::shared_ptr<const Objectives> objectives_;
  FastSet fast_;
};

/// One line of a trace: support and query at these parameters.
StepDiagnostics diagnose(const Surface& surface, const Tensors& theta, const Task& task,
                         std::int64_t step, std::int64_t norm_step);

}  // namespace cuttle
