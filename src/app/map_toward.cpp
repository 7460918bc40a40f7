#include "app/map_toward.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>

#include "app/given_samples.hpp"
#include "app/loaded_run.hpp"
#include "app/print_told.hpp"
#include "cuttle/core/csv.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/train/nearness.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kDraws = 10;  ///< of samples of each training class
constexpr std::size_t kTold = 5;     ///< classes

/// Points of a split's classes, `draws` of each, of `shot` samples.
std::vector<TaskPoint> points_of(const LoadedRun& run, const Dataset& data, Split split,
                                 std::int64_t shot, std::int64_t draws) {
  EvaluationPlan plan;
  plan.seed = run.config.seed;
  plan.split = split;
  plan.episodes = draws * static_cast<std::int64_t>(data.classes_of(split).size());
  const auto& [kind, model, learner] = run.parts;
  const auto source = class_by_class(data, split, *model, shot, draws, kind->values());
  Counter counter(console_of(0), plan.episodes, "draws of classes");
  const auto alone = make_solo_communicator();
  return map_tasks(*alone, TaskView::kStatistics, *source, *model, run.parameters, plan,
                   counter.share_of(1))
      .points;
}

/// The samples of the largest class; UserError if not all have one.
std::int64_t largest_class(const Dataset& data, const std::string& name) {
  std::size_t largest = 0, labelled = 0;
  for (const std::int32_t id : data.classes_of(Split::kAll)) {
    largest = std::max(largest, data.samples_of(id).size());
    labelled += data.samples_of(id).size();
  }
  CUTTLE_VALIDATE(largest > 0 && labelled == data.samples().size(),
                  "{}: not all of its samples are labelled (training classes are compared with "
                  "the task's); give a folder for each class, or CLASS=FILE",
                  name);
  return static_cast<std::int64_t>(largest);
}

/// In how many classes the draws would be, were they spread evenly: the exponential of the entropy.
double effective_classes(const std::vector<double>& weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  double entropy = 0;
  for (const double weight : weights) entropy -= weight / sum * std::log(weight / sum);
  return std::exp(entropy);
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
  const auto& classes = training->classes_of(Split::kTrain);
  CUTTLE_VALIDATE(classes.size() >= 2,
                  "{}: its data have {} training classes (there is nothing "
                  "to choose from); give data of more (data.shards)",
                  arguments.run, classes.size());
  std::int64_t shot = 0;
  std::vector<TaskPoint> task;
  {
    const GivenSamples given(arguments.toward, arguments.run);
    const auto samples = open_for(run.inputs.modalities, shards_only(given.shards()), given.name());
    shot = largest_class(*samples, given.name());
    task = points_of(run, *samples, Split::kAll, shot, 1);
  }
  const KnownTasks known(TaskView::kStatistics,
                         points_of(run, *training, Split::kTrain, shot, kDraws), {});
  const Nearness near =
      nearness_to_task(known, kDraws, task, arguments.temperature, arguments.floor);
  std::vector<std::size_t> order(classes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return near.weights[a] > near.weights[b]; });
  std::string text = "class,weight,distance\n";
  nlohmann::ordered_json told{{"classes", classes.size()},
                              {"effective_classes", effective_classes(near.weights)},
                              {"temperature", arguments.temperature},
                              {"floor", arguments.floor}};
  for (const std::size_t i : order) {
    const auto& name = training->class_names()[static_cast<std::size_t>(classes[i])];
    text += fmt::format("{},{:.6g},{:.4g}\n", csv_field(name), near.weights[i], near.distances[i]);
    if (told["nearest"].size() < kTold)
      told["nearest"].push_back(
          {{"class", name}, {"weight", near.weights[i]}, {"distance", near.distances[i]}});
  }
  write_file_atomically(arguments.out, text);
  told["file"] = arguments.out;
  if (arguments.json)
    std::cout << told.dump(2) << std::endl;
  else
    print_told(told);
  log_info(
      "train by these weights with episode.sampling_weights={} (train.init_from={}: from this "
      "run's "
      "parameters)",
      arguments.out, arguments.run);
  return ExitCode::kDone;
}

}  // namespace cuttle
