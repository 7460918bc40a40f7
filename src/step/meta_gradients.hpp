#pragma once

#include <functional>
#include <vector>

#include "cuttle/adapt/learner.hpp"

namespace cuttle {

/// Calls `use` with each task and its meta-gradient, which is on the CPU, in the tasks' order. On a
/// CPU one task after the other. On a GPU several at once, each on a stream and a thread of its
/// own, since the kernels of one small task leave most of a GPU idle; each is computed as if it
/// were alone, so the bits are the same. Parameters and tasks are on the learner's device.
void for_each_meta_gradient(const Learner& learner, const ParameterList& parameters,
                            const std::vector<Task>& tasks,
                            const std::function<void(const Task&, const TaskResult&)>& use);

/// The same side by side on any device, on up to `streams` threads; in the tasks' order. Rethrows
/// what a task that failed threw, after all have ended.
std::vector<TaskResult> meta_gradients_on_streams(const Learner& learner,
                                                  const ParameterList& parameters,
                                                  const std::vector<Task>& tasks,
                                                  std::size_t streams);

}  // namespace cuttle
