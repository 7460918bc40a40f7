#pragma once

#include <memory>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/reduce/meta_reducer.hpp"
#include "cuttle/task/task_stream.hpp"
#include "cuttle/train/evaluator.hpp"
#include "cuttle/train/run_data.hpp"

namespace cuttle {

/// What training is done with, put together by every rank alike; all of it must outlive its users.
struct TrainingParts {
  Communicator& comm;
  const RunConfig& config;
  const RunData& data;
  const Assembly& parts;

  /// Tasks of training, or the fixed ones of validation.
  std::unique_ptr<const TaskSource> source(Split split, RunData::Kept* kept) const;
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
