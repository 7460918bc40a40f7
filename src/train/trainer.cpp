#include "cuttle/train/trainer.hpp"

#include <fmt/ranges.h>
#include <torch/types.h>

#include <cmath>
#include <exception>
#include <optional>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/step/meta_step.hpp"
#include "cuttle/train/evaluator.hpp"
#include "train/prepared_run.hpp"
#include "train/recorder.hpp"
#include "train/start_state.hpp"
#include "train/step_budget.hpp"

namespace cuttle {

struct Trainer::Impl {
  Impl(const RunConfig& run_config, Communicator& communicator, const Extensions& types,
       const RunFolder& folder, const Console& console);

  TrainOutcome run(SignalWatch& signals);
  void settle_steps(const RunFolder& folder);
  void validate(RunData::Kept& kept);
  void checkpoint();
  TrainingParts training() const { return {comm, config, ready, console}; }
  bool finished() const { return state.step >= config.train.steps || progress.stopped_early; }
  /// Whether a step moves anything; a run of which nothing is learned is complete as it begins.
  bool moves() const { return ready.parts.model->layout()->reduced_size() > 0; }
  bool due(std::int64_t every) const {
    return every > 0 && (state.step % every == 0 || finished());
  }

  RunConfig config;
  Communicator& comm;
  const Console console;
  const Extensions extensions;
  Catalog catalog;
  std::map<std::string, std::string> facts;  ///< what checkpoints say about the run's surroundings
  std::vector<ModalitySpec> statistics;      ///< of another run, that take the place of the shards'
  PreparedRun ready;
  std::optional<StepBudget> budget;  ///< if the steps were measured
  std::unique_ptr<Recorder> recorder;
  TrainState state;
  RunProgress progress;
  std::int64_t saved_step = -1;
  std::int64_t timed_steps = 0;  ///< since the last checkpoint
  double busy_s = 0.0;           ///< of this rank in them
  std::exception_ptr
      write_failure;  ///< rank 0 could not write a record; told to all at the next collective
};

namespace {

/// Every rank's host and time. Collective.
std::vector<RankTime> all_times(Communicator& comm, double busy_s) {
  std::vector<RankTime> ranks;
  const std::string mine = fmt::format("{} {}", busy_s, whereabouts().host);
  for (const auto& text : comm.all_gather("rank times", mine).wait()) {
    const auto blank = text.find(' ');
    ranks.push_back({text.substr(blank + 1), std::stod(text.substr(0, blank))});
  }
  return ranks;
}

}  // namespace

Trainer::Impl::Impl(const RunConfig& run_config, Communicator& communicator,
                    const Extensions& types, const RunFolder& folder, const Console& shown)
    : config(run_config),
      comm(communicator),
      console(shown),
      extensions(types),
      catalog(catalog_of(extensions)),
      facts(agreed_environment(comm, config, catalog)),
      statistics(start_statistics(comm, config, folder)),
      ready(prepare(config, extensions, &statistics,
                    [&](std::string_view what, const std::function<void()>& stage) {
                      together(comm, what, stage);
                    })),
      state(ready.optimizer->start(
          ParameterList::initial(ready.parts.model->layout(), config.seed))) {
  if (!ready.left_out.empty()) facts["left_out"] = ready.left_out;
  together(comm, "opening the run folder", [&] {
    recorder = std::make_unique<Recorder>(config, extensions, comm.rank() == 0, folder, console);
  });
  if (config.train.minutes > 0 && moves()) settle_steps(folder);
  facts["data_fingerprint"] = ready.data->fingerprint();
  if (const auto files = ready.data->files_fingerprint(); !files.empty())
    facts["files_fingerprint"] = files;
  if (const auto own = ready.data->own_sets(); !own.empty())
    facts["own_shards"] = fmt::format("{}", fmt::join(own, "; "));
  for (const auto& [name, text] : entries_of(ready.data->inputs())) facts[name] = text;
  facts["fused_blocks"] = ready.parts.model->fused_blocks();
  facts["frozen_encoders"] = ready.parts.model->frozen_encoders();
  if (const auto held = ready.parts.model->held_files(); !held.empty()) facts[kHeldFiles] = held;
  start_state(comm, config, catalog, folder, facts, state, progress);
  agree_on_start(comm, facts, state);
  together(comm, "opening the records", [&] {
    recorder->begin(config, state.step, comm.size());
    if (budget) recorder->budget(*budget);
  });
  saved_step = progress.world_sizes.empty() ? -1 : state.step;
  progress.world_sizes.push_back(comm.size());
}

/// train.steps in place of train.minutes, for all that follows: the kept config holds it, and a
/// resume, perhaps on a quicker machine, takes as many.
void Trainer::Impl::settle_steps(const RunFolder& folder) {
  const StepBudget measured = measure_steps(training(), *ready.optimizer, catalog, folder);
  if (measured.step_s > 0) budget = measured;
  config.train.steps = measured.steps;
  config.train.minutes = 0;
  ready.optimizer = std::make_unique<const OuterOptimizer>(config.step, config.train.steps,
                                                           extensions.optimizers);
}

/// Accuracy, or error, on the fixed validation episodes; keeps count for early stopping.
void Trainer::Impl::validate(RunData::Kept& kept) {
  recorder->say("validating");
  const auto plan = training().validation_plan(config.train.validation_episodes);
  const Learner& learner = *ready.parts.learner;
  const TaskKind& kind = *ready.parts.kind;
  const auto tasks = ready.source(config, Split::kValidation, &kept);
  const auto report = [&] {
    Counter counter(console, plan.episodes, "validation episodes");
    return evaluate(comm, *tasks, {}, learner, state.parameters, plan,
                    counter.share_of(comm.size()));
  }();
  const auto names = kind.metrics();
  std::vector<NamedValue> values{{"loss", report.loss.mean}, {"loss_ci95", report.loss.half_width}};
  for (std::size_t m = 0; m < names.size(); ++m) {
    values.push_back({names[m], report.metrics[m].mean});
    values.push_back({names[m] + "_ci95", report.metrics[m].half_width});
  }
  const auto figures = kind.figures();
  for (std::size_t f = 0; f < figures.size(); ++f) {
    values.push_back({figures[f].name, report.figures[f].mean});
    values.push_back({figures[f].name + "_ci95", report.figures[f].half_width});
  }
  if (plan.skip_nonfinite) values.push_back({"skipped", static_cast<double>(report.skipped)});
  for (const auto& line : report.trace) {
    const std::string after = "_after_" + std::to_string(line.step);
    values.push_back({"support_loss" + after, line.support_loss});
    values.push_back({"query_loss" + after, line.query_loss});
    for (std::size_t m = 0; m < names.size(); ++m)
      values.push_back({"query_" + names[m] + after, line.query_metrics[m]});
  }
  if (report.skipped > 0)
    log_warning("step {}: {} of {} validation episodes were not finite and are left out",
                state.step, report.skipped, plan.episodes);
  warn_of_chance(report, kind, plan.episode);
  const double score = kind.larger_is_better() ? report.score.mean : -report.score.mean;
  const bool better =
      std::isfinite(score) && (progress.best_step < 0 || score > progress.best_score);
  if (better) {
    progress.best_score = score;
    progress.best_step = state.step;
  }
  // Episodes that diverge are no improvement; those that have no such score say nothing.
  if (!std::isfinite(score) && report.skipped < plan.episodes)
    log_warning(
        "step {}: no {} can be told of the {} validation episodes (none has what it takes), "
        "so that this checkpoint cannot be the best; give episodes more queries "
        "(episode.query), or more episodes (train.validation_episodes)",
        state.step, kind.score_name(), plan.episodes);
  else
    progress.validations_since_best = better ? 0 : progress.validations_since_best + 1;
  progress.stopped_early =
      config.train.patience > 0 && progress.validations_since_best >= config.train.patience;
  together(comm, "recording the validation", [&] { recorder->validation(state.step, values); });
  log_info("step {}: validation {}{}", state.step,
           kind.say_score(report.score.mean, margin_of(report.score)),
           better ? ", the best so far" : "");
  recorder->say("running");
}

void Trainer::Impl::checkpoint() {
  if (saved_step == state.step) return;
  const auto ranks = all_times(comm, std::exchange(busy_s, 0.0));
  const auto steps = std::exchange(timed_steps, 0);
  together(comm, "writing the checkpoint", [&] {
    if (write_failure) std::rethrow_exception(write_failure);
    if (comm.rank() != 0) return;
    auto content = to_checkpoint(state, progress);
    content.config_yaml = dump_config(config, catalog);
    content.facts = facts;
    recorder->checkpoint(content,
                         progress.best_step >= 0 ? std::optional(progress.best_step) : std::nullopt,
                         steps, ranks);
  });
  saved_step = state.step;
}

TrainOutcome Trainer::Impl::run(SignalWatch& signals) {
  StepLoop loop(training(), state.parameters, state.step);
  bool stop = false;
  if (!moves() && !finished()) {
    log_info("{} has nothing to train here (no step would move anything): the run is complete",
             config.adapt.type);
    if (config.train.validate_every > 0) validate(loop.kept);
    progress.stopped_early = true;
  }
  while (!finished() && !stop) {
    set_log_step(state.step + 1);
    const auto report = meta_step(state, *ready.parts.learner, loop.tasks, loop.reducer,
                                  *ready.optimizer, static_cast<std::int64_t>(signals.take()));
    busy_s += report.time.read_s + report.time.adapt_s;
    ++timed_steps;
    try {
      recorder->step(report);
    } catch (const std::exception& cause) {
      write_failure = std::current_exception();
      loop.reducer.fail(cause);
    }
    stop = report.request == static_cast<std::int64_t>(SignalRequest::kStop);
    if (due(config.train.validate_every)) validate(loop.kept);
    const bool asked = report.request != static_cast<std::int64_t>(SignalRequest::kNone);
    if (asked || progress.best_step == state.step || due(config.train.checkpoint_every))
      checkpoint();
  }
  if (finished()) checkpoint();
  recorder->say(finished() ? "done" : "stopped");
  return {finished(), state.step, state.parameters.sha256(), progress};
}

Trainer::Trainer(const RunConfig& config, Communicator& comm, const Extensions& extensions,
                 const RunFolder& folder, const Console& console)
    : impl_(std::make_unique<Impl>(config, comm, extensions, folder, console)) {}
Trainer::~Trainer() = default;
TrainOutcome Trainer::run(SignalWatch& signals) {
  try {
    return impl_->run(signals);
  } catch (const std::exception& cause) {
    impl_->recorder->say("failed", cause.what());
    throw;
  }
}

}  // namespace cuttle
