#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/describe_adapted.hpp"
#include "app/describe_run.hpp"
#include "app/print_told.hpp"
#include "app/shard_paths.hpp"
#include "app/train_folds.hpp"
#include "cuttle/data/dataset.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kFirstClasses = 5;  // that are named where not all are asked for

/// How many classes there are, and what decides whether an episode can have them. `all`: every
/// class with its samples, not only the first.
void describe_split(const Dataset& data, Split split, bool all, ordered_json& json) {
  const auto& classes = data.classes_of(split);
  json["classes_of"][to_string(split)] = classes.size();
  if (classes.empty()) return;
  const auto size = [&](std::int32_t id) { return data.samples_of(id).size(); };
  const auto name = [&](std::int32_t id) {
    return data.class_names()[static_cast<std::size_t>(id)];
  };
  auto by_size = classes;
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](std::int32_t a, std::int32_t b) { return size(a) < size(b); });
  auto& told = json["samples_per_class"][to_string(split)];
  told = {{"least", size(by_size.front())},
          {"of", name(by_size.front())},
          {"median", size(by_size[by_size.size() / 2])},
          {"most", size(by_size.back())}};
  if (all) {
    for (const std::int32_t id : classes)
      json["class_samples"][to_string(split)][name(id)] = size(id);
    return;
  }
  const std::size_t shown = std::min(classes.size(), kFirstClasses);
  std::string first;
  for (std::size_t i = 0; i < shown; ++i)
    first += fmt::format("{}{} ({})", i == 0 ? "" : ", ", name(classes[i]), size(classes[i]));
  if (shown < classes.size())
    first += fmt::format(" and {} more (--json has all)", classes.size() - shown);
  told["first"] = first;
}

/// The shards that a path names: itself, or those of a data set's folder; none: it is a run, which
/// may have some beside its checkpoints.
std::vector<std::string> shards_at(const std::string& path) {
  if (!std::filesystem::is_directory(path))
    return is_shard(path) ? std::vector<std::string>{path} : std::vector<std::string>{};
  if (std::filesystem::exists(path + "/config.yaml")) return {};
  return shards_in(path);
}

ordered_json describe_shards(const std::string& path, const std::vector<std::string>& shards,
                             bool all) {
  DataOptions options;
  options.shards = shards;
  const auto data = Dataset::open(options);
  ordered_json json{{"shard", path},
                    {"shards", shards.size()},
                    {"samples", data->samples().size()},
                    {"classes", data->class_names().size()},
                    {"groups", data->group_names()},
                    {"target_width", data->target_width()},
                    {"fingerprint", data->fingerprint()}};
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest})
    describe_split(*data, split, all, json);
  for (std::size_t m = 0; m < data->modalities().size(); ++m) {
    const ModalitySpec& spec = data->modalities()[m];
    std::int64_t present = 0;
    for (const auto& sample : data->samples()) present += sample.present >> m & 1u;
    json["modalities"].push_back(told(spec));
    json["modalities"].back()["present"] = present;
  }
  return json;
}

ordered_json describe_file(const std::string& path, const Extensions& extensions) {
  CUTTLE_VALIDATE(may_be_adapted(path),
                  "{} is a file, and not one of adapt (its bytes are of another kind); give a run "
                  "folder, shards (.h5), or what adapt wrote",
                  path);
  const AdaptedModel model = read_adapted(path, extensions, false);
  return describe_adapted(path, model.to, model.parts);
}

}  // namespace

ExitCode inspect_command(const InspectArguments& arguments, const Extensions& extensions) {
  const std::string& path = arguments.path;
  const auto shards = shards_at(path);
  CUTTLE_VALIDATE(
      std::filesystem::exists(path) || !shards.empty(),
      "{}: no such file or folder; give a run folder, shards (.h5), or what adapt wrote", path);
  const bool file = std::filesystem::is_regular_file(path);
  CUTTLE_VALIDATE(!arguments.deterministic || (shards.empty() && !file),
                  "--deterministic is about runs, and {} is none; give a run folder", path);
  const ordered_json json = !shards.empty()      ? describe_shards(path, shards, arguments.json)
                            : file               ? describe_file(path, extensions)
                            : folds_in(path) > 0 ? describe_folds(path, extensions)
                            : arguments.deterministic ? describe_determinism(path, extensions)
                                                      : describe_run(path, extensions);
  print_told(json, arguments.json);
  return ExitCode::kDone;
}

}  // namespace cuttle
