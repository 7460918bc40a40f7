#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "app/commands.hpp"
#include "app/measure.hpp"
#include "cuttle/core/timer.hpp"
#include "cuttle/step/meta_step.hpp"
#include "cuttle/train/environment.hpp"
#include "cuttle/train/feature_bank.hpp"
#include "cuttle/train/run_data.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

/// Milliseconds to plan one episode, measured alone: in a run the prefetch thread does it.
double plan_ms(const EpisodePlanner& planner, std::uint64_t seed) {
  constexpr std::uint32_t kEpisodes = 200;
  Timer timer;
  for (std::uint32_t slot = 0; slot < kEpisodes; ++slot)
    planner.plan({seed, Stream::kTesting, 0, slot});
  return 1e3 * timer.seconds() / kEpisodes;
}

/// The slowest rank's seconds over the mean of all; 1 where nothing was done. Collective.
double max_over_mean(Communicator& comm, double seconds) {
  const auto microseconds = static_cast<std::int64_t>(1e6 * seconds);
  const auto most = comm.all_reduce("slowest rank", {microseconds}, ReduceOp::kMax).wait()[0];
  const auto sum = comm.all_reduce("all ranks", {microseconds}, ReduceOp::kSum).wait()[0];
  return sum == 0 ? 1.0 : static_cast<double>(most) * comm.size() / static_cast<double>(sum);
}

/// Mean over steps of the seconds of the rank that was quickest in each: of a collective, what it
/// takes when the others have arrived. Over 32 steps at most, in one message of always the same
/// size, so that bytes per step can be told from runs of two lengths. Collective.
double mean_of_quickest(Communicator& comm, const std::vector<double>& seconds) {
  constexpr std::size_t kSteps = 32;
  std::vector<std::int64_t> nanoseconds(kSteps, 0);
  const std::size_t steps = std::min(kSteps, seconds.size());
  for (std::size_t i = 0; i < steps; ++i)
    nanoseconds[i] = static_cast<std::int64_t>(1e9 * seconds[i]);
  const auto least = comm.all_reduce("quickest ranks", nanoseconds, ReduceOp::kMin).wait();
  return 1e-9 * static_cast<double>(std::accumulate(least.begin(), least.end(), std::int64_t{0})) /
         static_cast<double>(std::max<std::size_t>(1, steps));
}

}  // namespace

ExitCode bench_command(const BenchArguments& arguments, MpiSession& session,
                       const Extensions& extensions) {
  CUTTLE_VALIDATE(!arguments.config.empty(),
                  "bench needs a config, or --tasks with --parameters and --gradient");
  const RunConfig config =
      load_config(arguments.config, arguments.overrides, catalog_of(extensions));
  return with_communicator(session, config.comm, [&](Communicator& comm) {
    together(comm, "preparing the device", [&] { prepare_process(config, session.local_rank()); });
    std::unique_ptr<RunData> data;
    std::unique_ptr<EpisodePlanner> planner;
    Assembly parts;
    together(comm, "opening the data", [&] {
      check_protocol(config, RunConfig(), extensions);
      data = RunData::open(config, extensions);
      parts = assemble(config, data->inputs(), extensions);
      if (const Dataset* alone = data->alone(Split::kTrain);
          alone && config.episode.source.type == "episodes")
        planner = std::make_unique<EpisodePlanner>(*alone, Split::kTrain, config.episode);
    });
    const auto& [kind, model, learner] = parts;
    const OuterOptimizer optimizer(config.step, config.train.steps, extensions.optimizers);
    TrainState state = optimizer.start(ParameterList::initial(model->layout(), config.seed));
    MetaReducer reducer(comm, static_cast<std::size_t>(model->layout()->reduced_size()),
                        config.reduce);
    auto kept = keep_with_features(comm, config, *data, *model, state.parameters, true,
                                   console_of(comm.rank()));
    const auto source = data->source(
        parts,
        {Split::kTrain, config.episode, config.model.modality_dropout, false, config.augment},
        &kept);
    TaskStream tasks(
        *source, [&](const EpisodeSize& size) { return parts.learner->cost(size); }, config.episode,
        config.data.prefetch, {config.seed, 0, comm.rank(), comm.size()}, model->device());
    const double idle = memory_mb("VmRSS:");
    std::vector<double> totals, reduce_s, computed_s;
    StepTime sum;
    double first_step_s = 0;
    const std::int64_t warmup = arguments.warmup.value_or(2), steps = arguments.steps.value_or(10);
    for (std::int64_t i = 0; i < warmup + steps; ++i) {
      const double before = cpu_seconds();
      const auto report = meta_step(state, *learner, tasks, reducer, optimizer, 0);
      if (i == 0) first_step_s = seconds_since_start();
      if (i < warmup) continue;
      totals.push_back(report.time.total_s);
      computed_s.push_back(cpu_seconds() - before);
      sum.read_s += report.time.read_s;
      sum.adapt_s += report.time.adapt_s;
      sum.reduce_s += report.time.reduce_s;
      reduce_s.push_back(report.time.reduce_s);
      sum.step_s += report.time.step_s;
    }
    const double imbalance = max_over_mean(comm, sum.adapt_s);
    const double reducing = mean_of_quickest(comm, reduce_s);
    if (comm.rank() != 0) return ExitCode::kDone;
    const double peak = memory_mb("VmHWM:");
    const double step_s = median(totals);
    const double per_step = 1e3 / static_cast<double>(steps);
    const auto batch = static_cast<double>(config.episode.meta_batch_size);
    const ordered_json json{{"algorithm", config.adapt.type},
                            {"ranks", comm.size()},
                            {"parameters", model->layout()->parameters()},
                            {"tasks_per_second", batch / step_s},
                            {"ms_per_task", 1e3 * step_s * comm.size() / batch},
                            {"ms_per_step", 1e3 * step_s},
                            {"cpu_ms_per_step", 1e3 * median(computed_s)},  // of rank 0
                            {"first_step_s", first_step_s},
                            {"rank_time_max_over_mean", imbalance},
                            {"peak_rss_mb", peak},
                            {"idle_rss_mb", idle},
                            {"tensor_mb", static_cast<double>(tensor_memory_bytes()) / (1 << 20)},
                            {"ms",
                             {{"plan_per_task", planner ? plan_ms(*planner, config.seed) : 0.0},
                              {"read", per_step * sum.read_s},
                              {"adapt", per_step * sum.adapt_s},
                              {"reduce", per_step * sum.reduce_s},
                              {"reduce_without_waiting", 1e3 * reducing},
                              {"step", per_step * sum.step_s}}},
                            {"parameters_sha256", state.parameters.sha256()}};
    if (arguments.json) {
      std::cout << json.dump(2) << "\n";
      return ExitCode::kDone;
    }
    std::cout << fmt::format(
        "{:.2f} tasks/s, {:.1f} ms per task on each of {} ranks, peak {:.0f} MB ({:.0f} MB idle)\n",
        batch / step_s, 1e3 * step_s * comm.size() / batch, comm.size(), peak, idle);
    const double whole = sum.read_s + sum.adapt_s + sum.reduce_s + sum.step_s;
    std::cout << fmt::format(
        "rank 0, ms per step: waiting for data {:.2f} ({:.2f} %), adapt {:.2f}, reduce {:.2f} "
        "({:.2f} % without waiting for other ranks), step {:.2f}\n"
        "adapt time of the slowest rank {:.3f} of the mean; first step {:.2f} s after start\n",
        per_step * sum.read_s, 100 * sum.read_s / whole, per_step * sum.adapt_s,
        per_step * sum.reduce_s, 1e5 * reducing / (per_step * whole), per_step * sum.step_s,
        imbalance, first_step_s);
    return ExitCode::kDone;
  });
}

}  // namespace cuttle
