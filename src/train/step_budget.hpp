#pragma once

#include <cstdint>
#include <string>

#include "cuttle/step/outer_optimizer.hpp"
#include "cuttle/train/trainer.hpp"
#include "train/step_loop.hpp"

namespace cuttle {

/// Seconds that the parts of a training take.
struct PartTimes {
  double step_s = 0, validation_s = 0, checkpoint_s = 0;
};

/// The most outer steps that take no longer than `seconds`, with the validations and checkpoints
/// that the options ask for, each validation as good as the best so far (it is then saved); 0 if
/// not even one fits.
std::int64_t steps_within(double seconds, const PartTimes& times, const TrainOptions& options);

/// train.minutes as outer steps.
struct StepBudget {
  std::int64_t steps = 0;
  double minutes = 0;
  double step_s = 0;  ///< measured; 0: the steps are those of the run that is resumed
};

/// Takes the time of a few steps, of validation episodes and of a checkpoint, of a state of their
/// own that is thrown away: nothing of it is left in the run's state, draws, records or folder.
/// Says what came of it. Where the folder holds a run that is to be resumed, its steps stay.
/// Collective, the slowest rank counts; the same on all ranks. UserError if the minutes are too few
/// for a step. `training.config` has train.minutes.
StepBudget measure_steps(const TrainingParts& training, const OuterOptimizer& optimizer,
                         const Catalog& catalog, const RunFolder& folder);

}  // namespace cuttle
