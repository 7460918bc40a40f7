#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "cuttle/checkpoint/checkpoint.hpp"
#include "cuttle/train/run_state.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

ordered_json describe_run(const std::string& folder) {
  const LatestCheckpoint latest = find_checkpoint(folder, false);
  const CheckpointContent& content = *latest.content;
  const RunConfig config = parse_config(content.config_yaml, latest.folder + "/config.yaml", {});
  const RunProgress progress = progress_from_json(content.state_json);
  const auto state = nlohmann::json::parse(content.state_json);
  std::int64_t parameters = 0;
  for (const auto& array : content.files.at("parameters")) {
    std::int64_t elements = 1;
    for (const auto size : array.shape) elements *= size;
    parameters += elements;
  }
  ordered_json json{{"run", folder},
                    {"step", content.step},
                    {"steps", config.train.steps},
                    {"complete", content.step >= config.train.steps || progress.stopped_early},
                    {"stopped_early", progress.stopped_early},
                    {"algorithm", config.adapt.algorithm},
                    {"parameters", parameters},
                    {"parameters_sha256", state.value("parameters_sha256", "")},
                    {"world_sizes", progress.world_sizes},
                    {"tasks", state.value("tasks", 0)},
                    {"skipped_tasks", state.value("skipped_tasks", 0)},
                    {"last_checkpoint", latest.folder},
                    {"refused_checkpoints", latest.refused}};
  if (progress.best_step >= 0) {
    json["best_step"] = progress.best_step;
    if (config.episode.values())
      json["best_mean_squared_error"] = -progress.best_score;
    else
      json["best_accuracy"] = progress.best_score;
    json["best_checkpoint"] = find_checkpoint(folder, true).folder;
  }
  for (const auto& [name, value] : content.facts)
    if (name != "modalities") json["facts"][name] = value;
  return json;
}

ordered_json describe_shard(const std::string& path) {
  DataOptions options;
  options.shards = {path};
  const auto data = Dataset::open(options);
  ordered_json json{{"shard", path},
                    {"samples", data->samples().size()},
                    {"classes", data->class_names().size()},
                    {"groups", data->group_names()},
                    {"target_width", data->target_width()},
                    {"fingerprint", data->fingerprint()}};
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest})
    json["classes_of"][to_string(split)] = data->classes_of(split).size();
  for (std::size_t m = 0; m < data->modalities().size(); ++m) {
    const ModalitySpec& spec = data->modalities()[m];
    std::int64_t present = 0;
    for (const auto& sample : data->samples()) present += sample.present >> m & 1u;
    json["modalities"].push_back({{"name", spec.name},
                                  {"kind", to_string(spec.kind)},
                                  {"shape", spec.shape},
                                  {"sample_rate", spec.sample_rate},
                                  {"present", present}});
  }
  return json;
}

void print_text(const ordered_json& json, const std::string& indent) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      std::cout << indent << key << ":\n";
      print_text(value, indent + "  ");
    } else {
      std::cout << indent << key << ": "
                << (value.is_string() ? value.get<std::string>() : value.dump()) << "\n";
    }
  }
}

}  // namespace

ExitCode inspect_command(const InspectArguments& arguments) {
  const std::string& path = arguments.path;
  const bool shard = path.size() > 3 && path.compare(path.size() - 3, 3, ".h5") == 0;
  const ordered_json json = shard ? describe_shard(path) : describe_run(path);
  if (arguments.json)
    std::cout << json.dump(2) << "\n";
  else
    print_text(json, "");
  return ExitCode::kDone;
}

}  // namespace cuttle
