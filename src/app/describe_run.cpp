#include "app/describe_run.hpp"

#include <sys/statvfs.h>

#include <ctime>
#include <filesystem>

#include "app/known_tasks_file.hpp"
#include "app/missing_shards.hpp"
#include "cuttle/checkpoint/checkpoint.hpp"
#include "cuttle/checkpoint/run_lock.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/train/environment.hpp"
#include "cuttle/train/run_state.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kRecordsLimit = std::uint64_t{4} << 30;
constexpr std::size_t kTimedSteps = 100;  // that the speed is taken from

/// Nothing instead of an error: these files help, a run can do without them.
nlohmann::json read_json(const std::string& path) {
  try {
    return nlohmann::json::parse(read_file(path, 1u << 20), nullptr, /*allow_exceptions=*/false);
  } catch (const Error&) {
    return {};
  }
}

/// The last `count` records of a file of JSON lines, as many as can be read.
std::vector<nlohmann::json> last_records(const std::string& path, std::size_t count) {
  std::vector<nlohmann::json> records;
  std::string text;
  try {
    text = read_file(path, kRecordsLimit);
  } catch (const Error&) {
    return records;
  }
  std::size_t end = text.rfind('\n');
  while (end != std::string::npos && records.size() < count) {
    const std::size_t before = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    auto record = nlohmann::json::parse(text.substr(begin, end - begin), nullptr, false);
    if (record.is_object()) records.push_back(std::move(record));
    end = before;
  }
  return records;
}

/// "running", "done", ...: what the last heartbeat says, unless its writer is gone.
void describe_life(const std::string& folder, ordered_json& told) {
  const nlohmann::json beat = read_json(folder + "/heartbeat.json");
  const auto holder = find_holder(folder);
  if (!beat.is_object()) return;
  const std::string state = beat.value("state", "unknown");
  const bool ended = state == "done" || state == "stopped" || state == "failed";
  const bool alive = holder && !holder->dead;
  told["state"] = ended && !alive ? state : alive ? state : "died";
  if (alive) told["held_by"] = holder->description;
  told["last_step"] = beat.value("step", 0);
  const std::int64_t then = beat.value("unix_time", std::int64_t{0});
  told["last_sign_of_life"] = {{"time", beat.value("time", "")},
                               {"seconds_ago", std::time(nullptr) - then},
                               {"host", beat.value("host", "")},
                               {"slurm_job", beat.value("slurm_job", "")}};
  if (state == "failed") told["failure"] = beat.value("message", "");
}

void describe_ranks(const std::string& folder, ordered_json& told) {
  const auto records = last_records(folder + "/ranks.jsonl", 1);
  if (records.empty()) return;
  const nlohmann::json& record = records[0];
  const auto rank = record.value("slowest_rank", std::size_t{0});
  const nlohmann::json hosts = record.value("hosts", nlohmann::json::array());
  told["slowest_rank"] = {{"rank", rank},
                          {"host", rank < hosts.size() ? hosts[rank] : nlohmann::json("")},
                          {"max_over_mean", record.value("max_over_mean", 1.0)},
                          {"over_steps", record.value("steps", 0)}};
}

double seconds_per_step(const std::string& folder) {
  const auto records = last_records(folder + "/timing.jsonl", kTimedSteps);
  double sum = 0.0;
  std::size_t timed = 0;  // the first record may be that of train.minutes
  for (const auto& record : records) {
    sum += record.value("total_s", 0.0);
    timed += record.contains("total_s");
  }
  return timed == 0 ? 0.0 : sum / static_cast<double>(timed);
}

std::uint64_t folder_bytes(const std::string& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_regular_file()) bytes += entry.file_size();
  return bytes;
}

/// Why a resume from here would not work, or not give the same bits.
std::vector<std::string> obstacles(const std::string& folder, const RunConfig& config,
                                   const LatestCheckpoint& latest) {
  std::vector<std::string> found = missing_shards(config);
  if (const auto holder = find_holder(folder); holder && !holder->dead)
    found.push_back(fmt::format("{} is at work on it", holder->description));
  const std::uint64_t needed = 2 * folder_bytes(latest.folder);
  struct statvfs disk{};
  if (::statvfs(folder.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < needed)
    found.push_back(fmt::format("only {} MB are free there; two checkpoints take {} MB",
                                disk.f_bavail * disk.f_frsize >> 20, needed >> 20));
  for (const auto& change : changed_facts(latest.content->facts, environment_facts(config)))
    found.push_back(fmt::format("{} is not what it was (see --deterministic): the bits may differ",
                                change.name));
  return found;
}

std::int64_t count_parameters(const CheckpointContent& content) {
  std::int64_t parameters = 0;
  for (const auto& array : content.files.at("parameters")) {
    std::int64_t elements = 1;
    for (const auto size : array.shape) elements *= size;
    parameters += elements;
  }
  return parameters;
}

void describe_best(const std::string& folder, const RunConfig& config, const RunProgress& progress,
                   const Extensions& extensions, ordered_json& told) {
  if (progress.best_step < 0) return;
  told["best_step"] = progress.best_step;
  const auto kind = find_type(extensions.targets, "episode.target", config.episode.target.type)
                        .make({config.episode.target});
  told["best_" + kind->score_name()] =
      kind->larger_is_better() ? progress.best_score : -progress.best_score;
  told["best_checkpoint"] = find_checkpoint(folder, true).folder;
}

/// Nothing else of a run needs them: where they cannot be read, that is all that is said.
void describe_known_tasks(const std::string& checkpoint, ordered_json& told) {
  const auto path = known_tasks_path(checkpoint);
  if (!std::filesystem::exists(path)) return;
  try {
    told["known_tasks"] = describe_known(read_known_tasks(path));
  } catch (const UserError& problem) {
    told["known_tasks"] = problem.what();
  }
}

void describe_checkpoint(const std::string& folder, const LatestCheckpoint& latest,
                         const Extensions& extensions, ordered_json& told) {
  const CheckpointContent& content = *latest.content;
  const RunConfig config =
      parse_saved(content.config_yaml, latest.folder + "/config.yaml", {}, catalog_of(extensions));
  const RunProgress progress = progress_from_json(content.state_json);
  const auto state = nlohmann::json::parse(content.state_json);
  const bool complete = content.step >= config.train.steps || progress.stopped_early;
  told["step"] = content.step;
  told["steps"] = config.train.steps;
  told["complete"] = complete;
  told["stopped_early"] = progress.stopped_early;
  told["algorithm"] = config.adapt.type;
  told["parameters"] = count_parameters(content);
  told["parameters_sha256"] = state.value("parameters_sha256", "");
  told["world_sizes"] = progress.world_sizes;
  told["restarts"] = progress.world_sizes.empty() ? 0 : progress.world_sizes.size() - 1;
  told["tasks"] = state.value("tasks", 0);
  told["skipped_tasks"] = state.value("skipped_tasks", 0);
  told["skipped_steps"] = content.step - state.value("updates", content.step);
  told["last_checkpoint"] = latest.folder;
  told["refused_checkpoints"] = latest.refused;
  describe_best(folder, config, progress, extensions, told);
  describe_ranks(folder, told);
  describe_known_tasks(latest.folder, told);
  if (!complete) {
    const double each_s = seconds_per_step(folder);
    const int ranks = progress.world_sizes.empty() ? 1 : progress.world_sizes.back();
    told["to_go_on"] = {
        {"command", fmt::format("launch/local.sh -n {} train {} --resume", ranks, folder)},
        {"steps_left", config.train.steps - content.step},
        {"hours_left", each_s * static_cast<double>(config.train.steps - content.step) / 3600},
        {"obstacles", obstacles(folder, config, latest)}};
  }
  for (const auto& [name, value] : content.facts)
    if (name != "modalities") told["facts"][name] = value;
}

}  // namespace

ordered_json describe_run(const std::string& folder, const Extensions& extensions) {
  ordered_json told{{"run", folder}};
  describe_life(folder, told);
  if (told.contains("state") && list_checkpoints(folder).empty()) {
    told["last_checkpoint"] = nullptr;  // too young to have one
    return told;
  }
  describe_checkpoint(folder, find_checkpoint(folder, false), extensions, told);
  return told;
}

ordered_json describe_determinism(const std::string& folder, const Extensions& extensions) {
  const LatestCheckpoint latest = find_checkpoint(folder, false);
  const RunConfig config = parse_saved(latest.content->config_yaml, latest.folder + "/config.yaml",
                                       {}, catalog_of(extensions));
  const auto& then = latest.content->facts;
  const auto now = environment_facts(config);
  ordered_json told{{"checkpoint", latest.folder}};
  for (const auto& [name, value] : now) {
    const auto was = then.find(name);
    told[name] = {{"then", was == then.end() ? "unknown" : was->second}, {"now", value}};
  }
  told["same_bits"] = changed_facts(then, now).empty();
  return told;
}

}  // namespace cuttle
