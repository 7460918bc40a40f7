#include "train/step_budget.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "cuttle/checkpoint/checkpoint.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/timer.hpp"
#include "cuttle/step/meta_step.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kMostSteps = 1'000'000'000;  // as in configs
constexpr std::int64_t kWarmup = 2;                 // steps before the timed ones
constexpr std::int64_t kLeastTimed = 3, kMostTimed = 200;
constexpr double kShare = 0.03;  // of the budget, that the timed steps may take

/// How often something every `every` steps happens in `steps`, the end included; 0: never.
std::int64_t times_due(std::int64_t steps, std::int64_t every) {
  return every == 0 ? 0 : (steps + every - 1) / every;
}

double seconds_of(std::int64_t steps, const PartTimes& times, const TrainOptions& options) {
  const auto validations = static_cast<double>(times_due(steps, options.validate_every));
  const auto checkpoints = static_cast<double>(times_due(steps, options.checkpoint_every));
  return static_cast<double>(steps) * times.step_s + validations * times.validation_s +
         (validations + checkpoints) * times.checkpoint_s;
}

/// Seconds of the slowest rank. Collective.
double slowest(Communicator& comm, double seconds) {
  const auto nanoseconds = static_cast<std::int64_t>(1e9 * seconds);
  return 1e-9 * static_cast<double>(
                    comm.all_reduce("slowest rank", {nanoseconds}, ReduceOp::kMax).wait()[0]);
}

double step_seconds(const TrainingParts& training, const OuterOptimizer& optimizer,
                    TrainState& state, StepLoop& loop) {
  const auto seconds_for = [&](std::int64_t steps) {
    Timer timer;
    for (std::int64_t i = 0; i < steps; ++i)
      meta_step(state, *training.run.parts.learner, loop.tasks, loop.reducer, optimizer, 0);
    return slowest(training.comm, timer.seconds()) / static_cast<double>(steps);
  };
  seconds_for(kWarmup - 1);
  const double guess = std::max(seconds_for(1), 1e-6);
  const double share = kShare * 60 * training.config.train.minutes / guess;
  return seconds_for(static_cast<std::int64_t>(
      std::clamp(share, static_cast<double>(kLeastTimed), static_cast<double>(kMostTimed))));
}

/// A few episodes stand for all.
double validation_seconds(const TrainingParts& training, const TrainState& state, StepLoop& loop) {
  const std::int64_t ranks = training.comm.size();
  const auto rounds = [&](std::int64_t episodes) { return (episodes + ranks - 1) / ranks; };
  const std::int64_t all = training.config.train.validation_episodes;
  std::unique_ptr<const TaskSource> source;
  together(training.comm, "planning validation",
           [&] { source = training.run.source(training.config, Split::kValidation, &loop.kept); });
  const auto seconds_for = [&](std::int64_t episodes) {
    Timer timer;
    evaluate(training.comm, *source, {}, *training.run.parts.learner, state.parameters,
             training.validation_plan(episodes));
    return slowest(training.comm, timer.seconds());
  };
  const std::int64_t few = std::min(all, 4 * ranks);
  seconds_for(std::min(all, ranks));  // first times take longer
  return seconds_for(few) * static_cast<double>(rounds(all)) / static_cast<double>(rounds(few));
}

/// Of one that is written where a killed writer's leftovers are removed, and removed.
double checkpoint_seconds(Communicator& comm, const TrainState& state, const std::string& folder) {
  double seconds = 0;
  together(comm, "timing a checkpoint", [&] {
    if (comm.rank() != 0) return;
    const std::string place = folder + "/checkpoints/.tmp-timed";
    Timer timer;
    save_checkpoint(place, to_checkpoint(state, {}), 1, std::nullopt);
    seconds = timer.seconds();
    std::filesystem::remove_all(place);
  });
  return slowest(comm, seconds);
}

/// Those of the run in the folder if it is resumed, else 0. Collective.
std::int64_t steps_of_run(Communicator& comm, const Catalog& catalog, const RunFolder& folder) {
  std::string steps = "0";
  together(comm, "reading the run's config", [&] {
    const std::string path = folder.path + "/config.yaml";
    if (comm.rank() == 0 && folder.resume && std::filesystem::exists(path))
      steps = std::to_string(load_saved(path, {}, catalog).train.steps);
  });
  return std::stoll(comm.broadcast("steps of the run", std::move(steps), 0).wait());
}

void say(const StepBudget& budget, const PartTimes& times, const RunConfig& config) {
  const double all = seconds_of(budget.steps, times, config.train);
  const double besides = all - static_cast<double>(budget.steps) * times.step_s;
  log_info(
      "{} steps, from {:.3g} s a step measured, for {} minutes (validations and checkpoints take "
      "{:.0f} % of them)",
      budget.steps, budget.step_s, budget.minutes, 100 * besides / all);
  if (config.train.validate_every > budget.steps)
    log_warning("train.validate_every is {}, and {} steps fit: only the end is validated; lower it",
                config.train.validate_every, budget.steps);
  if (config.step.warmup >= budget.steps)
    log_warning(
        "step.warmup is {}, and {} steps fit: the rate does not reach step.outer_lr; "
        "lower it",
        config.step.warmup, budget.steps);
}

}  // namespace

std::int64_t steps_within(double seconds, const PartTimes& times, const TrainOptions& options) {
  const double at_most = seconds / std::max(times.step_s, 1e-9);
  if (!(at_most >= 1)) return 0;
  std::int64_t fit = 0, above = static_cast<std::int64_t>(std::min(at_most, 1.0 * kMostSteps)) + 1;
  while (above - fit > 1) {
    const std::int64_t middle = fit + (above - fit) / 2;
    (seconds_of(middle, times, options) <= seconds ? fit : above) = middle;
  }
  return fit;
}

StepBudget measure_steps(const TrainingParts& training, const OuterOptimizer& optimizer,
                         const Catalog& catalog, const RunFolder& folder) {
  const TrainOptions& train = training.config.train;
  StepBudget budget{steps_of_run(training.comm, catalog, folder), train.minutes, 0};
  if (budget.steps > 0) {
    log_info("train.minutes: the run's {} steps stay, as they were settled when it began",
             budget.steps);
    return budget;
  }
  log_info("taking the time of a few steps");
  Timer timer;
  const auto layout = training.run.parts.model->layout();
  TrainState state = optimizer.start(ParameterList::initial(layout, training.config.seed));
  StepLoop loop(training, state.parameters, 0);
  PartTimes times;
  times.step_s = budget.step_s = step_seconds(training, optimizer, state, loop);
  if (train.validate_every > 0) times.validation_s = validation_seconds(training, state, loop);
  times.checkpoint_s = checkpoint_seconds(training.comm, state, folder.path);
  const double left_s = 60 * train.minutes - slowest(training.comm, timer.seconds());
  budget.steps = steps_within(left_s, times, train);
  CUTTLE_VALIDATE(
      budget.steps > 0,
      "train.minutes: {} is too little for one step (a step takes {:.3g} s, the validation after "
      "it {:.3g}, a checkpoint {:.3g}, finding that out {:.3g}); raise it, or set train.steps",
      train.minutes, times.step_s, times.validation_s, times.checkpoint_s,
      60 * train.minutes - left_s);
  say(budget, times, training.config);
  return budget;
}

}  // namespace cuttle
