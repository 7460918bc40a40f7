#include "app/loaded_run.hpp"

#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <charconv>

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
  auto parts = assemble(config, inputs, extensions);
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
