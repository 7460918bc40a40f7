#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "app/commands.hpp"
#include "app/loaded_run.hpp"
#include "cuttle/checkpoint/safetensors.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/task/episode.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

constexpr const char* kFormat = "cuttle-adapted-1";

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

/// Every sample of a shard as one batch. Labels: positions in `classes` (the classes that occur),
/// if all are labelled.
struct WholeShard {
  RawBatch raw;
  std::vector<std::string> classes;
};

WholeShard read_all(const Dataset& data) {
  WholeShard whole;
  std::vector<std::int64_t> indices(data.samples().size());
  std::iota(indices.begin(), indices.end(), 0);
  whole.raw = read_batch(data, indices);
  std::map<std::int32_t, std::int64_t> place;  // ascending class id: the order of the names
  bool labelled = true;
  for (const auto& sample : data.samples()) {
    labelled = labelled && sample.class_id >= 0;
    place.emplace(sample.class_id, 0);
  }
  if (!labelled) return whole;
  for (auto& [id, position] : place) {
    position = static_cast<std::int64_t>(whole.classes.size());
    whole.classes.push_back(data.class_names()[static_cast<std::size_t>(id)]);
  }
  for (const auto& sample : data.samples()) whole.raw.labels.push_back(place[sample.class_id]);
  return whole;
}

/// The targets of every sample; UserError if the shard's are none or not as wide as the model's.
std::vector<float> read_targets(const Dataset& data, std::int64_t width, const std::string& path) {
  CUTTLE_VALIDATE(
      data.target_width() == width,
      "{}: its samples have {} target values where the model predicts {} (adapting needs "
      "samples with known values); make the shard as the training data were made",
      path, data.target_width(), width);
  std::vector<float> targets;
  for (std::size_t i = 0; i < data.samples().size(); ++i) {
    const auto target = data.target(static_cast<std::int64_t>(i));
    targets.insert(targets.end(), target.begin(), target.end());
  }
  return targets;
}

/// Refuses a support set that the run's model cannot learn classes from.
void check_classes(const LoadedRun& run, const WholeShard& support, const std::string& path,
                   const Extensions& extensions) {
  const auto way = static_cast<std::int64_t>(support.classes.size());
  CUTTLE_VALIDATE(
      way >= 2, "{}: {} (adapting needs labelled samples of two classes or more)", path,
      way == 0 ? "not all of its samples are labelled" : "all of its samples are of one class");
  const std::int64_t most = most_classes(run.config, extensions);
  CUTTLE_VALIDATE(
      most == 0 || way <= most,
      "{}: it has {} classes, but the model was trained for {} at most (those beyond would be "
      "answered by parameters that never moved); give fewer classes, or train with a larger "
      "episode.way (or a learner that compares samples, such as protonet)",
      path, way, most);
}

/// One line a sample: its values, or its class and how sure that is.
void print_prediction(const std::string& sample, const torch::Tensor& output,
                      const std::vector<std::string>& classes, bool as_json) {
  if (classes.empty()) {
    const std::vector<float> values(output.data_ptr<float>(),
                                    output.data_ptr<float>() + output.numel());
    std::cout << (as_json ? nlohmann::json{{"sample", sample}, {"values", values}}.dump()
                          : fmt::format("{}\t{:.6g}", sample, fmt::join(values, "\t")))
              << "\n";
    return;
  }
  const auto probability = torch::softmax(output, 0);
  const auto best = probability.argmax().item<std::int64_t>();
  const double sure = probability[best].item<double>();
  const std::string& name = classes[static_cast<std::size_t>(best)];
  if (as_json)
    std::cout << nlohmann::json{{"sample", sample}, {"class", name}, {"probability", sure}}.dump()
              << "\n";
  else
    std::cout << fmt::format("{}\t{}\t{:.4f}\n", sample, name, sure);
}

DataOptions one_shard(const std::string& path) {
  DataOptions options;
  options.shards = {path};
  return options;
}

const std::string& metadata_entry(const ArrayFile& file, const std::string& path,
                                  const std::string& name) {
  const auto found = file.metadata.find(name);
  CUTTLE_VALIDATE(found != file.metadata.end(),
                  "{}: not an adapted model (no '{}'); make it with cuttle adapt", path, name);
  return found->second;
}

}  // namespace

ExitCode adapt_command(const AdaptArguments& arguments, const Extensions& extensions) {
  // A few samples, and a file for machines that may have no GPU.
  auto overrides = arguments.overrides;
  overrides.push_back("device=cpu");
  overrides.push_back("evaluation.way=0");  // plays no part: the shard says how many classes
  const LoadedRun run = load_run(arguments.run, true, overrides, extensions, 0);
  CUTTLE_VALIDATE(run.parts.kind->classes() || run.parts.kind->values(),
                  "{}: its tasks are environments (adapting to a shard needs tasks of labelled "
                  "samples, or of samples with values); use cuttle eval",
                  arguments.run);
  const auto data = open_for(run.inputs.modalities, one_shard(arguments.support));
  WholeShard support = read_all(*data);
  const bool values = !run.parts.kind->classes();
  if (values) {
    support.raw.targets = read_targets(*data, run.inputs.target_width, arguments.support);
    support.classes.clear();
  } else {
    check_classes(run, support, arguments.support, extensions);
  }
  const auto way = static_cast<std::int64_t>(support.classes.size());
  const auto& [kind, model, learner] = run.parts;
  const auto adapted = learner->adapt(run.parameters, model->prepare(support.raw, way),
                                      {run.config.seed, Stream::kModel, 0, 0});
  std::vector<NamedArray> arrays;
  for (const auto& [name, tensor] : adapted->state()) arrays.push_back(to_array(name, tensor));
  write_file_atomically(
      arguments.out,
      encode_safetensors(arrays, {{"format", kFormat},
                                  {"config", dump_config(run.config, catalog_of(extensions))},
                                  {"modalities", modalities_to_json(run.inputs.modalities)},
                                  {"target_width", std::to_string(run.inputs.target_width)},
                                  {"training_classes", std::to_string(run.inputs.classes)},
                                  {"classes", nlohmann::json(support.classes).dump()}}));
  log_info("adapted to {} from {} samples: {}", values ? "values" : fmt::format("{} classes", way),
           support.raw.size, arguments.out);
  return ExitCode::kDone;
}

ExitCode predict_command(const PredictArguments& arguments, const Extensions& extensions) {
  CUTTLE_VALIDATE(!std::filesystem::is_directory(arguments.file),
                  "{}: is a folder (a run has learned no task yet); make a file of it and a few "
                  "examples with cuttle adapt",
                  arguments.file);
  const ArrayFile file = read_safetensors(arguments.file);
  CUTTLE_VALIDATE(metadata_entry(file, arguments.file, "format") == kFormat,
                  "{}: written by another version of cuttle; make it again with cuttle adapt",
                  arguments.file);
  RunConfig config = parse_saved(metadata_entry(file, arguments.file, "config"), arguments.file, {},
                                 catalog_of(extensions));
  // Older versions made room for what evaluation asked for, and the file has it.
  config.episode.way = std::max(config.episode.way, std::exchange(config.evaluation.way, 0));
  const TaskInputs inputs = inputs_from(file.metadata, arguments.file);
  prepare_process(config, 0);
  const auto [kind, model, learner] = assemble(config, inputs, extensions);
  const nlohmann::json names =
      nlohmann::json::parse(metadata_entry(file, arguments.file, "classes"), nullptr, false);
  CUTTLE_VALIDATE(names.is_array() && (kind->classes() ? names.size() >= 2 : names.empty()),
                  "{}: its list of classes cannot be read", arguments.file);
  CUTTLE_VALIDATE(!kind->values() || inputs.target_width > 0,
                  "{}: it does not say how many values it predicts (damaged?)", arguments.file);
  const auto classes = names.get<std::vector<std::string>>();
  const std::int64_t way =
      kind->outputs(static_cast<std::int64_t>(classes.size()), inputs.target_width);
  std::map<std::string, torch::Tensor> state;
  for (const auto& array : file.arrays) state[array.name] = to_tensor(array);
  const auto adapted = learner->restore(state, way);

  const auto data = open_for(inputs.modalities, one_shard(arguments.shard));
  RawBatch raw = read_all(*data).raw;
  raw.labels.clear();
  const auto outputs = adapted->predict(model->prepare(raw, way)).contiguous();
  for (std::int64_t i = 0; i < raw.size; ++i)
    print_prediction(data->sample_name(i), outputs[i], classes, arguments.json);
  return ExitCode::kDone;
}

}  // namespace cuttle
