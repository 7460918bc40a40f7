#pragma once

#include <torch/types.h>

#include "cuttle/adapt/learner.hpp"

namespace cuttle {

/// What the model says of a task's query after adapting to its support, on the CPU as the task is.
/// `parameters` are on the model's device.
inline torch::Tensor query_outputs(const Learner& learner, const ParameterList& parameters,
                                   const Task& task) {
  const Task there = task.on(learner.model().device());
  return learner.adapt(parameters, there.support, there.key)->predict(there.query).to(torch::kCPU);
}

}  // namespace cuttle
