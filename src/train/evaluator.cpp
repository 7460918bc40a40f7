#include "cuttle/train/evaluator.hpp"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "cuttle/core/error.hpp"
#include "cuttle/episode/schedule.hpp"
#include "cuttle/step/task_stream.hpp"
#include "cuttle/train/workbench.hpp"
#include "train/query_outputs.hpp"

namespace cuttle {
namespace {

/// What one rank found in its episodes.
struct Findings {
  std::vector<std::vector<float>> rows;  ///< accuracy, loss, then four values per trace line
  ConfusionMatrix confusion;
  std::vector<std::int64_t> row_of;  ///< by class id: its row of the confusion matrix
  std::int64_t skipped = 0;          ///< episodes left out
};

Findings no_findings(const Dataset& data, Split split) {
  const auto& classes = data.classes_of(split);
  CUTTLE_VALIDATE(!classes.empty(),
                  "the data has no classes in split {} (there is nothing to evaluate on)",
                  to_string(split));
  Findings found{{}, ConfusionMatrix(static_cast<std::int64_t>(classes.size())), {}, 0};
  found.row_of.resize(data.class_names().size(), -1);
  for (std::size_t row = 0; row < classes.size(); ++row)
    found.row_of[static_cast<std::size_t>(classes[row])] = static_cast<std::int64_t>(row);
  return found;
}

Task task_of(const Dataset& data, const EpisodePlan& episode, const Model& model,
             const EvaluationPlan& plan, SampleCache* kept) {
  Task task = make_task(model, materialise(data, episode), kept);
  if (!plan.modalities.empty()) {
    task.support = keep_modalities(task.support, plan.modalities);
    task.query = keep_modalities(task.query, plan.modalities);
  }
  task.support = drop_modalities(task.support, plan.missing_rate, task.key.with(Stream::kModel, 3));
  task.query = drop_modalities(task.query, plan.missing_rate, task.key.with(Stream::kModel, 4));
  return task;
}

void count_classes(const EpisodePlan& episode, const torch::Tensor& predicted,
                   const torch::Tensor& labels, Findings& found) {
  const auto row_of = [&](const torch::Tensor& label) {
    const auto id = episode.classes[static_cast<std::size_t>(label.item<std::int64_t>())];
    return found.row_of[static_cast<std::size_t>(id)];
  };
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    found.confusion.add(row_of(labels[i]), row_of(predicted[i]));
}

bool is_finite(const std::vector<float>& row) {
  return std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); });
}

void evaluate_episode(const EpisodePlan& episode, const Task& task, const Learner& learner,
                      const ParameterList& parameters, const EvaluationPlan& plan,
                      Findings& found) {
  const auto outputs = query_outputs(learner, parameters, task);
  std::vector<float> row{static_cast<float>(accuracy_of(outputs, task.query)),
                         task_loss(outputs, task.query).item<float>()};
  if (plan.trace)
    for (const auto& line : learner.trace(parameters, task.on(learner.model().device())))
      for (const double value :
           {line.support_loss, line.support_accuracy, line.query_loss, line.query_accuracy})
        row.push_back(static_cast<float>(value));
  if (plan.skip_nonfinite && !is_finite(row)) {
    ++found.skipped;
    return;
  }
  if (!episode.values) count_classes(episode, outputs.argmax(1), task.query.labels, found);
  found.rows.push_back(std::move(row));
}

/// Column `column` of all ranks' rows, episode after episode.
std::vector<float> gather_column(Communicator& comm, const Findings& mine, std::size_t column) {
  std::string bytes;
  for (const auto& row : mine.rows)
    bytes.append(reinterpret_cast<const char*>(row.data() + column), sizeof(float));
  std::vector<float> all;
  for (const auto& part : comm.all_gather("episode scores", std::move(bytes)).wait()) {
    const std::size_t first = all.size();
    all.resize(first + part.size() / sizeof(float));
    std::copy(part.begin(), part.end(), reinterpret_cast<char*>(all.data() + first));
  }
  return all;
}

}  // namespace

std::string describe_score(const EvaluationReport& report) {
  if (report.values)
    return fmt::format("mean squared error {:.4f} +- {:.4f}", report.loss.mean,
                       report.loss.half_width);
  return fmt::format("accuracy {:.2f} +- {:.2f} %", 100 * report.accuracy.mean,
                     100 * report.accuracy.half_width);
}

std::string describe_episodes(const EpisodeOptions& episode) {
  if (episode.values())
    return fmt::format("regression from {} samples, {} queries", episode.shot, episode.query);
  return fmt::format("{}-way {}-shot, {} queries per class", episode.way, episode.shot,
                     episode.query);
}

EvaluationPlan evaluation_plan(const RunConfig& config, Split split, std::int64_t episodes) {
  EvaluationPlan plan;
  plan.seed = config.seed;
  plan.split = split;
  plan.episode = evaluation_episodes(config);
  plan.episodes = episodes > 0 ? episodes : config.evaluation.episodes;
  return plan;
}

RandomKey evaluation_key(const EvaluationPlan& plan, std::int64_t number) {
  const Stream stream = plan.split == Split::kTrain        ? Stream::kTrain
                        : plan.split == Split::kValidation ? Stream::kValidation
                                                           : Stream::kTest;
  return {plan.seed, stream, 0, static_cast<std::uint32_t>(number)};
}

EvaluationReport evaluate(Communicator& comm, const Dataset& data, const Learner& learner,
                          const ParameterList& parameters, const EvaluationPlan& plan,
                          const std::function<void(std::int64_t)>& progress, SampleCache* kept) {
  Findings mine = no_findings(data, plan.split);
  SampleCache own(learner.model(), parameters, false);
  together(comm, "evaluation", [&] {
    const EpisodePlanner planner(data, plan.split, plan.episode);
    const ParameterList there = parameters.on(learner.model().device());
    std::int64_t done = 0;
    for (const auto& slot : micro_batches_of(plan.episodes, 1, comm.rank(), comm.size())) {
      const auto episode = planner.plan(evaluation_key(plan, slot.first_slot));
      const Task task = task_of(data, episode, learner.model(), plan, kept ? kept : &own);
      evaluate_episode(episode, task, learner, there, plan, mine);
      if (progress) progress(++done);
    }
  });
  const auto steps = plan.trace ? static_cast<std::size_t>(learner.eval_steps() + 1) : 0;
  const bool traced = steps > 0 && !mine.rows.empty() && mine.rows[0].size() > 2;
  // A rank without episodes must reduce as many columns as the others.
  const auto widest =
      comm.all_reduce("evaluation columns", {traced ? 1 : 0}, ReduceOp::kMax).wait();
  const std::size_t columns = 2 + (widest[0] ? 4 * steps : 0);
  const auto means = mean_intervals(comm, "evaluation", mine.rows, columns);
  mine.confusion.sum_over(comm);
  EvaluationReport report{means[0], means[1], std::move(mine.confusion), {}, {}, false, 0};
  for (std::size_t c = 2; c < columns; c += 4)
    report.trace.push_back({static_cast<std::int64_t>(c / 4), means[c].mean, means[c + 1].mean,
                            means[c + 2].mean, means[c + 3].mean});
  report.values = plan.episode.values();
  report.skipped = comm.all_reduce("episodes left out", {mine.skipped}, ReduceOp::kSum).wait()[0];
  report.episode_scores = gather_column(comm, mine, report.values ? 1 : 0);
  return report;
}

}  // namespace cuttle
