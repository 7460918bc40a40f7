#include <malloc.h>
#include <torch/types.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/measure.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/safetensors.hpp"
#include "cuttle/core/timer.hpp"
#include "cuttle/train/environment.hpp"
#include "cuttle/train/run_state.hpp"

namespace cuttle {
namespace {

torch::Tensor to_tensor(const NamedArray& array, const std::string& path) {
  if (array.dtype == "I64")
    return torch::tensor(unpack_array<std::int64_t>(array)).view(array.shape);
  CUTTLE_VALIDATE(array.dtype == "F32", "{}: {} is {}; give float32 inputs and int64 labels", path,
                  array.name, array.dtype);
  return torch::tensor(unpack_array<float>(array)).view(array.shape);
}

/// The modality that prepared inputs of this shape (tasks and samples first) belong to.
ModalitySpec spec_of(const std::string& name, const torch::Tensor& values,
                     const std::string& path) {
  ModalitySpec spec;
  spec.name = name;
  const auto sizes = values.sizes();
  CUTTLE_VALIDATE(sizes.size() == 5 || sizes.size() == 3,
                  "{}: support.{} has {} dimensions; images are [T, n, C, H, W], vectors [T, n, F]",
                  path, name, sizes.size());
  spec.kind = sizes.size() == 5 ? ModalityKind::kImage : ModalityKind::kVector;
  if (sizes.size() == 5)
    spec.shape = {sizes[3], sizes[4], sizes[2]};
  else
    spec.shape = {sizes[2]};
  return spec;
}

/// The given tasks, all of the same size. Without support sets they are minibatches of all classes.
struct GivenTasks {
  std::vector<ModalitySpec> modalities;
  std::vector<Task> tasks;
  std::int64_t target_width = 0;  ///< 0: labels
  std::int64_t classes = 0;       ///< of minibatches; 0: they are episodes
};

using Arrays = std::map<std::string, torch::Tensor>;

/// `answers`: labels or targets.
Batch batch_of(const Arrays& arrays, const std::string& set, const std::string& answers,
               const std::vector<ModalitySpec>& modalities, std::int64_t task, std::int64_t way) {
  Batch batch;
  const auto& given = arrays.at(set + "." + answers);
  (answers == "labels" ? batch.labels : batch.targets) = given[task].contiguous();
  batch.size = given.size(1);
  batch.way = way;
  batch.even = answers == "labels" && is_even(batch.labels, way);
  for (const auto& spec : modalities) {
    ModalityInput input;
    input.values = arrays.at(set + "." + spec.name)[task].contiguous();
    if (spec.kind == ModalityKind::kImage)
      input.values = input.values.contiguous(torch::MemoryFormat::ChannelsLast);
    input.rows = torch::arange(batch.size, torch::kInt64);
    batch.modalities.push_back(std::move(input));
  }
  return batch;
}

/// Labels are classes, every query class is in the support; targets are as wide in both sets.
/// Returns the classes, or the width.
std::int64_t check_answers(const Arrays& arrays, const std::vector<std::string>& sets,
                           const std::string& answers, const std::string& path) {
  const auto& support = arrays.at(sets[0] + "." + answers);
  for (const auto& set : sets) {
    const auto& given = arrays.at(set + "." + answers);
    if (answers == "targets") {
      CUTTLE_VALIDATE(given.is_floating_point() && given.dim() == 3 && given.numel() > 0 &&
                          given.size(2) == support.size(-1),
                      "{}: {}.targets must be float32 [T, n, values], as many values in both sets",
                      path, set);
      continue;
    }
    CUTTLE_VALIDATE(given.scalar_type() == torch::kInt64 && given.dim() == 2 && given.numel() > 0,
                    "{}: {}.labels must be int64 [T, n], with a task and a sample at least", path,
                    set);
    CUTTLE_VALIDATE(given.min().item<std::int64_t>() >= 0 &&
                        given.max().item<std::int64_t>() <= support.max().item<std::int64_t>(),
                    "{}: {}.labels must be 0 .. way-1, way being the classes of the support", path,
                    set);
  }
  return answers == "targets" ? support.size(2) : support.max().item<std::int64_t>() + 1;
}

/// Every array has the same tasks; those of a set the same samples.
void check_sizes(const Arrays& arrays, const std::vector<std::string>& sets,
                 const std::string& answers, const std::string& path) {
  const auto tasks = arrays.at(sets[0] + "." + answers).size(0);
  for (const auto& set : sets)
    for (const auto& [name, values] : arrays)
      CUTTLE_VALIDATE(name.rfind(set + ".", 0) != 0 ||
                          (values.dim() >= 2 && values.size(0) == tasks &&
                           values.size(1) == arrays.at(set + "." + answers).size(1)),
                      "{}: {} has other tasks or samples than {}.{}", path, name, set, answers);
}

GivenTasks read_tasks(const std::string& path) {
  Arrays arrays;
  for (const auto& array : read_safetensors(path).arrays)
    arrays[array.name] = to_tensor(array, path);
  GivenTasks given;
  std::vector<std::string> sets{"support", "query"};
  if (std::none_of(arrays.begin(), arrays.end(),
                   [](const auto& entry) { return entry.first.rfind("support.", 0) == 0; }))
    sets = {"query"};
  const std::string answers = arrays.count(sets[0] + ".targets") ? "targets" : "labels";
  for (const auto& set : sets)
    CUTTLE_VALIDATE(
        arrays.count(set + "." + answers),
        "{}: there is no {}.{} (int64 labels [T, n], or float32 targets [T, n, values], "
        "say what is to be learned)",
        path, set, answers);
  const std::int64_t way = check_answers(arrays, sets, answers, path);
  check_sizes(arrays, sets, answers, path);
  if (answers == "targets") given.target_width = way;
  if (sets.size() == 1 && answers == "labels") given.classes = way;
  for (const auto& [name, tensor] : arrays)
    if (name.rfind(sets[0] + ".", 0) == 0 && name != sets[0] + "." + answers) {
      const std::string sense = name.substr(sets[0].size() + 1);
      given.modalities.push_back(spec_of(sense, tensor, path));
      CUTTLE_VALIDATE(arrays.count("query." + sense), "{}: there is {} but no query.{}", path, name,
                      sense);
    }
  for (std::int64_t t = 0; t < arrays[sets[0] + "." + answers].size(0); ++t) {
    Task task;
    task.query = batch_of(arrays, "query", answers, given.modalities, t, way);
    task.support = sets.size() == 1
                       ? select_rows(task.query, {})
                       : batch_of(arrays, "support", answers, given.modalities, t, way);
    given.tasks.push_back(std::move(task));
  }
  return given;
}

/// Those of a file, or the config's initial ones, which are written.
ParameterList parameters_of(const BenchArguments& arguments,
                            const std::shared_ptr<const ParameterLayout>& layout,
                            std::uint64_t seed) {
  if (!arguments.parameters.empty())
    return {layout, flat_from_arrays(*layout, read_safetensors(arguments.parameters).arrays,
                                     arguments.parameters)};
  auto initial = ParameterList::initial(layout, seed);
  write_file_atomically(arguments.initial,
                        encode_safetensors(parameter_arrays(*layout, initial.flat())));
  return initial;
}

struct MeanGradient {
  torch::Tensor values;
  double query_loss = 0;
};

/// Summed in the gradients' own precision, as the programs that this is timed beside do.
MeanGradient mean_gradient(const Learner& learner, const ParameterList& parameters,
                           const std::vector<Task>& tasks) {
  MeanGradient mean{torch::zeros({parameters.layout().flat_size()}, torch::kFloat32)};
  const auto count = static_cast<double>(tasks.size());
  for (const Task& task : tasks) {
    const TaskResult result = learner.meta_gradient(parameters, task);
    mean.values += result.gradient.to(torch::kCPU);
    mean.query_loss += result.values[0] / count;
  }
  mean.values /= count;
  return mean;
}

/// Whether the config's target asks for values, as some of several kinds do.
bool is_of_values(const RunConfig& config, const Extensions& extensions) {
  const Section& target = config.episode.target;
  return extensions.targets.at(target.type).make({target})->values();
}

}  // namespace

ExitCode bench_given_tasks(const BenchArguments& arguments, const Extensions& extensions) {
  RunConfig config =
      arguments.config.empty()
          ? parse_config("{}", "defaults", arguments.overrides, catalog_of(extensions))
          : load_config(arguments.config, arguments.overrides, catalog_of(extensions));
  CUTTLE_VALIDATE(arguments.parameters.empty() != arguments.initial.empty(),
                  "bench --tasks needs --parameters, or --initial to begin with the config's own");
  for (const auto& [sense, encoder] : config.model.encoders)
    CUTTLE_VALIDATE(encoder.fitted.empty(),
                    "model.encoders.{}.fitted: --tasks gives samples as the model sees them (no "
                    "step would be done to them); leave it out",
                    sense);
  prepare_process(config, 0);
  GivenTasks given = read_tasks(arguments.tasks);
  config.episode.way = given.tasks.at(0).query.way;
  config.evaluation.way = 0;
  if (const bool values = given.target_width > 0; is_of_values(config, extensions) != values)
    config.episode.target = values ? "value" : "class";
  const auto [kind, model, learner] =
      assemble(config, {given.modalities, given.target_width, given.classes}, extensions);
  const auto layout = model->layout();
  const torch::Device device = model->device();
  const auto parameters = parameters_of(arguments, layout, config.seed).on(device);
  for (Task& task : given.tasks) task = task.on(device);
  malloc_trim(0);  // what reading took is not what gradients take
  const double idle = memory_mb("VmRSS:");
  forget_peak_memory();
  const std::int64_t warmup = arguments.warmup.value_or(0), steps = arguments.steps.value_or(1);
  std::vector<double> seconds, computed;
  MeanGradient mean;
  for (std::int64_t i = 0; i < warmup + steps; ++i) {
    const Timer timer;
    const double before = cpu_seconds();
    mean = mean_gradient(*learner, parameters, given.tasks);
    if (i < warmup) continue;
    seconds.push_back(timer.seconds());
    computed.push_back(cpu_seconds() - before);
  }
  const double peak = memory_mb("VmHWM:");
  const auto count = static_cast<double>(given.tasks.size());
  const double ms_per_task = 1e3 * median(seconds) / count;
  write_file_atomically(arguments.gradient,
                        encode_safetensors(parameter_arrays(*layout, mean.values)));
  log_info("mean meta-gradient of {} tasks (query loss {:.6f}): {}", given.tasks.size(),
           mean.query_loss, arguments.gradient);
  const nlohmann::ordered_json json{{"tasks", given.tasks.size()},
                                    {"ms_per_task", ms_per_task},
                                    {"cpu_ms_per_task", 1e3 * median(computed) / count},
                                    {"steps", steps},
                                    {"peak_rss_mb", peak},
                                    {"idle_rss_mb", idle}};
  std::cout << (arguments.json
                    ? json.dump(2) + "\n"
                    : fmt::format("{:.2f} ms per task, peak {:.0f} MB ({:.0f} MB idle)\n",
                                  ms_per_task, peak, idle));
  return ExitCode::kDone;
}

}  // namespace cuttle
