#include "app/train_folds.hpp"

#include <fmt/ranges.h>

#include <cmath>
#include <filesystem>
#include <utility>

#include "app/describe_run.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/reduce/interval.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

std::string folder_of_fold(const std::string& folder, std::int64_t fold) {
  return fmt::format("{}/fold-{}", folder, fold);
}

/// Of few numbers that every rank has.
Interval interval_of(const std::vector<double>& scores) {
  Interval all;
  all.count = static_cast<std::int64_t>(scores.size());
  for (const double score : scores) all.mean += score / static_cast<double>(all.count);
  double squares = 0;
  for (const double score : scores) squares += (score - all.mean) * (score - all.mean);
  const auto n = static_cast<double>(all.count);
  all.half_width = standard_errors(all.count) * std::sqrt(squares / (n - 1) / n);
  return all;
}

/// What the folds came to so far. It says nothing of time, so it is the same however often the run
/// was interrupted.
ordered_json to_json(const TaskKind& kind, std::int64_t folds,
                     const std::vector<TrainOutcome>& outcomes) {
  ordered_json json{{"folds", folds}, {"done", ordered_json::array()}};
  std::vector<double> scores;
  for (const TrainOutcome& outcome : outcomes) {
    const double best = outcome.progress.best_score;
    scores.push_back(kind.larger_is_better() ? best : -best);
    json["done"].push_back({{"fold", scores.size()},
                            {kind.score_name(), scores.back()},
                            {"best_step", outcome.progress.best_step},
                            {"step", outcome.step},
                            {"parameters_sha256", outcome.parameters_sha256}});
  }
  if (static_cast<std::int64_t>(scores.size()) < folds) return json;
  const Interval all = interval_of(scores);
  json[kind.score_name()] = all.mean;
  json["ci95"] = all.half_width;
  return json;
}

void write_folds(const std::string& folder, const ordered_json& json) {
  remove_unfinished(folder + kFoldsFile);
  write_file_atomically(folder + kFoldsFile, json.dump(2) + "\n");
}

ordered_json read_folds(const std::string& folder) {
  const std::string path = folder + kFoldsFile;
  auto json = ordered_json::parse(read_file(path, 1u << 20), nullptr, /*allow_exceptions=*/false);
  CUTTLE_VALIDATE(json.is_object() && json.contains("folds") && json["folds"].is_number_integer() &&
                      json["folds"] >= 2,
                  "{}: cannot be read (damaged?); write {{\"folds\": K}} with the number of folds "
                  "into it, and go on with --resume",
                  path);
  return json;
}

}  // namespace

std::int64_t folds_in(const std::string& folder) {
  if (folder.empty() || !std::filesystem::exists(folder + kFoldsFile)) return 0;
  return read_folds(folder)["folds"].get<std::int64_t>();
}

RunConfig load_for_folds(const std::string& path, std::vector<std::string> overrides,
                         std::int64_t folds, const Catalog& catalog) {
  RunConfig config = load_config(path, overrides, catalog);
  if (folds == 0) return config;
  CUTTLE_VALIDATE(config.data.fold.empty(),
                  "data.fold: is {}, and --folds trains all of them; leave one of the two out",
                  config.data.fold);
  overrides.push_back(fmt::format("data.fold=1/{}", folds));
  try {
    load_config(path, overrides, catalog);  // refuses what does not go with folds
  } catch (const UserError& problem) {
    throw UserError(fmt::format("--folds gives every run its data.fold, and:\n{}", problem.what()));
  }
  return config;
}

RunConfig config_of_fold(RunConfig config, std::int64_t fold, std::int64_t folds) {
  config.data.fold = fmt::format("{}/{}", fold, folds);
  config.train.minutes /= static_cast<double>(folds);
  return config;
}

std::vector<std::string> find_obstacles_of_folds(const RunConfig& config, std::int64_t folds,
                                                 const Extensions& extensions,
                                                 WarningsOnce& warnings) {
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> found;  // and of which folds
  for (std::int64_t fold = 1; fold <= folds; ++fold) {
    std::vector<std::string> of_fold;
    warnings.during(
        [&] { of_fold = find_obstacles(config_of_fold(config, fold, folds), extensions); });
    for (auto& text : of_fold) {
      auto known = found.begin();
      while (known != found.end() && known->first != text) ++known;
      if (known == found.end()) known = found.insert(known, {std::move(text), {}});
      known->second.push_back(fold);
    }
  }
  std::vector<std::string> told;
  for (const auto& [text, of] : found)
    told.push_back(static_cast<std::int64_t>(of.size()) == folds
                       ? text
                       : fmt::format("fold {}: {}", fmt::join(of, ", "), text));
  return told;
}

ExitCode train_folds(
    const RunConfig& config, std::int64_t folds, Communicator& comm, const std::string& folder,
    const Extensions& extensions, WarningsOnce& warnings,
    const std::function<TrainOutcome(const RunConfig&, const std::string&, bool)>& train) {
  const auto kind = find_type(extensions.targets, "episode.target", config.episode.target.type)
                        .make({config.episode.target});
  std::vector<TrainOutcome> outcomes;
  const auto write = [&] {
    if (comm.rank() == 0) write_folds(folder, to_json(*kind, folds, outcomes));
  };
  together(comm, "beginning the folds", [&] {
    if (comm.rank() != 0) return;
    if (!std::filesystem::exists(folder + kFoldsFile)) {  // what cannot be is refused now
      const auto obstacles = find_obstacles_of_folds(config, folds, extensions, warnings);
      CUTTLE_VALIDATE(obstacles.empty(), "{}", fmt::join(obstacles, "\n"));
    }
    make_folders(folder);
    write();
    remove_unfinished(folder + "/config.yaml");
    write_file_atomically(folder + "/config.yaml", dump_config(config, catalog_of(extensions)));
  });
  for (std::int64_t fold = 1; fold <= folds; ++fold) {
    log_info("fold {} of {}", fold, folds);
    const std::string run = folder_of_fold(folder, fold);
    // Rank 0 looks: for another the folder may be there because rank 0 has made it.
    const bool begun =
        comm.broadcast("fold", std::filesystem::exists(run) ? "begun" : "", 0).wait() == "begun";
    outcomes.push_back(train(config_of_fold(config, fold, folds), run, begun));
    if (!outcomes.back().complete) {
      log_info("{} of {} folds are done; cuttle train {} --resume goes on", fold - 1, folds,
               folder);
      return ExitCode::kStoppedEarly;
    }
    together(comm, "recording the fold", write);
  }
  const auto json = to_json(*kind, folds, outcomes);
  log_info("{} folds of classes: best validation {}; {}{}", folds,
           kind->say_score(json[kind->score_name()], json["ci95"].get<double>()), folder,
           kFoldsFile);
  return ExitCode::kDone;
}

ordered_json describe_folds(const std::string& folder, const Extensions& extensions) {
  ordered_json told{{"run", folder}};
  const ordered_json json = read_folds(folder);
  told.update(json);
  const auto folds = json["folds"].get<std::int64_t>();
  const bool complete = json.contains("ci95");
  told["complete"] = complete;
  for (std::int64_t fold = 1; fold <= folds; ++fold) {
    const std::string run = folder_of_fold(folder, fold);
    const bool begun = std::filesystem::exists(run + "/heartbeat.json");
    const auto of = begun ? describe_run(run, extensions) : ordered_json::object();
    told["runs"].push_back({{"run", run},
                            {"state", begun ? of.value("state", "unknown") : "not begun"},
                            {"step", of.value("step", 0)}});
  }
  if (!complete) told["to_go_on"]["command"] = fmt::format("cuttle train {} --resume", folder);
  return told;
}

}  // namespace cuttle
