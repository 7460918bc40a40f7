#include "cuttle/train/run_state.hpp"

#include <torch/types.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using nlohmann::json;

const NamedArray& find_array(const std::vector<NamedArray>& arrays, const std::string& name,
                             const std::string& source) {
  for (const auto& array : arrays)
    if (array.name == name) return array;
  throw UserError(
      fmt::format("{}: there is no parameter '{}' (a checkpoint of another model?); use the config "
                  "that it was made with",
                  source, name));
}

/// The values of array `name` to the place of parameter i.
void copy_parameter(const ParameterLayout& layout, std::int64_t i,
                    const std::vector<NamedArray>& arrays, const std::string& source,
                    const std::string& name, const torch::Tensor& flat) {
  const NamedArray& array = find_array(arrays, name, source);
  CUTTLE_VALIDATE(fits_parameter(array.shape, layout.spec(i)),
                  "{}: parameter '{}' has another shape than the model's (a checkpoint of "
                  "another model, or for another episode.way?); use the config that it was made "
                  "with",
                  source, layout.spec(i).name);
  copy_values(array, layout, i, flat);
}

/// The folder of checkpoint `step` among those of a run, empty if it is gone.
std::string folder_of_step(const std::string& run, std::int64_t step) {
  for (const auto& entry : list_checkpoints(run))
    if (entry.step == step) return entry.folder;
  return {};
}

}  // namespace

bool fits_parameter(const std::vector<std::int64_t>& shape, const ParameterSpec& spec) {
  if (shape == spec.shape) return true;
  return spec.first_rows && shape.size() == spec.shape.size() && shape[0] > spec.shape[0] &&
         std::equal(shape.begin() + 1, shape.end(), spec.shape.begin() + 1);
}

void copy_values(const NamedArray& array, const ParameterLayout& layout, std::int64_t i,
                 const torch::Tensor& flat) {
  const auto values = unpack_array<float>(array);
  std::copy_n(values.begin(), layout.elements(i), flat.data_ptr<float>() + layout.offset(i));
}

std::vector<NamedArray> parameter_arrays(const ParameterLayout& layout, const torch::Tensor& flat,
                                         const std::string& prefix) {
  std::vector<NamedArray> arrays;
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    const Span<const float> values(flat.data_ptr<float>() + layout.offset(i),
                                   static_cast<std::size_t>(layout.elements(i)));
    arrays.push_back(pack_array<float>(prefix + layout.spec(i).name, layout.spec(i).shape, values));
  }
  return arrays;
}

torch::Tensor flat_from_arrays(const ParameterLayout& layout, const std::vector<NamedArray>& arrays,
                               const std::string& source, const std::string& prefix) {
  auto flat = torch::zeros({layout.flat_size()}, torch::kFloat32);
  for (std::int64_t i = 0; i < layout.count(); ++i)
    copy_parameter(layout, i, arrays, source, prefix + layout.spec(i).name, flat);
  for (const auto& array : arrays) {
    bool known = array.name.compare(0, prefix.size(), prefix) != 0;
    for (std::int64_t i = 0; !known && i < layout.count(); ++i)
      known = array.name == prefix + layout.spec(i).name;
    CUTTLE_VALIDATE(known, "{}: the model has no parameter '{}' (a checkpoint of another model?)",
                    source, array.name);
  }
  return flat;
}

void copy_parameters(const ParameterLayout& layout, const std::vector<NamedArray>& arrays,
                     const std::string& source, const std::string& prefix,
                     const torch::Tensor& flat) {
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (const auto& name = layout.spec(i).name; name.compare(0, prefix.size(), prefix) == 0)
      copy_parameter(layout, i, arrays, source, name, flat);
}

CheckpointContent to_checkpoint(const TrainState& state, const RunProgress& progress) {
  const auto& layout = state.parameters.layout();
  CheckpointContent content;
  content.step = state.step;
  content.files["parameters"] = parameter_arrays(layout, state.parameters.flat());
  auto& kept = content.files["optimizer"];
  for (const auto& slot : state.slots)
    for (auto& array : parameter_arrays(layout, slot.values, slot.name + "."))
      kept.push_back(std::move(array));
  content.state_json = json{{"step", state.step},
                            {"updates", state.updates},
                            {"tasks", state.tasks},
                            {"skipped_tasks", state.skipped_tasks},
                            {"best_score", progress.best_score},
                            {"best_step", progress.best_step},
                            {"validations_since_best", progress.validations_since_best},
                            {"stopped_early", progress.stopped_early},
                            {"parameters_sha256", state.parameters.sha256()},
                            {"world_sizes", progress.world_sizes}}
                           .dump(2);
  return content;
}

RunProgress progress_from_json(const std::string& state_json) {
  try {
    const json state = json::parse(state_json);
    RunProgress progress;
    progress.best_score = state.at("best_score").get<double>();
    progress.best_step = state.at("best_step").get<std::int64_t>();
    progress.validations_since_best = state.at("validations_since_best").get<std::int64_t>();
    progress.stopped_early = state.at("stopped_early").get<bool>();
    progress.world_sizes = state.at("world_sizes").get<std::vector<int>>();
    return progress;
  } catch (const json::exception& cause) {
    throw UserError(std::string("state.json of the checkpoint cannot be used: ") + cause.what());
  }
}

void from_checkpoint(const CheckpointContent& content, const std::string& source, TrainState& state,
                     RunProgress& progress) {
  progress = progress_from_json(content.state_json);
  const auto layout = state.parameters.shared_layout();
  const auto arrays = [&](const std::string& file) -> const std::vector<NamedArray>& {
    const auto found = content.files.find(file);
    CUTTLE_VALIDATE(found != content.files.end(), "{}: there is no {}.safetensors", source, file);
    return found->second;
  };
  state.parameters = ParameterList(layout, flat_from_arrays(*layout, arrays("parameters"), source));
  // Others are passed by: sgd once wrote a second moment.
  for (auto& slot : state.slots)
    slot.values = flat_from_arrays(*layout, arrays("optimizer"), source, slot.name + ".");
  const json counters = json::parse(content.state_json);
  state.step = content.step;
  state.updates = counters.value("updates", std::int64_t{0});
  state.tasks = counters.value("tasks", std::int64_t{0});
  state.skipped_tasks = counters.value("skipped_tasks", std::int64_t{0});
}

LatestCheckpoint find_checkpoint(const std::string& folder, bool best) {
  CUTTLE_VALIDATE(std::filesystem::exists(folder), "{}: there is no such folder; give a run folder",
                  folder);
  CUTTLE_VALIDATE(std::filesystem::is_directory(folder),
                  "{}: is a file (a run is a folder); give a run folder", folder);
  if (std::filesystem::exists(folder + "/manifest.json"))
    return {load_checkpoint(folder), folder, {}};
  CUTTLE_VALIDATE(!std::filesystem::exists(folder + kFoldsFile),
                  "{0}: holds a run for each of several folds; name one, such as {0}/fold-1",
                  folder);
  LatestCheckpoint latest = load_latest(folder);
  if (!latest.content)
    throw UserError(
        fmt::format("{}: there is no checkpoint that can be used{}; train it first, or "
                    "name the folder of another run",
                    folder, latest.refused.empty() ? "" : " (" + latest.refused.front() + ")"));
  const RunProgress progress = progress_from_json(latest.content->state_json);
  if (!best || progress.best_step < 0 || progress.best_step == latest.content->step) return latest;
  const std::string wanted = folder_of_step(folder, progress.best_step);
  if (wanted.empty()) return latest;
  try {
    return {load_checkpoint(wanted), wanted, latest.refused};
  } catch (const UserError& damage) {
    latest.refused.push_back(std::string(damage.what()) + "; the newest is used, not the best");
    return latest;
  }
}

}  // namespace cuttle
