#pragma once

#include <memory>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/reduce/meta_reducer.hpp"
#include "cuttle/task/task_stream.hpp"
#include "cuttle/train/evaluator.hpp"
#include "train/prepared_run.hpp"

namespace cuttle {

/// What training is done with, put together by every rank alike; all of it must outlive its users.
struct TrainingParts {
  Communicator& comm;
  const RunConfig& config;
  const PreparedRun& run;
  const Console& console;

  EvaluationPlan validation_plan(std::int64_t episodes) const;
};

/// What the outer steps from one on draw from and add up with, beside the state.
struct StepLoop {
  StepLoop(const TrainingParts& training, const ParameterList& parameters, std::int64_t first_step);

  MetaReducer reducer;
  RunData::Kept kept;
  std::unique_ptr<const TaskSource> source;
  TaskStream tasks;
};

}  // namespace cuttle
