#include "app/loaded_run.hpp"

#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

/// An override of the senses would otherwise do nothing.
void check_modalities(const std::vector<std::string>& wanted,
                      const std::vector<ModalitySpec>& trained) {
  std::vector<std::string> names;
  for (const auto& spec : trained) names.push_back(spec.name);
  CUTTLE_VALIDATE(wanted.empty() ||
                      std::is_permutation(wanted.begin(), wanted.end(), names.begin(), names.end()),
                  "data.modalities: the model takes {} (what it was trained on); leave the key "
                  "out, or hide senses with eval's --modalities",
                  fmt::join(names, ", "));
}

std::int64_t most_ways(const RunConfig& config) {
  return std::max(config.episode.way, config.evaluation.way);
}

std::int64_t most_shots(const RunConfig& config) {
  return std::max(config.episode.shot, config.evaluation.shot);
}

std::vector<std::pair<std::string, std::vector<std::int64_t>>> names_and_shapes(
    const Assembly& parts) {
  const auto& layout = *parts.model->layout();
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> all;
  for (std::int64_t i = 0; i < layout.count(); ++i)
    all.emplace_back(layout.spec(i).name, layout.spec(i).shape);
  return all;
}

/// Refuses larger episodes than the run was trained for, where they take other parameters.
void check_size(const RunConfig& config, RunConfig saved, const Assembly& parts,
                const TaskInputs& inputs, const Extensions& extensions) {
  if (most_ways(config) <= most_ways(saved) && most_shots(config) <= most_shots(saved)) return;
  saved.device = config.device;
  CUTTLE_VALIDATE(
      names_and_shapes(parts) == names_and_shapes(assemble(saved, inputs, extensions)),
      "evaluation.way, evaluation.shot: episodes of way {} and shot {} are larger than in training "
      "(way {}, shot {}), and the parameters of {} are made for a size; ask for smaller ones, or "
      "train with a larger episode.way or episode.shot",
      most_ways(config), most_shots(config), most_ways(saved), most_shots(saved),
      config.adapt.type);
}

}  // namespace

LoadedRun load_run(const std::string& folder, bool best, const std::vector<std::string>& overrides,
                   const Extensions& extensions, int local_rank) {
  auto source = find_checkpoint(folder, best);
  for (const auto& reason : source.refused) log_warning("a checkpoint is not used: {}", reason);
  const CheckpointContent& content = *source.content;
  RunConfig config = parse_saved(content.config_yaml, source.folder + "/config.yaml", overrides,
                                 catalog_of(extensions));
  TaskInputs inputs = inputs_from(content.facts, source.folder + "/facts.json");
  check_modalities(config.data.modalities, inputs.modalities);
  const RunConfig saved =
      parse_saved(content.config_yaml, source.folder + "/config.yaml", {}, catalog_of(extensions));
  check_protocol(config, saved, extensions);
  auto parts = assemble(config, inputs, extensions);
  check_size(config, saved, parts, inputs, extensions);
  const auto layout = parts.model->layout();
  const auto arrays = content.files.find("parameters");
  CUTTLE_VALIDATE(arrays != content.files.end(), "{}: there is no parameters.safetensors",
                  source.folder);
  ParameterList parameters(layout, flat_from_arrays(*layout, arrays->second, source.folder));
  prepare_process(config, local_rank);
  return {source.folder,    std::move(config),     std::move(inputs),
          std::move(parts), std::move(parameters), content.step};
}

TaskInputs inputs_from(const std::map<std::string, std::string>& entries, const std::string& file) {
  const auto specs = entries.find("modalities");
  CUTTLE_VALIDATE(specs != entries.end(), "{}: does not say which modalities the model takes",
                  file);
  const auto count = [&](const std::string& name) {
    const auto found = entries.find(name);
    if (found == entries.end()) return std::int64_t{0};
    const std::string& text = found->second;
    std::int64_t value = -1;
    const auto end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, value);
    CUTTLE_VALIDATE(result.ec == std::errc() && result.ptr == end && value >= 0,
                    "{}: its {} '{}' is no count (damaged?)", file, name, text);
    return value;
  };
  return {modalities_from_json(specs->second), count("target_width"), count("training_classes")};
}

}  // namespace cuttle
