#include "app/map_toward.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "app/given_samples.hpp"
#include "app/loaded_run.hpp"
#include "app/print_told.hpp"
#include "cuttle/core/csv.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/train/known_tasks.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kDraws = 10;  ///< of samples of each training class
constexpr std::size_t kTold = 5;     ///< classes

/// A point for each of `draws` draws of `shot` samples from each set.
std::vector<TaskPoint> points_of(const LoadedRun& run, const Dataset& data, SampleSets sets,
                                 std::int64_t shot, std::int64_t draws) {
  EvaluationPlan plan;
  plan.seed = run.config.seed;
  plan.split = Split::kTrain;
  plan.episodes = draws * static_cast<std::int64_t>(sets.size());
  const auto& [kind, model, learner] = run.parts;
  const auto source = set_by_set(data, std::move(sets), *model, shot, draws, kind->values());
  Counter counter(console_of(0), plan.episodes, "draws of samples");
  const auto alone = make_solo_communicator();
  return map_tasks(*alone, TaskView::kStatistics, *source, *model, run.parameters, plan,
                   counter.share_of(1))
      .points;
}

/// The task's classes; of values, which are of one, all samples.
SampleSets sets_of_task(const LoadedRun& run, const Dataset& data, const std::string& name) {
  const auto count = static_cast<std::int64_t>(data.samples().size());
  if (run.parts.kind->values()) {
    CUTTLE_VALIDATE(data.target_width() == run.inputs.target_width,
                    "{}: its samples have {} target values where the model predicts {} (training "
                    "tasks are compared by them, too); give samples with known values",
                    name, data.target_width(), run.inputs.target_width);
    std::vector<std::int64_t> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    return {all};
  }
  auto sets = sets_of_classes(data, Split::kAll);
  std::int64_t labelled = 0;
  for (const auto& set : sets) labelled += static_cast<std::int64_t>(set.size());
  CUTTLE_VALIDATE(labelled == count && count > 0,
                  "{}: not all of its samples are labelled (training classes are compared with "
                  "the task's); give a folder for each class, or CLASS=FILE",
                  name);
  return sets;
}

/// In how many classes the draws would be, were they spread evenly: the exponential of the entropy.
double effective_classes(const std::vector<double>& weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  double entropy = 0;
  for (const double weight : weights) entropy -= weight / sum * std::log(weight / sum);
  return std::exp(entropy);
}

/// A line for each training class, the nearest first; the nearest are told.
nlohmann::ordered_json write_weights(const MapArguments& arguments, const Dataset& training,
                                     const Nearness& near) {
  const auto& classes = training.classes_of(Split::kTrain);
  std::vector<std::size_t> order(classes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return near.weights[a] > near.weights[b]; });
  nlohmann::ordered_json told{{"classes", classes.size()},
                              {"effective_classes", effective_classes(near.weights)},
                              {"temperature", arguments.temperature},
                              {"floor", arguments.floor}};
  std::string text = "class,weight,distance\n";
  for (const std::size_t i : order) {
    const auto& name = training.class_names()[static_cast<std::size_t>(classes[i])];
    text += fmt::format("{},{:.6g},{:.4g}\n", csv_field(name), near.weights[i], near.distances[i]);
    if (told["nearest"].size() < kTold)
      told["nearest"].push_back(
          {{"class", name}, {"weight", near.weights[i]}, {"distance", near.distances[i]}});
  }
  write_file_atomically(arguments.out, text);
  return told;
}

}  // namespace

ExitCode map_toward(const MapArguments& arguments, const Extensions& extensions) {
  expect_one_process("map --toward");
  check_output(arguments.out, arguments.toward);
  CUTTLE_VALIDATE(task_view_from(arguments.by) == TaskView::kStatistics,
                  "--by fisher makes points of tasks of several classes (with --toward there is a "
                  "point for each class); use statistics");
  const LoadedRun run = load_run(arguments.run, true, arguments.overrides, extensions, 0);
  const auto data = RunData::open(run.config, extensions, &run.inputs);
  const Dataset* training = data->alone(Split::kTrain);
  CUTTLE_VALIDATE(training != nullptr,
                  "{}: its tasks do not come from the classes of one data set (there is nothing to "
                  "weigh); of several sources give all but one the weight 0 "
                  "(sources.NAME.weight=0)",
                  arguments.run);
  const auto classes = training->classes_of(Split::kTrain).size();
  CUTTLE_VALIDATE(classes >= 2,
                  "{}: its data have {} training classes (there is nothing to choose from); give "
                  "data of more (data.shards)",
                  arguments.run, classes);
  std::int64_t shot = 0;
  std::vector<TaskPoint> task;
  {
    const GivenSamples given(arguments.toward, arguments.run);
    const auto samples =
        open_for(run.inputs.modalities, shards_only(given.shards()), extensions, given.name());
    auto sets = sets_of_task(run, *samples, given.name());
    for (const auto& set : sets) shot = std::max(shot, static_cast<std::int64_t>(set.size()));
    task = points_of(run, *samples, std::move(sets), shot, 1);
  }
  auto sets = sets_of_classes(*training, Split::kTrain);
  const KnownTasks known(TaskView::kStatistics,
                         points_of(run, *training, std::move(sets), shot, kDraws), {});
  const Nearness near =
      nearness_to_task(known, kDraws, task, arguments.temperature, arguments.floor);
  auto told = write_weights(arguments, *training, near);
  told["file"] = arguments.out;
  print_told(told, arguments.json);
  log_info(
      "train by these weights with episode.sampling_weights={} (and train.init_from={}, to go on "
      "from this run's parameters)",
      arguments.out, arguments.run);
  return ExitCode::kDone;
}

}  // namespace cuttle
