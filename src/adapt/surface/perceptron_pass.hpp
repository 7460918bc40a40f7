#pragma once

#include <torch/types.h>

#include <utility>

#include "cuttle/model/model.hpp"
#include "cuttle/task/task_kind.hpp"

namespace cuttle {

/// Outputs and the kind's loss of a perceptron that kernels_know(), for a batch that fits(). The
/// loss is one operation of the graph: its gradient is made with it, and Hessian-vector products on
/// the way back through that (there is no third derivative). So any learner that descends by the
/// graph spends its time on arithmetic and not on dispatching it. `theta`: all parameters; samples
/// weigh the same.
Pass perceptron_pass(const Model& model, const TaskKind& kind, const Tensors& theta,
                     const Batch& batch);

/// The same without graph, and the loss's gradient by weight and bias of each layer, in turn.
std::pair<Pass, Tensors> perceptron_gradient(const Model& model, const TaskKind& kind,
                                             const Tensors& theta, const Batch& batch);

}  // namespace cuttle
