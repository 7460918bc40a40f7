#include "app/known_tasks_file.hpp"

#include <fmt/ranges.h>
#include <torch/types.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/safetensors.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

constexpr const char* kKnownFormat = "cuttle-known-tasks-1";
constexpr std::int64_t kNearest = 5;  ///< that are told
constexpr double kForeign = 0.95;     ///< farther than this share of held-out tasks: a warning

NamedArray as_array(const std::string& name, const torch::Tensor& tensor) {
  const auto values = tensor.to(torch::kFloat64).contiguous();
  return pack_array<double>(name, values.sizes().vec(),
                            {values.data_ptr<double>(), static_cast<std::size_t>(values.numel())});
}

double quantile(const std::vector<float>& ascending, double share) {
  const auto last = static_cast<double>(ascending.size() - 1);
  return ascending[static_cast<std::size_t>(std::lround(share * last))];
}

/// What a training task is called.
std::string name_of(const KnownTasksFile& known, std::int64_t task) {
  const auto& classes = known.classes[static_cast<std::size_t>(task)];
  return classes.empty() ? fmt::format("task {}", task)
                         : fmt::format("{}", fmt::join(classes, ", "));
}

std::string size_of(std::int64_t way, std::int64_t shot) {
  return way > 0 ? fmt::format("{}-way {}-shot", way, shot) : fmt::format("of {} samples", shot);
}

void say(const KnownTasksFile& known, const TaskPlace& place) {
  const auto& first = place.nearest[0];
  const auto held_out = known.tasks.held_out().size();
  log_info("nearest training task: {} (distance {:.2f}; 1: as far as two of them){}",
           name_of(known, first.task), first.distance,
           std::isfinite(place.farther_than)
               ? fmt::format("; {:.0f} % of {} validation tasks are nearer to theirs",
                             100 * place.farther_than, held_out)
               : "");
  if (place.farther_than >= kForeign)
    log_warning(
        "this task is farther from all {} known training tasks than {:.0f} % of the validation "
        "tasks (nothing like it was learned from, so answers, probabilities and known may be worse "
        "than eval says); check what was given, or train on tasks that are more like it",
        known.tasks.size(), 100 * place.farther_than);
}

}  // namespace

std::string known_tasks_path(const std::string& checkpoint) {
  auto folder = std::filesystem::absolute(checkpoint).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // it ended in a slash
  return folder.parent_path().parent_path() / "known_tasks.safetensors";
}

void write_known_tasks(const std::string& path, const KnownTasksFile& known) {
  ArrayFile file;
  for (const auto& [name, tensor] : known.tasks.state())
    file.arrays.push_back(as_array(name, tensor));
  file.metadata = {{"format", kKnownFormat},
                   {"by", to_string(known.tasks.view())},
                   {"classes", nlohmann::json(known.classes).dump()},
                   {"parameters_sha256", known.parameters_sha256},
                   {"size", nlohmann::json{known.step, known.way, known.shot}.dump()}};
  write_file_atomically(path, encode_safetensors(file.arrays, file.metadata));
}

KnownTasksFile read_known_tasks(const std::string& path) {
  try {
    const ArrayFile file = read_safetensors(path);
    std::map<std::string, torch::Tensor> state;
    for (const NamedArray& array : file.arrays)
      state[array.name] =
          torch::tensor(unpack_array<double>(array), torch::kFloat64).view(array.shape);
    CUTTLE_VALIDATE(file.metadata.at("format") == kKnownFormat,
                    "written by another version of cuttle");
    KnownTasksFile known{KnownTasks(task_view_from(file.metadata.at("by")), state),
                         nlohmann::json::parse(file.metadata.at("classes")), 0,
                         file.metadata.at("parameters_sha256")};
    const auto size = nlohmann::json::parse(file.metadata.at("size"));
    known.step = size.at(0);
    known.way = size.at(1);
    known.shot = size.at(2);
    CUTTLE_VALIDATE(known.classes.size() == static_cast<std::size_t>(known.tasks.size()),
                    "it has {} tasks and the names of {}", known.tasks.size(),
                    known.classes.size());
    return known;
  } catch (const std::exception& cause) {
    throw UserError(
        fmt::format("{}: cannot be read ({}); make it again with cuttle map", path, cause.what()));
  }
}

ordered_json describe_known(const KnownTasksFile& known) {
  ordered_json json{{"by", to_string(known.tasks.view())},
                    {"tasks", known.tasks.size()},
                    {"way", known.way},
                    {"shot", known.shot},
                    {"step", known.step},
                    {"held_out", known.tasks.held_out().size()}};
  if (const auto& far = known.tasks.held_out(); !far.empty())
    json["held_out_distance"] = {{"median", quantile(far, 0.5)},
                                 {"all_but_5_percent", quantile(far, 0.95)}};
  return json;
}

ordered_json place_among_known(const LoadedRun& run, const Batch& support, std::int64_t shot) {
  const std::string path = known_tasks_path(run.folder);
  if (!std::filesystem::exists(path)) return nullptr;
  const KnownTasksFile known = read_known_tasks(path);
  if (known.parameters_sha256 != run.parameters.sha256()) {
    log_warning(
        "{} is of step {}, and the model of step {} (they see tasks differently), so it is not "
        "said how far this task is from those; make it again with cuttle map",
        path, known.step, run.step);
    return nullptr;
  }
  const std::int64_t way = support.targets.defined() ? 0 : support.way;
  if (known.way != way || known.shot != shot)
    log_warning(
        "the known tasks are {}, and this is {} (the mean of fewer samples lies farther off by "
        "chance), so its distance may be off; cuttle map RUN {}evaluation.shot={} maps tasks like "
        "this one, if the training split can give them",
        size_of(known.way, known.shot), size_of(way, shot),
        way > 0 ? fmt::format("evaluation.way={} ", way) : "", shot);
  const auto point = task_point(known.tasks.view(), *run.parts.model, run.parameters.tensors(),
                                support, {run.config.seed, Stream::kModel, 0, 0});
  TaskPlace place = known.tasks.place(point, kNearest);
  // It would seem nearer than it is; if it is far even so, that holds.
  if (!known.tasks.comparable(point) && place.farther_than < kForeign) {
    log_warning(
        "this support set lacks a sense that the known tasks have (so fewer numbers have to agree, "
        "and any task seems near), so it is not said how unusual its distance is");
    place.farther_than = std::numeric_limits<double>::quiet_NaN();
  }
  say(known, place);
  ordered_json json = describe_known(known);
  json["distance"] = place.nearest[0].distance;
  if (std::isfinite(place.farther_than)) json["farther_than"] = place.farther_than;
  for (const auto& [task, distance] : place.nearest)
    json["nearest"].push_back({{"number", task},
                               {"classes", known.classes[static_cast<std::size_t>(task)]},
                               {"distance", distance}});
  return json;
}

}  // namespace cuttle
