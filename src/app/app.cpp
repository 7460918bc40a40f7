#include "cuttle/app/app.hpp"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <iostream>
#include <set>
#include <tuple>

#include "app/commands.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/nearest_name.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

constexpr int kLargestCount = 1'000'000'000;  ///< as in configs
constexpr int kMostMapped = 100'000;          ///< tasks, held in memory

/// What the command line asked for; set by the callback of the subcommand that was given.
struct Request {
  std::function<ExitCode()> without_mpi;
  std::function<ExitCode(MpiSession&)> with_mpi;
};

/// Options that name files and folders may have `~` and variables in them, which a shell leaves
/// alone in words such as --out=~/FILE.
void expand_paths_in(CLI::App& app) {
  static const std::set<std::string> kPaths{
      "config",     "run",         "runs",          "file",     "inputs",    "path",
      "--out",      "--run-dir",   "--support",     "--tasks",  "--toward",  "--parameters",
      "--gradient", "--confusion", "--per-episode", "--shards", "--outside", "--run"};
  const CLI::Validator expand(
      [](std::string& path) {
        try {
          path = expand_variables(path);
        } catch (const UserError& problem) {
          return std::string(problem.what());
        }
        return std::string();
      },
      "");
  for (auto* command : app.get_subcommands({}))
    for (auto* option : command->get_options())
      if (kPaths.count(option->get_name()) > 0) option->transform(expand);
}

void add_overrides(CLI::App& command, std::vector<std::string>& overrides) {
  command.add_option("overrides", overrides, "config keys, e.g. adapt.inner_steps=5");
}

void add_split(CLI::App& command, std::string& split, std::vector<std::string>& shards) {
  command.add_option("--split", split, "train, validation or test; all: the classes of all as one")
      ->capture_default_str();
  command.add_option("--shards", shards,
                     "files or patterns of other data to evaluate on, in place of the run's own");
}

void add_folds(CLI::App& command, std::int64_t& folds) {
  command
      .add_option("--folds", folds,
                  "k runs, RUN/fold-1 to fold-k: training and validation classes together are "
                  "dealt into k folds, and each validates once")
      ->check(CLI::Range(2, 1000));
}

void add_train(CLI::App& app, TrainArguments& a, Request& request, const Extensions& extensions) {
  auto* command = app.add_subcommand("train", "meta-train; under mpirun or srun on many ranks");
  command->add_option("config", a.config, "YAML file; with --resume also the folder of a run")
      ->required();
  add_overrides(*command, a.overrides);
  command->add_option("--run-dir", a.run_folder,
                      "where the run lives (default: runs/<name>-<date>-<time>)");
  command->add_flag("--resume", a.resume,
                    "go on from the newest checkpoint of the run's folder or --run-dir");
  add_folds(*command, a.folds);
  command->add_flag("--strict-init", a.strict_init,
                    "refuse train.init_from unless all of its parameters fit, and are all");
  command->add_flag("--take-over", a.take_over,
                    "with --resume: its job on another host is dead, do not wait for its lock");
  command->callback(
      [&] { request.with_mpi = [&](MpiSession& s) { return train_command(a, s, extensions); }; });
}

void add_eval(CLI::App& app, EvalArguments& a, Request& request, const Extensions& extensions) {
  auto* command =
      app.add_subcommand("eval", "accuracy on a fixed list of episodes, with 95 % interval");
  command->add_option("run", a.run, "run folder, or one of its checkpoints")->required();
  add_overrides(*command, a.overrides);
  command->add_option("--episodes", a.episodes, "length of the list (default: evaluation.episodes)")
      ->check(CLI::Range(1, kLargestCount));
  add_split(*command, a.split, a.shards);
  command->add_option("--modalities", a.modalities, "use these only, e.g. image,text")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--missing-rate", a.missing_rate, "hide present modalities at this rate")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--queries", a.queries, "queries answered at once: all, a class, or one")
      ->check(CLI::IsMember({"all", "class", "one"}))
      ->capture_default_str();
  command->add_flag("--unbalanced", a.unbalanced,
                    "classes have unequal shares of an episode's queries: Dirichlet(2, 2, ...)");
  command->add_flag("--last", a.last, "the newest checkpoint instead of the best by validation");
  command->add_flag("--diagnostics", a.diagnostics, "loss and accuracy around each inner step");
  command->add_flag("--calibrated", a.calibrated,
                    "also the calibration error with the temperature of validation episodes");
  command
      ->add_option("--outside", a.outside,
                   "also how samples of no class of an episode are told: of shards, or the split's")
      ->expected(0, -1);
  command->add_option("--confusion", a.confusion, "write the confusion matrix to this CSV file");
  command->add_option("--per-episode", a.per_episode,
                      "write every episode's score to this .csv file; .jsonl: its samples and "
                      "answers, those of --outside left out");
  command->add_flag("--json", a.json, "one JSON object on standard output");
  command->callback(
      [&] { request.with_mpi = [&](MpiSession& s) { return eval_command(a, s, extensions); }; });
}

void add_compare(CLI::App& app, CompareArguments& a, Request& request,
                 const Extensions& extensions) {
  auto* command = app.add_subcommand(
      "compare", "runs on the same episodes: how far the first is ahead of the others, paired");
  command->add_option("runs", a.runs, "run folders, or checkpoints")->required();
  command->add_option("--set", a.overrides, "config keys for all runs, e.g. evaluation.shot=5")
      ->allow_extra_args(false);
  command
      ->add_option("--episodes", a.episodes,
                   "length of the list (default: evaluation.episodes of the first)")
      ->check(CLI::Range(1, kLargestCount));
  add_split(*command, a.split, a.shards);
  command->add_flag("--complete", a.complete, "only samples that have every sense of the shards");
  command->add_flag("--json", a.json, "one JSON object on standard output");
  command->callback(
      [&] { request.with_mpi = [&](MpiSession& s) { return compare_command(a, s, extensions); }; });
}

void add_map(CLI::App& app, MapArguments& a, Request& request, const Extensions& extensions) {
  auto* command = app.add_subcommand(
      "map",
      "keep training tasks of a run as points, so that adapt says how far a task is from them; or "
      "weigh training classes by how near they are to a task");
  command->add_option("run", a.run, "run folder, or one of its checkpoints")->required();
  add_overrides(*command, a.overrides);
  auto* tasks = command->add_option("--tasks", a.tasks, "training tasks that are kept")
                    ->check(CLI::Range(2, kMostMapped))
                    ->capture_default_str();
  auto* held_out = command
                       ->add_option("--held-out", a.held_out,
                                    "validation tasks whose distances say what is usual")
                       ->check(CLI::Range(1, kMostMapped))
                       ->capture_default_str();
  command
      ->add_option("--by", a.by,
                   "what makes a point of a task: statistics of its support set as the model sees "
                   "it, or the Fisher information of the model's weights there (fisher)")
      ->check(CLI::IsMember({"statistics", "fisher"}))
      ->capture_default_str();
  auto* toward = command->add_option(
      "--toward", a.toward,
      "samples of a task, as adapt --support: instead of the map a file of weights is written, by "
      "which episode.sampling_weights draws training classes, the nearest to it most often");
  auto* out = command->add_option("--out", a.out, "file for the weights (CSV)")->needs(toward);
  toward->allow_extra_args(false)->needs(out)->excludes(tasks)->excludes(held_out);
  command
      ->add_option("--temperature", a.temperature,
                   "of the weights: a class whose squared distance is larger by this (1: as far as "
                   "two training classes are from each other) is drawn e times less")
      ->check(CLI::Range(1e-6, 1e6))
      ->needs(toward)
      ->capture_default_str();
  command->add_option("--floor", a.floor, "share of the draws that goes to all classes alike")
      ->check(CLI::Range(1e-6, 1.0))
      ->needs(toward)
      ->capture_default_str();
  command->add_flag("--json", a.json, "one JSON object on standard output");
  command->callback(
      [&] { request.with_mpi = [&](MpiSession& s) { return map_command(a, s, extensions); }; });
}

void add_probe(CLI::App& app, ProbeArguments& a, Request& request, const Extensions& extensions) {
  auto* command = app.add_subcommand(
      "probe",
      "which encoder to bring: the nearest class mean on each, sense by sense, nothing learned");
  command->add_option("shards", a.shards, "files, patterns or folders of .h5 files")->required();
  command
      ->add_option("--weights", a.weights,
                   "files that cuttle-data weights wrote, or patterns of them")
      ->allow_extra_args(false);
  command
      ->add_option("--run", a.runs,
                   "run folders or checkpoints with encoders of their own, or patterns of them")
      ->allow_extra_args(false);
  command->add_option("--way", a.way, "classes per episode")
      ->check(CLI::Range(2, kLargestCount))
      ->capture_default_str();
  for (auto [name, count, help] : {std::tuple{"--shot", &a.shot, "support samples per class"},
                                   {"--query", &a.query, "query samples per class"},
                                   {"--episodes", &a.episodes, "length of the list"}})
    command->add_option(name, *count, help)
        ->check(CLI::Range(1, kLargestCount))
        ->capture_default_str();
  command
      ->add_option("--split", a.split, "train, validation or test; all: the classes of all as one")
      ->capture_default_str();
  command->add_flag("--groups-apart", a.groups_apart,
                    "per class, groups of the support (speaker, style) are not in the query");
  command->add_flag("--complete", a.complete, "only samples that have every sense of the shards");
  command->add_option("--seed", a.seed, "decides the episodes")->capture_default_str();
  command->add_option("--bank", a.bank,
                      "folder of features; auto: CUTTLE_FEATURES, or the user's cache folder");
  command->add_flag("--json", a.json, "one JSON object on standard output");
  command->callback(
      [&] { request.with_mpi = [&](MpiSession& s) { return probe_command(a, s, extensions); }; });
}

void add_features(CLI::App& app, FeaturesArguments& a, Request& request,
                  const Extensions& extensions) {
  auto* command = app.add_subcommand(
      "features",
      "compute the features of encoders with weights ahead of a run; without a config, tell what "
      "is kept");
  auto* config = command->add_option("config", a.config, "YAML file");
  add_overrides(*command, a.overrides);
  command
      ->add_option("--bank", a.bank,
                   "the folder, where no config names one; auto: CUTTLE_FEATURES, or the user's "
                   "cache folder")
      ->excludes(config);
  auto* clear = command->add_flag("--clear", a.clear, "remove what is kept; runs compute it again")
                    ->excludes(config);
  command->add_option("--unused", a.unused, "only what no run has used for so many days")
      ->check(CLI::Range(0.0, 1e6))
      ->needs(clear);
  command->add_flag("--json", a.json, "one JSON object on standard output");
  command->callback([&] {
    request.with_mpi = [&](MpiSession& s) { return features_command(a, s, extensions); };
  });
}

void add_adapt(CLI::App& app, AdaptArguments& a, Request& request, const Extensions& extensions) {
  auto* command = app.add_subcommand(
      "adapt", "adapt a trained model to new classes of which there are examples");
  command->add_option("run", a.run, "run folder, or one of its checkpoints")->required();
  add_overrides(*command, a.overrides);
  command
      ->add_option(
          "--support", a.support,
          "a few labelled samples per class: a folder with a folder for each class, a "
          "table, shards, or CLASS=FILE, CLASS=FOLDER; give --support again for each further one")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--out", a.out, "file for the adapted model")->required();
  command
      ->add_option("--calibrate", a.episodes,
                   fmt::format("validation episodes that say how sure answers are, and what "
                               "belongs to no class; 0: none [{}]",
                               kCalibrationEpisodes))
      ->check(CLI::Range(0, kLargestCount));
  command->add_flag("--stand-alone", a.stand_alone,
                    "put the weights that encoders have from others into the file, too");
  command->add_flag("--json", a.json, "what inspect says of the file, on standard output");
  command->callback([&] { request.without_mpi = [&] { return adapt_command(a, extensions); }; });
}

void add_predict(CLI::App& app, PredictArguments& a, Request& request,
                 const Extensions& extensions) {
  auto* command = app.add_subcommand("predict", "answers of an adapted model about files");
  command->add_option("file", a.file, "made by cuttle adapt")->required();
  auto* inputs = command->add_option(
      "inputs", a.inputs,
      "files, folders, a table or shards, labelled or not; what is labelled is also scored");
  auto* json = command->add_flag("--json", a.json, "one JSON object per sample");
  auto* out = command->add_option(
      "--out", a.out,
      "write the answers to this file, by its ending CSV (.csv) or JSON lines (.jsonl)");
  out->excludes(json);
  command->add_option("--top", a.top, "how many classes of a sample are told (1; in JSON all)")
      ->check(CLI::Range(1, kLargestCount));
  command
      ->add_option("--reject", a.reject,
                   "no class for what is farther from all classes than all but this share of "
                   "genuine samples, e.g. 0.05")
      ->check(CLI::Range(0.0, 1.0));
  auto* together = command->add_flag(
      "--together", a.together,
      "look at all samples at once, which helps where classes are about equally frequent");
  auto* confusion =
      command->add_option("--confusion", a.confusion,
                          "write the confusion matrix of labelled samples to this CSV file");
  auto* stream = command->add_flag(
      "--stream", a.stream,
      "stay, and answer one line {\"shard\": PATH} of standard input after the other");
  for (auto* other : {inputs, out, together, confusion}) stream->excludes(other);
  command->footer(
      "On standard output a line is sample, class, probability and known (the share of genuine "
      "samples of a class that are as far from it: small for what belongs to none), between tabs; "
      "or, after a line of names, sample and values. \\t, \\n, \\r and \\\\ stand for a tab, the "
      "ends of lines and a backslash in a name, - for nothing.");
  command->callback([&] {
    if (a.inputs.empty() && !a.stream)
      throw CLI::RequiredError("inputs (files, folders, a table or shards)");
    request.without_mpi = [&] { return predict_command(a, extensions); };
  });
}

void add_embed(CLI::App& app, EmbedArguments& a, Request& request, const Extensions& extensions) {
  auto* command = app.add_subcommand("embed", "what a run's model makes of samples, as .npy files");
  command->add_option("run", a.run, "run folder or checkpoint")->required();
  command->add_option("inputs", a.inputs, "files, folders, a table or shards")->required();
  command->add_option("--out", a.out, "new folder: embedding.npy, SENSE.npy, samples.csv")
      ->required();
  command->add_option("--support", a.support,
                      "samples that norms take their statistics from, where they take some");
  command->add_flag("--tokens", a.tokens,
                    "SENSE.tokens.npy, too, of which sample i has rows offsets[i] to [i + 1]");
  command->callback([&] { request.without_mpi = [&] { return embed_command(a, extensions); }; });
}

void add_inspect(CLI::App& app, InspectArguments& a, Request& request,
                 const Extensions& extensions) {
  auto* command = app.add_subcommand("inspect", "what a run, a data set or an adapted file holds");
  command->add_option("path", a.path, "run folder, .h5 file, folder of such, or what adapt wrote")
      ->required();
  command->add_flag(
      "--deterministic", a.deterministic,
      "what the bits of a run depend on: then, here, and whether a resume keeps them");
  command->add_flag("--json", a.json, "one JSON object on standard output");
  command->callback([&] { request.without_mpi = [&] { return inspect_command(a, extensions); }; });
}

void add_suggest(CLI::App& app, SuggestArguments& a, Request& request,
                 const Extensions& extensions) {
  auto* command = app.add_subcommand("suggest", "print a config to train on given shards with");
  command->add_option("shards", a.shards, "files, patterns or folders of .h5 files")->required();
  command->footer("cuttle suggest DATA > my.yaml, then cuttle train my.yaml");
  command->callback([&] { request.without_mpi = [&] { return suggest_command(a, extensions); }; });
}

void add_list(CLI::App& app, ListArguments& a, Request& request, const Extensions& extensions) {
  auto* command = app.add_subcommand("list", "what a config can name: learners, encoders, ...");
  command->add_option("kind", a.kind, "learner, encoder, fusion, norm, ... (default: all)");
  command->add_flag("--keys", a.keys, "with each type's own keys, their defaults and meaning");
  command->footer(
      "Whole configs to begin with: cuttle suggest SHARDS, and those in configs/presets.");
  command->add_flag("--json", a.json, "one JSON object on standard output");
  command->callback([&] { request.without_mpi = [&] { return list_command(a, extensions); }; });
}

void add_bench(CLI::App& app, BenchArguments& a, Request& request, const Extensions& extensions) {
  auto* command =
      app.add_subcommand("bench", "time outer steps, or the meta-gradient of given tasks");
  command->add_option("config", a.config, "YAML file");
  add_overrides(*command, a.overrides);
  command
      ->add_option("--steps", a.steps,
                   "outer steps that are timed (10); with --tasks: meta-gradients (1)")
      ->check(CLI::Range(1, kLargestCount));
  command->add_option("--warmup", a.warmup, "as many before (2; with --tasks: 0)")
      ->check(CLI::Range(0, kLargestCount));
  auto* tasks = command->add_option(
      "--tasks", a.tasks,
      "safetensors with support.* and query.* of T tasks; without support.*: minibatches of all "
      "classes");
  command
      ->add_option("--parameters", a.parameters,
                   "safetensors with the parameters of model and learner")
      ->needs(tasks);
  command
      ->add_option("--initial", a.initial,
                   "in place of --parameters: the config's initial ones, written to this file")
      ->needs(tasks);
  auto* gradient =
      command->add_option("--gradient", a.gradient, "where the mean meta-gradient goes");
  tasks->needs(gradient);
  gradient->needs(tasks);
  command->add_flag("--json", a.json, "one JSON object on standard output");
  command->callback([&] {
    if (!a.tasks.empty())
      request.without_mpi = [&] { return bench_given_tasks(a, extensions); };
    else
      request.with_mpi = [&](MpiSession& s) { return bench_command(a, s, extensions); };
  });
}

void add_config_commands(CLI::App& app, ConfigArguments& a, Request& request,
                         const Extensions& extensions) {
  auto* validate = app.add_subcommand(
      "validate", "say everything that would keep training from starting: config and data");
  validate->add_option("config", a.config, "YAML file")->required();
  add_overrides(*validate, a.overrides);
  add_folds(*validate, a.folds);
  validate->callback(
      [&] { request.without_mpi = [&] { return validate_command(a, extensions); }; });
  auto* dump = app.add_subcommand("dump-default",
                                  "print a config with every key, its default and its meaning");
  add_overrides(*dump, a.overrides);
  dump->callback(
      [&] { request.without_mpi = [&] { return dump_default_command(a, extensions); }; });
}

/// For subcommands of one process; those with ranks report in with_communicator.
ExitCode report_errors(const std::function<ExitCode()>& body) {
  try {
    return body();
  } catch (const UserError& problem) {
    log_local(LogLevel::kError, "{}", problem.what());
    return ExitCode::kUserError;
  } catch (const std::exception& problem) {
    log_local(LogLevel::kError, "{}", problem.what());
    return ExitCode::kFailure;
  }
}

/// CLI11 would only say that a subcommand is required.
std::string unknown_subcommand(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (word.empty() || word[0] == '-' || std::count(names.begin(), names.end(), word) > 0) return {};
  return fmt::format("there is no subcommand '{}'; did you mean '{}'? (cuttle --help lists them)",
                     word, nearest_name(word, names));
}

}  // namespace

int run_app(int argc, char** argv, const Extensions& extensions) {
  CLI::App app{"cuttle: distributed multimodal meta-training"};
  app.require_subcommand(1);
  app.set_version_flag("--version", CUTTLE_VERSION);
  Request request;
  TrainArguments train;
  EvalArguments eval;
  CompareArguments compare;
  MapArguments map;
  ProbeArguments probe;
  FeaturesArguments features;
  AdaptArguments adapt;
  PredictArguments predict;
  EmbedArguments embed;
  InspectArguments inspect;
  SuggestArguments suggest;
  ListArguments list;
  BenchArguments bench;
  ConfigArguments config;
  add_train(app, train, request, extensions);
  add_eval(app, eval, request, extensions);
  add_compare(app, compare, request, extensions);
  add_map(app, map, request, extensions);
  add_probe(app, probe, request, extensions);
  add_features(app, features, request, extensions);
  add_adapt(app, adapt, request, extensions);
  add_predict(app, predict, request, extensions);
  add_embed(app, embed, request, extensions);
  add_inspect(app, inspect, request, extensions);
  add_suggest(app, suggest, request, extensions);
  add_list(app, list, request, extensions);
  add_bench(app, bench, request, extensions);
  add_config_commands(app, config, request, extensions);
  expand_paths_in(app);
  if (const std::string problem = unknown_subcommand(app, argc > 1 ? argv[1] : "");
      !problem.empty()) {
    log_local(LogLevel::kError, "{}", problem);
    return static_cast<int>(ExitCode::kUserError);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : static_cast<int>(ExitCode::kUserError);
  }
  ::umask(::umask(0) | S_IWOTH);  // a checkpoint that anybody may change is nobody's
  const ExitCode code = report_errors([&] {
    if (request.without_mpi) {
      choose_instruction_set();
      return request.without_mpi();
    }
    MpiSession session(&argc, &argv);
    return request.with_mpi(session);
  });
  if (!std::cout.flush() && code == ExitCode::kDone) {  // what was asked for did not arrive
    log_local(LogLevel::kError, "cannot write to standard output (is its disk full?)");
    return static_cast<int>(ExitCode::kFailure);
  }
  return static_cast<int>(code);
}

}  // namespace cuttle
