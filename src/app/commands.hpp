#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cuttle/comm/mpi_session.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/train/assembly.hpp"

namespace cuttle {

/// Arguments of the subcommands, as CLI11 fills them in; one function each.
struct TrainArguments {
  std::string config, run_folder;
  std::vector<std::string> overrides;
  std::int64_t folds = 0;  ///< of classes, each of which validates once; 0: none
  bool resume = false, take_over = false, strict_init = false;
};
ExitCode train_command(const TrainArguments& arguments, MpiSession& session,
                       const Extensions& extensions);

struct EvalArguments {
  std::string run, split = "test", confusion, per_episode, queries = "all";
  std::vector<std::string> overrides, modalities, shards;
  std::int64_t episodes = 0;
  double missing_rate = 0.0;
  bool last = false, json = false, diagnostics = false, unbalanced = false, calibrated = false;
  std::vector<std::string> outside;  ///< shards, or one empty word: of the split; none: not asked
};
ExitCode eval_command(const EvalArguments& arguments, MpiSession& session,
                      const Extensions& extensions);

struct CompareArguments {
  std::vector<std::string> runs, overrides, shards;
  std::string split = "test";
  std::int64_t episodes = 0;
  bool complete = false, json = false;
};
ExitCode compare_command(const CompareArguments& arguments, MpiSession& session,
                         const Extensions& extensions);

constexpr std::int64_t kCalibrationEpisodes = 100;  ///< of validation

struct MapArguments {
  std::string run, by = "statistics";
  std::vector<std::string> overrides;
  std::int64_t tasks = 500, held_out = 200;  ///< of the training and of the validation classes
  std::vector<std::string> toward;           ///< samples of a task; empty: tasks are mapped
  std::string out;                           ///< of the weights towards it
  double temperature = 0.1, floor = 0.1;     ///< of nearness_to_task
  bool json = false;
};
/// Keeps training tasks of a run as points, with the run; or weighs training classes towards a
/// task.
ExitCode map_command(const MapArguments& arguments, MpiSession& session,
                     const Extensions& extensions);

struct ProbeArguments {
  std::vector<std::string> shards, weights, runs;  ///< files, patterns (shards: folders, too)
  std::string split = "validation", bank = "auto";
  std::int64_t way = 5, shot = 1, query = 5, episodes = 600;
  std::uint64_t seed = 1;
  bool groups_apart = false, complete = false, json = false;
};
/// How well the nearest class mean does on each encoder at hand, with nothing learned: which one to
/// bring for each sense.
ExitCode probe_command(const ProbeArguments& arguments, MpiSession& session,
                       const Extensions& extensions);

struct FeaturesArguments {
  std::string config, bank = "auto";  ///< config empty: banks are listed, or removed
  std::vector<std::string> overrides;
  bool clear = false, json = false;
  double unused = 0;  ///< days; only with clear
};
/// Computes the features that a config's encoders hold weights for, ahead of its run; or tells, or
/// removes, what is kept of all runs.
ExitCode features_command(const FeaturesArguments& arguments, MpiSession& session,
                          const Extensions& extensions);

struct AdaptArguments {
  std::string run, out;
  std::vector<std::string> support, overrides;
  std::optional<std::int64_t> episodes;  ///< to calibrate by, kCalibrationEpisodes; 0: none
  bool stand_alone = false, json = false;
};
ExitCode adapt_command(const AdaptArguments& arguments, const Extensions& extensions);

struct PredictArguments {
  std::string file, out, confusion;  ///< out empty: standard output
  std::vector<std::string> inputs;   ///< empty: `stream`
  std::int64_t top = 0;
  double reject = 0.0;  ///< the share of genuine samples that may be rejected; 0: nothing is
  bool json = false, together = false, stream = false;
};
ExitCode predict_command(const PredictArguments& arguments, const Extensions& extensions);

struct EmbedArguments {
  std::string run, out;
  std::vector<std::string> inputs, support;
  bool tokens = false;
};
/// What a run's model makes of samples, as .npy files: of all senses together, and of each.
ExitCode embed_command(const EmbedArguments& arguments, const Extensions& extensions);

struct InspectArguments {
  std::string path;
  bool deterministic = false, json = false;
};
ExitCode inspect_command(const InspectArguments& arguments, const Extensions& extensions);

struct ListArguments {
  std::string kind;  ///< empty: all
  bool json = false, keys = false;
};
/// What a config can name: one line a type, with its source; its keys if asked for.
ExitCode list_command(const ListArguments& arguments, const Extensions& extensions);

struct ConfigArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::int64_t folds = 0;  ///< as in TrainArguments
};
/// Says all that would keep `train` from starting.
ExitCode validate_command(const ConfigArguments& arguments, const Extensions& extensions);
/// Prints every key with its default and meaning.
ExitCode dump_default_command(const ConfigArguments& arguments, const Extensions& extensions);

struct SuggestArguments {
  std::vector<std::string> shards;  ///< files, patterns, folders
};
/// Prints a config to train on them with.
ExitCode suggest_command(const SuggestArguments& arguments, const Extensions& extensions);

struct BenchArguments {
  std::string config, tasks, parameters, initial, gradient;
  std::vector<std::string> overrides;
  std::optional<std::int64_t> steps, warmup;  ///< 10 and 2 outer steps; 1 and 0 with given tasks
  bool json = false;
};
ExitCode bench_command(const BenchArguments& arguments, MpiSession& session,
                       const Extensions& extensions);
/// `bench --tasks`: the mean meta-gradient of given tasks at given or initial parameters, timed.
/// One process.
ExitCode bench_given_tasks(const BenchArguments& arguments, const Extensions& extensions);

/// Standard error, of rank 0 (nowhere on the others). Under mpirun a rank's own is never a
/// terminal; the launchers say whether theirs is.
Console console_of(int rank);

/// Runs `body` with the communicator of all ranks. An error that all ranks share is printed once,
/// by rank 0, and they leave together; a rank that fails alone says so and takes the others down.
ExitCode with_communicator(MpiSession& session, const CommOptions& options,
                           const std::function<ExitCode(Communicator&)>& body);

}  // namespace cuttle
