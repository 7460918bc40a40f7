#include "app/loaded_run.hpp"

#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

/// An override of the senses would otherwise do nothing.
void check_modalities(const std::vector<std::string>& wanted,
                      const std::vector<ModalitySpec>& trained) {
  const auto names = names_of(trained);
  CUTTLE_VALIDATE(wanted.empty() ||
                      std::is_permutation(wanted.begin(), wanted.end(), names.begin(), names.end()),
                  "data.modalities: the model takes {} (what it was trained on); leave the key "
                  "out, or hide senses with eval's --modalities",
                  fmt::join(names, ", "));
}

std::int64_t most_shots(const RunConfig& config) {
  return std::max(config.episode.shot, config.evaluation.shot);
}

/// Refuses episodes of more classes than the run has trained parameters for.
void check_trained_ways(const RunConfig& config, RunConfig saved, const Extensions& extensions) {
  if (config.adapt.type != saved.adapt.type) saved.adapt = config.adapt;
  const std::int64_t most = most_classes(saved, extensions), way = evaluation_episodes(config).way;
  CUTTLE_VALIDATE(most == 0 || way <= most,
                  "evaluation.way: episodes of {} classes are larger than in training, where "
                  "episode.way was {} ({} has parameters of its own for each class, and those of "
                  "the others never moved); give evaluation.way={} or less, or train with a larger "
                  "episode.way",
                  way, most, config.adapt.type, most);
}

const NamedArray* find_array(const std::vector<NamedArray>& arrays, const std::string& name) {
  for (const NamedArray& array : arrays)
    if (array.name == name) return &array;
  return nullptr;
}

bool has_parameter(const ParameterLayout& layout, const std::string& name) {
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (layout.spec(i).name == name) return true;
  return false;
}

bool same(const Section& one, const Section& other) {
  return one.type == other.type && one.values == other.values;
}

/// What a model takes of a run that another learner, or another fusion of its senses, looks at than
/// it was trained with: the rest is left there, and what nobody trained is refused.
std::vector<NamedArray> what_serves(const RunConfig& config, const RunConfig& saved,
                                    const ParameterLayout& layout,
                                    const std::vector<NamedArray>& has, const std::string& folder) {
  const Section &fusion = config.model.fusion, &trained_fusion = saved.model.fusion;
  const bool other_learner = !same(config.adapt, saved.adapt);
  if (!other_learner && same(fusion, trained_fusion)) return has;
  std::vector<std::string> lacking, left;
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (find_array(has, layout.spec(i).name) == nullptr) lacking.push_back(layout.spec(i).name);
  CUTTLE_VALIDATE(lacking.empty(),
                  "{}: {} takes parameters that {} has not ({}; it was trained with {} and {}); "
                  "train them from there, with train.init_from={}",
                  other_learner ? "adapt.algorithm" : "model.fusion",
                  other_learner ? config.adapt.type : fusion.type, folder, fmt::join(lacking, ", "),
                  saved.adapt.type, trained_fusion.type, folder);
  std::vector<NamedArray> serve;
  for (const NamedArray& array : has)
    if (has_parameter(layout, array.name))
      serve.push_back(array);
    else
      left.push_back(array.name);
  if (!left.empty())
    log_info("{} was trained with {} and {}; what these alone have is left out: {}", folder,
             saved.adapt.type, trained_fusion.type, fmt::join(left, ", "));
  return serve;
}

/// Refuses more shots than the run was trained for, where they take other parameters than it has.
void check_size(const RunConfig& config, const RunConfig& saved, const ParameterLayout& layout,
                const std::vector<NamedArray>& has) {
  if (most_shots(config) <= most_shots(saved)) return;
  bool fits = has.size() == static_cast<std::size_t>(layout.count());
  for (std::int64_t i = 0; fits && i < layout.count(); ++i) {
    const NamedArray* array = find_array(has, layout.spec(i).name);
    fits = array != nullptr && array->shape == layout.spec(i).shape;
  }
  CUTTLE_VALIDATE(fits,
                  "evaluation.shot: episodes of shot {} are larger than in training (shot {}), and "
                  "the parameters of {} are made for a size; ask for smaller ones, or train with a "
                  "larger episode.shot",
                  most_shots(config), most_shots(saved), config.adapt.type);
}

/// Older versions kept rows for what evaluation alone asked for.
void warn_of_untrained(const ParameterLayout& layout, const std::vector<NamedArray>& has,
                       const std::string& folder) {
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    const ParameterSpec& spec = layout.spec(i);
    const NamedArray* array = find_array(has, spec.name);
    if (!spec.first_rows || array == nullptr || array->shape[0] <= spec.shape[0]) continue;
    log_warning("{}: {} has {} rows, and no training task used more than {}; those serve", folder,
                spec.name, array->shape[0], spec.shape[0]);
    return;  // the others are alike
  }
}

}  // namespace

LoadedRun load_run(const std::string& folder, bool best, const std::vector<std::string>& overrides,
                   const Extensions& extensions, int local_rank) {
  auto source = find_checkpoint(folder, best);
  for (const auto& reason : source.refused) log_warning("a checkpoint is not used: {}", reason);
  const CheckpointContent& content = *source.content;
  const auto parsed = [&](const std::vector<std::string>& changes) {
    return parse_saved(content.config_yaml, source.folder + "/config.yaml", changes,
                       catalog_of(extensions));
  };
  RunConfig config = parsed(overrides);
  TaskInputs inputs = inputs_from(content.facts, source.folder + "/facts.json");
  check_modalities(config.data.modalities, inputs.modalities);
  check_fitted(config, inputs.modalities, "leave the key as it was in training");
  const RunConfig saved = overrides.empty() ? config : parsed({});
  check_protocol(config, saved, extensions);
  check_trained_ways(config, saved, extensions);
  auto parts = assemble(config, inputs, extensions);
  check_held_files(content.facts, parts.model->held_files(), source.folder);
  const auto layout = parts.model->layout();
  const auto arrays = content.files.find("parameters");
  CUTTLE_VALIDATE(arrays != content.files.end(), "{}: there is no parameters.safetensors",
                  source.folder);
  const auto serve = what_serves(config, saved, *layout, arrays->second, source.folder);
  check_size(config, saved, *layout, serve);
  warn_of_untrained(*layout, serve, source.folder);
  ParameterList parameters(layout, flat_from_arrays(*layout, serve, source.folder));
  prepare_process(config, local_rank);
  return {source.folder,    std::move(config),     std::move(inputs),
          std::move(parts), std::move(parameters), content.step};
}

}  // namespace cuttle
