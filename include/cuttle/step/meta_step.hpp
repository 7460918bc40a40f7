#pragma once

#include "cuttle/adapt/learner.hpp"
#include "cuttle/reduce/meta_reducer.hpp"
#include "cuttle/step/outer_optimizer.hpp"
#include "cuttle/step/step_report.hpp"
#include "cuttle/step/train_state.hpp"
#include "cuttle/task/task_stream.hpp"

namespace cuttle {

/// One outer step: each rank adapts to its own tasks, the meta-gradients are summed exactly, every
/// rank applies the same update. All ranks call it; all leave with the same state and report, or
/// with the same exception. `request`: what this rank was asked by a signal; the report carries the
/// highest of all ranks.
StepReport meta_step(TrainState& state, const Learner& learner, TaskStream& tasks,
                     MetaReducer& reducer, const OuterOptimizer& optimizer, std::int64_t request);

}  // namespace cuttle
