#include "app/adapted_file.hpp"

#include <torch/types.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/loaded_run.hpp"
#include "cuttle/checkpoint/safetensors.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

constexpr const char* kFormat = "cuttle-adapted-1";
constexpr const char* kDigest = "sha256";

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

}  // namespace

void write_adapted(const std::string& path, const AdaptedTo& to, const Adapted& adapted,
                   const Extensions& extensions) {
  ArrayFile file;
  for (const auto& [name, tensor] : adapted.state()) file.arrays.push_back(to_array(name, tensor));
  file.metadata = {{"format", kFormat},
                   {"config", dump_config(to.config, catalog_of(extensions))},
                   {"modalities", modalities_to_json(to.inputs.modalities)},
                   {"target_width", std::to_string(to.inputs.target_width)},
                   {"training_classes", std::to_string(to.inputs.classes)},
                   {"classes", nlohmann::json(to.classes).dump()}};
  file.metadata[kDigest] = digest_of(file);
  write_file_atomically(path, encode_safetensors(file.arrays, file.metadata));
}

AdaptedModel read_adapted(const std::string& path, const Extensions& extensions) {
  CUTTLE_VALIDATE(!std::filesystem::is_directory(path),
                  "{}: is a folder (a run has learned no task yet); make a file of it and a few "
                  "examples with cuttle adapt",
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
  prepare_process(config, 0);
  model.parts = assemble(config, inputs, extensions);
  const TaskKind& kind = *model.parts.kind;
  const nlohmann::json names =
      nlohmann::json::parse(metadata_entry(file, path, "classes"), nullptr, false);
  CUTTLE_VALIDATE(names.is_array() && (kind.classes() ? names.size() >= 2 : names.empty()),
                  "{}: its list of classes cannot be read", path);
  CUTTLE_VALIDATE(!kind.values() || inputs.target_width > 0,
                  "{}: it does not say how many values it predicts (damaged?)", path);
  model.to.classes = names.get<std::vector<std::string>>();
  model.outputs =
      kind.outputs(static_cast<std::int64_t>(model.to.classes.size()), inputs.target_width);
  std::map<std::string, torch::Tensor> state;
  for (const auto& array : file.arrays) state[array.name] = to_tensor(array);
  model.adapted = model.parts.learner->restore(state, model.outputs);
  return model;
}

DataOptions one_shard(const std::string& path) {
  DataOptions options;
  options.shards = {path};
  return options;
}

void expect_one_process(const char* command) {
  const char* size = std::getenv("OMPI_COMM_WORLD_SIZE");
  CUTTLE_VALIDATE(size == nullptr || std::string(size) == "1",
                  "{} is the work of one process, and {} were started (each would do all of it); "
                  "start build/release/cuttle {} without mpirun",
                  command, size, command);
}

void warn_if_transductive(const Assembly& parts, const RunConfig& config) {
  if (parts.learner->samples_apart()) return;
  const bool norms = !parts.model->samples_apart();
  log_warning(
      "this model is transductive: {}, so an answer depends on the other samples of its batch, and "
      "a sample alone, or a class at a time, may be recognised worse than eval says (cuttle "
      "eval --queries one and --queries class measure it); {}",
      norms ? "a norm goes by the batch at hand"
            : fmt::format("{} looks at all samples of a batch (adapt.refine)", config.adapt.type),
      norms ? "for answers of their own, train with norm: running or support"
            : "for answers of their own, adapt with adapt.refine=0");
}

}  // namespace cuttle
