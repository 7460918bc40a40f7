#include "app/adapted_file.hpp"

#include <torch/types.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/loaded_run.hpp"
#include "app/shard_paths.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/safetensors.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

constexpr const char* kFormat = "cuttle-adapted-1";
constexpr const char* kDigest = "sha256";
constexpr const char* kCalibration = "calibration";
constexpr const char* kKnownTasks = "known_tasks";
constexpr const char* kDistances = "calibration.distances";

/// Of all that the file holds, but for this itself; in whatever order.
std::string digest_of(const ArrayFile& file) {
  std::map<std::string, std::string> digests;
  for (const auto& [name, text] : file.metadata) digests["metadata " + name] = sha256(text);
  for (const auto& array : file.arrays)
    digests["array " + array.name] = fmt::format(
        "{} {} {}", array.dtype, fmt::join(array.shape, ","),
        sha256({reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()}));
  return sha256(nlohmann::json(digests).dump());
}

NamedArray to_array(const std::string& name, const torch::Tensor& tensor) {
  const auto values = tensor.contiguous();
  const std::vector<std::int64_t> shape = values.sizes().vec();
  const auto count = static_cast<std::size_t>(values.numel());
  if (values.scalar_type() == torch::kInt64)
    return pack_array<std::int64_t>(name, shape, {values.data_ptr<std::int64_t>(), count});
  CUTTLE_EXPECT(values.scalar_type() == torch::kFloat32);
  return pack_array<float>(name, shape, {values.data_ptr<float>(), count});
}

torch::Tensor to_tensor(const NamedArray& array) {
  if (array.dtype == "I64")
    return torch::tensor(unpack_array<std::int64_t>(array)).view(array.shape);
  return torch::tensor(unpack_array<float>(array)).view(array.shape);
}

const std::string& metadata_entry(const ArrayFile& file, const std::string& path,
                                  const std::string& name) {
  const auto found = file.metadata.find(name);
  CUTTLE_VALIDATE(found != file.metadata.end(),
                  "{}: not an adapted model (no '{}'); make it with cuttle adapt", path, name);
  return found->second;
}

/// A text as a Section has it, YAML's quotes and all, as its encoder reads it.
std::string read_path(const char* key, const std::string& text) {
  std::string path;
  read_section(Section("", {{key, text}}),
               [&](Keys& keys) { keys.add(key, path, anything(), ""); });
  return path;
}

/// A file that an encoder names, or one inside another ("SENSE.SECTION"), and the text that does.
struct NamedFile {
  std::string key, sense, path;
  std::string* text;
};
std::vector<NamedFile> held_files_of(RunConfig& config) {
  std::vector<NamedFile> all;
  for (auto& [sense, encoder] : config.model.encoders)
    for (auto& [name, text] : encoder.network.values)
      for (const std::string key : kHeldFileKeys) {
        const std::string whole = sense + "." + name, end = "." + key;
        const std::size_t rest = whole.size() - std::min(whole.size(), end.size());
        if (whole.substr(rest) != end) continue;
        const std::string path = read_path(key.c_str(), text);
        if (!path.empty()) all.push_back({key, whole.substr(0, rest), path, &text});
      }
  return all;
}

/// Of all encoders.
void add_held_files(const AdaptedTo& to, ArrayFile& file) {
  RunConfig config = to.config;
  for (const auto& held : held_files_of(config))
    add_held_file(held.key, held.sense, held.path, file);
}

/// Has encoders take their files from the adapted one, where it has them.
void take_held_files(const std::string& path, const ArrayFile& file, RunConfig& config) {
  for (const auto& held : held_files_of(config))
    if (has_held_file(held.key, held.sense, file)) *held.text = path;
}

/// The calibration as entries of a file, and back.
void add_calibration(const Calibration& calibration, ArrayFile& file) {
  const auto count = static_cast<std::int64_t>(calibration.distances.size());
  file.arrays.push_back(pack_array<float>(kDistances, {count}, calibration.distances));
  nlohmann::json told{{"temperature", calibration.temperature},
                      {"way", calibration.way},
                      {"shot", calibration.shot},
                      {"episodes", calibration.episodes}};
  if (std::isfinite(calibration.separation)) told["separation"] = calibration.separation;
  file.metadata[kCalibration] = told.dump();
}

void read_calibration(const ArrayFile& file, const std::map<std::string, torch::Tensor>& state,
                      const std::string& path, AdaptedTo& to) {
  const auto told = file.metadata.find(kCalibration);
  if (told == file.metadata.end()) return;
  const auto distances = state.find(kDistances);
  Calibration calibration;
  try {
    const auto json = nlohmann::json::parse(told->second);
    calibration.temperature = json.at("temperature").get<double>();
    calibration.way = json.at("way").get<std::int64_t>();
    calibration.shot = json.at("shot").get<std::int64_t>();
    calibration.episodes = json.at("episodes").get<std::int64_t>();
    calibration.separation = json.value("separation", std::numeric_limits<double>::quiet_NaN());
  } catch (const nlohmann::json::exception& cause) {
    throw UserError(fmt::format("{}: its calibration cannot be read: {}", path, cause.what()));
  }
  CUTTLE_VALIDATE(calibration.temperature > 0 && distances != state.end(),
                  "{}: its calibration cannot be read (damaged?)", path);
  const auto values = distances->second.contiguous();
  calibration.distances.assign(values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
  if (!calibration.distances.empty()) to.novelty.emplace(state);
  to.calibration = std::move(calibration);
}

}  // namespace

void write_adapted(const std::string& path, const AdaptedTo& to, const Adapted& adapted,
                   const Extensions& extensions) {
  ArrayFile file;
  for (const auto& [name, tensor] : adapted.state()) file.arrays.push_back(to_array(name, tensor));
  file.metadata = {{"format", kFormat},
                   {"config", dump_config(to.config, catalog_of(extensions))},
                   {"classes", nlohmann::json(to.classes).dump()}};
  file.metadata.merge(entries_of(to.inputs));
  if (!to.held_files.empty()) file.metadata[kHeldFiles] = to.held_files;
  if (to.stands_alone) add_held_files(to, file);
  if (to.calibration) add_calibration(*to.calibration, file);
  if (!to.known_tasks.empty()) file.metadata[kKnownTasks] = to.known_tasks;
  if (to.novelty)
    for (const auto& [name, tensor] : to.novelty->state())
      file.arrays.push_back(to_array(name, tensor));
  file.metadata[kDigest] = digest_of(file);
  write_file_atomically(path, encode_safetensors(file.arrays, file.metadata));
}

bool may_be_adapted(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(sizeof(std::uint64_t));
  return file.get() == '{';
}

AdaptedModel read_adapted(const std::string& path, const Extensions& extensions, bool together) {
  CUTTLE_VALIDATE(!std::filesystem::is_directory(path),
                  "{}: is a folder (a run has learned no task yet); make a file of it and a few "
                  "examples with cuttle adapt",
                  path);
  CUTTLE_VALIDATE(!is_shard(path),
                  "{}: is a shard (samples, and no model that learned from some); give what cuttle "
                  "adapt wrote, then the shard",
                  path);
  CUTTLE_VALIDATE(!std::filesystem::is_regular_file(path) || may_be_adapted(path),
                  "{}: not an adapted model (a file of another kind, or cut off); give what cuttle "
                  "adapt wrote",
                  path);
  ArrayFile file = read_safetensors(path);
  CUTTLE_VALIDATE(metadata_entry(file, path, "format") == kFormat,
                  "{}: written by another version of cuttle; make it again with cuttle adapt",
                  path);
  if (const auto digest = file.metadata.extract(kDigest); !digest.empty())  // none: older versions
    CUTTLE_VALIDATE(digest.mapped() == digest_of(file),
                    "{}: damaged (its bytes are not those that were written); make it again with "
                    "cuttle adapt",
                    path);
  AdaptedModel model;
  RunConfig& config = model.to.config;
  TaskInputs& inputs = model.to.inputs;
  config = parse_saved(metadata_entry(file, path, "config"), path, {}, catalog_of(extensions));
  // Older versions made room for what evaluation asked for, and the file has it.
  config.episode.way = std::max(config.episode.way, std::exchange(config.evaluation.way, 0));
  inputs = inputs_from(file.metadata, path);
  take_held_files(path, file, config);
  config = for_use(std::move(config), together, extensions);
  prepare_process(config, 0);
  model.parts = assemble(config, inputs, extensions);
  model.to.held_files = model.parts.model->held_files();
  check_held_files(file.metadata, model.to.held_files, path);
  model.to.stands_alone =
      std::any_of(file.metadata.begin(), file.metadata.end(),
                  [](const auto& entry) { return is_of_held_file(entry.first); });
  const TaskKind& kind = *model.parts.kind;
  const nlohmann::json names =
      nlohmann::json::parse(metadata_entry(file, path, "classes"), nullptr, false);
  CUTTLE_VALIDATE(names.is_array() && (kind.classes() ? names.size() >= 2 : names.empty()),
                  "{}: its list of classes cannot be read", path);
  CUTTLE_VALIDATE(!kind.values() || inputs.target_width > 0,
                  "{}: it does not say how many values it predicts (damaged?)", path);
  model.to.classes = names.get<std::vector<std::string>>();
  model.way =
      kind.classes() ? static_cast<std::int64_t>(model.to.classes.size()) : inputs.target_width;
  std::map<std::string, torch::Tensor> state;
  for (const auto& array : file.arrays)
    if (!is_of_held_file(array.name)) state[array.name] = to_tensor(array);
  read_calibration(file, state, path, model.to);
  if (const auto told = file.metadata.find(kKnownTasks); told != file.metadata.end()) {
    CUTTLE_VALIDATE(nlohmann::json::accept(told->second),
                    "{}: what it says of known tasks cannot be read (damaged?)", path);
    model.to.known_tasks = told->second;
  }
  model.adapted = model.parts.learner->restore(state, model.way);
  return model;
}

DataOptions shards_only(const std::vector<std::string>& paths) {
  DataOptions options;
  options.shards = paths;
  return options;
}

RunConfig for_use(RunConfig config, bool together, const Extensions& extensions) {
  const auto learner = extensions.learners.find(config.adapt.type);
  if (learner == extensions.learners.end() || !has_key(learner->second, "refine")) return config;
  std::string& refine = config.adapt.values["refine"];
  if (refine.empty()) refine = "0";
  if (!together && refine != "0")
    log_info("answers are the samples' own (adapt.refine: {} is left out; predict --together)",
             std::exchange(refine, "0"));
  if (together && refine == "0") refine = "1";
  return config;
}

void warn_if_transductive(const Assembly& parts) {
  if (parts.learner->samples_apart()) return;
  if (parts.model->samples_apart()) {
    log_warning(
        "--together is transductive: all samples together refine the class means, as if each class "
        "had about as many of them (samples of one class alone are recognised worse, not better); "
        "probabilities and known are calibrated for answers given apart");
    return;
  }
  log_warning(
      "this model is transductive: a norm goes by the batch at hand, so an answer depends on the "
      "other samples of its batch, and a sample alone, or a class at a time, may be recognised "
      "worse than eval says (cuttle eval --queries one and --queries class measure it); for "
      "answers of their own, train with norm: running or support");
}

}  // namespace cuttle
