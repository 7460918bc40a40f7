#include <fmt/ranges.h>

#include <ctime>
#include <filesystem>

#include "app/commands.hpp"
#include "app/missing_shards.hpp"
#include "app/train_folds.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/environment.hpp"
#include "cuttle/train/evaluator.hpp"
#include "cuttle/train/trainer.hpp"

namespace cuttle {
namespace {

/// A folder in place of a config stands for the run in it, and for the config that it keeps.
bool names_a_run(const TrainArguments& arguments) {
  std::error_code unreadable;  // reading it will say why
  return std::filesystem::is_directory(arguments.config, unreadable);
}

RunConfig kept_config(const TrainArguments& arguments, const Catalog& catalog) {
  const std::string& folder = arguments.config;
  CUTTLE_VALIDATE(arguments.resume,
                  "{}: is a folder; add --resume to go on with the run in it, or give a config "
                  "file",
                  folder);
  CUTTLE_VALIDATE(arguments.run_folder.empty(),
                  "{}: is the run to go on with, and so would be --run-dir; leave one of them out",
                  folder);
  const std::string file = folder + "/config.yaml";
  CUTTLE_VALIDATE(std::filesystem::exists(file),
                  "{}: holds no run (it has no config.yaml); give the folder of a run, or a config "
                  "file",
                  folder);
  const RunConfig config = load_saved(file, arguments.overrides, catalog);
  const auto missing = missing_shards(config);
  CUTTLE_VALIDATE(missing.empty(), "{}: {}", file, fmt::join(missing, "\n"));
  return config;
}

std::string dated_folder(const std::string& name) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &local);
  const std::string first = "runs/" + name + "-" + text;
  std::string folder = first;  // another run may have begun in the same second
  for (int i = 2; std::filesystem::exists(folder); ++i) folder = fmt::format("{}-{}", first, i);
  return folder;
}

void announce(const RunConfig& config, const Communicator& comm, const std::string& folder,
              const TaskKind& kind, const Demands& demands) {
  log_info("{} rank{} ({}), {} thread{} each; run folder {}", comm.size(),
           comm.size() == 1 ? "" : "s", comm.backend(), config.threads,
           config.threads == 1 ? "" : "s", folder);
  log_info("{}, {}, {} tasks a step", config.adapt.type, describe_episodes(kind, config.episode),
           config.episode.meta_batch_size);
  for (const auto& [name, source] : config.sources)
    if (source.weight > 0)
      log_info("source {}: {}, weight {}", name, source.source.type, source.weight);
  if (demands.inner_lr > 0 && config.episode.target.type == "class")
    log_info(
        "inner_lr {} is on the MEAN cross-entropy (the MAML paper's summed loss: {:.4g} there)",
        demands.inner_lr, demands.inner_lr / static_cast<double>(config.episode.way));
}

std::string best_score(const TaskKind& kind, const RunProgress& progress) {
  const double score = progress.best_score;
  return kind.say_score(kind.larger_is_better() ? score : -score, std::nullopt);
}

/// How many are to be trained; 0: a run as it is. A run of folds that is gone on with knows it.
std::int64_t folds_of(const TrainArguments& arguments, const std::string& folder) {
  const std::int64_t there = folds_in(folder);
  CUTTLE_VALIDATE(there == 0 || arguments.resume,
                  "{} holds a run of folds already (a new one would overwrite it); add --resume to "
                  "go on with it, or give another --run-dir",
                  folder);
  CUTTLE_VALIDATE(arguments.folds == 0 || there == 0 || there == arguments.folds,
                  "{}: is a run of {} folds, and --folds says {}; leave it out", folder, there,
                  arguments.folds);
  CUTTLE_VALIDATE(
      arguments.folds == 0 || there > 0 || !std::filesystem::exists(folder + "/config.yaml"),
      "{}: holds a run without folds; leave --folds out to go on with it, or give "
      "another --run-dir",
      folder);
  return there > 0 ? there : arguments.folds;
}

TrainOutcome train_one(const RunConfig& config, const std::string& folder, bool resume,
                       WarningsOnce& warnings, const TrainArguments& arguments, Communicator& comm,
                       SignalWatch& signals, const Extensions& extensions) {
  const auto kind = find_type(extensions.targets, "episode.target", config.episode.target.type)
                        .make({config.episode.target});
  announce(
      config, comm, folder, *kind,
      find_type(extensions.learners, "adapt.algorithm", config.adapt.type).demands(config.adapt));
  std::unique_ptr<Trainer> made;
  warnings.during([&] {
    made = std::make_unique<Trainer>(
        config, comm, extensions,
        RunFolder{folder, resume, arguments.take_over, arguments.strict_init},
        console_of(comm.rank()));
  });
  Trainer& trainer = *made;
  const TrainOutcome outcome = trainer.run(signals);
  log_info("{} at step {}; parameters sha256 {}",
           outcome.complete ? "done" : "stopped as asked, checkpoint written,", outcome.step,
           outcome.parameters_sha256);
  if (outcome.progress.best_step >= 0)
    log_info("best validation {} at step {}; run folder {}", best_score(*kind, outcome.progress),
             outcome.progress.best_step, folder);
  comm.barrier("end of the run");  // one rank's early exit would make mpirun kill the others
                                   // while they still write
  return outcome;
}

}  // namespace

ExitCode train_command(const TrainArguments& arguments, MpiSession& session,
                       const Extensions& extensions) {
  // A stop request counts from the first moment: it must not be lost while data are opened.
  SignalWatch signals;
  CommOptions comm_options;
  RunConfig config;
  std::string problem;
  try {
    const Catalog catalog = catalog_of(extensions);
    config = names_a_run(arguments)
                 ? kept_config(arguments, catalog)
                 : load_for_folds(arguments.config, arguments.overrides, arguments.folds, catalog);
    comm_options = config.comm;
  } catch (const UserError& found) {
    problem = found.what();
  }
  std::string folder = names_a_run(arguments) ? arguments.config : arguments.run_folder;
  return with_communicator(session, comm_options, [&](Communicator& comm) {
    together(comm, "reading the config", [&] {
      if (!problem.empty()) throw UserError(problem);
      CUTTLE_VALIDATE(!arguments.resume || !folder.empty(),
                      "--resume needs --run-dir, the folder of the run to go on with, or that "
                      "folder in place of the config");
      CUTTLE_VALIDATE(!arguments.strict_init || !config.train.init_from.empty(),
                      "--strict-init is about train.init_from, and that names no run; leave it "
                      "out, or name one");
      CUTTLE_VALIDATE(!arguments.take_over || arguments.resume,
                      "--take-over is for going on with a run whose job died on another host; add "
                      "--resume");
    });
    together(comm, "preparing the device", [&] { prepare_process(config, session.local_rank()); });
    if (folder.empty()) folder = comm.broadcast("run folder", dated_folder(config.name), 0).wait();
    std::int64_t folds = 0;
    together(comm, "looking for folds", [&] { folds = folds_of(arguments, folder); });
    WarningsOnce warnings;
    const auto train = [&](const RunConfig& of, const std::string& where, bool resume) {
      return train_one(of, where, resume, warnings, arguments, comm, signals, extensions);
    };
    if (folds > 0) return train_folds(config, folds, comm, folder, extensions, warnings, train);
    return train(config, folder, arguments.resume).complete ? ExitCode::kDone
                                                            : ExitCode::kStoppedEarly;
  });
}

}  // namespace cuttle
