#pragma once

#include <fmt/format.h>
#include <torch/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/train/assembly.hpp"
#include "cuttle/train/evaluator.hpp"
#include "cuttle/train/run_data.hpp"
#include "support/scripted_learner.hpp"
#include "support/temp_folder.hpp"
#include "train/tiny_run.hpp"

namespace cuttle {

/// A model with its initial parameters, and the data as it sees them.
struct TinyModel {
  /// `senses`: those of the shards that it uses; empty: all.
  TinyModel(const std::string& folder, const std::string& algorithm,
            const std::vector<std::string>& senses = {}, std::uint64_t seed = 1)
      : config(tiny_config(folder, algorithm)) {
    config.data.modalities = senses;
    config.adapt.values["eval_inner_steps"] = "3";
    config.adapt.values["inner_lr"] =
        "0.001";  // these tasks are easy: with more, all would be right
    run_data = RunData::open(config, extensions);
    data = run_data->alone(Split::kTrain);
    const auto defaults = std::exchange(config.model.encoders, {});
    for (const auto& spec : data->modalities())
      config.model.encoders[spec.name] = defaults.at(spec.name);
    parts = assemble(config, run_data->inputs(), extensions);
    parameters =
        std::make_unique<ParameterList>(ParameterList::initial(parts.model->layout(), seed));
  }
  /// The same model and data; `script` says what it answers.
  void follow(ScriptedLearner::Script script) {
    ParameterLayout none;
    parts.learner = std::make_shared<ScriptedLearner>(
        LearnerRequest{config.adapt, parts.model, parts.kind, std::make_shared<const Objectives>(),
                       none},
        parts.learner->eval_steps(), std::move(script));
  }

  /// `progress`: as the evaluator calls it.
  EvaluationReport evaluate(Communicator& comm, const EvaluationPlan& plan,
                            const std::function<void(std::int64_t)>& progress = {}) const {
    auto kept = run_data->keep(*parts.model, *parameters, false);
    const auto source = run_data->source(parts, {plan.split, plan.episode, 0.0, true}, &kept);
    const auto classes =
        parts.kind->classes() ? data->classes_of(plan.split) : std::vector<std::int32_t>();
    return cuttle::evaluate(comm, *source, classes, *parts.learner, *parameters, plan, progress);
  }
  Contender contender(const std::string& name = "it") const {
    return {*data, *parts.learner, *parameters, name};
  }
  EpisodePlan episode(const EvaluationPlan& plan, std::int64_t number) const {
    return EpisodePlanner(*data, plan.split, plan.episode).plan(evaluation_key(plan, number));
  }
  /// The episode as it is, nothing hidden.
  Task task(const EvaluationPlan& plan, std::int64_t number) const {
    const Episode read = materialise(*data, episode(plan, number));
    return make_task(*parts.model, read);
  }
  torch::Tensor logits(const Task& task) const {
    return parts.learner->adapt(*parameters, task.support, task.key)->predict(task.query);
  }

  Extensions extensions;
  RunConfig config;
  std::unique_ptr<RunData> run_data;
  const Dataset* data = nullptr;
  Assembly parts;
  std::unique_ptr<ParameterList> parameters;
};

/// Logits of a classifier that says `shift` classes beyond the right one, by this margin.
inline torch::Tensor answers(const Batch& query, std::int64_t shift, double margin) {
  return torch::one_hot((query.labels + shift).remainder(query.way), query.way) * margin;
}

/// 7 test episodes: no world size of these tests but 1 divides them.
inline EvaluationPlan tiny_plan() {
  EvaluationPlan plan;
  plan.seed = 5;
  plan.episode.way = 3;
  plan.episode.query = 2;
  plan.episodes = 7;
  return plan;
}

/// All bits of an interval, readable.
inline std::string exact(const Interval& interval) {
  return fmt::format("{:a} +- {:a} ({})\n", interval.mean, interval.half_width, interval.count);
}

/// All bits of a report, readable.
inline std::string exact(const EvaluationReport& report) {
  std::string text = exact(report.loss);
  text += fmt::format("{:a} {:a}\n", report.calibration_error, report.calibrated_error);
  for (const auto& metric : report.metrics) text += exact(metric);
  if (report.counts)
    for (const auto& score : report.counts->class_scores())
      text += fmt::format("{} {} {:a} ", score.truths, score.predictions, score.recall);
  for (std::int64_t i = 0; report.confusion && i < report.confusion->classes(); ++i)
    for (std::int64_t j = 0; j < report.confusion->classes(); ++j)
      text += fmt::format("{} ", report.confusion->count(i, j));
  for (const auto& line : report.trace) {
    text += fmt::format("\n{}: {:a} {:a}", line.step, line.support_loss, line.query_loss);
    for (std::size_t m = 0; m < line.query_metrics.size(); ++m)
      text += fmt::format(" {:a} {:a}", line.support_metrics[m], line.query_metrics[m]);
  }
  for (const float accuracy : report.episode_scores) text += fmt::format("\n{:a}", accuracy);
  return text;
}

/// What `work` returns on each of `ranks` thread ranks.
inline std::vector<std::string> on_ranks(int ranks,
                                         const std::function<std::string(Communicator&)>& work) {
  std::vector<std::string> results(static_cast<std::size_t>(ranks));
  run_thread_ranks(ranks, CommOptions{}, [&](Communicator& comm) {
    results[static_cast<std::size_t>(comm.rank())] = work(comm);
  });
  return results;
}

/// The message of the UserError that `work` throws, empty if it throws none.
inline std::string refusal_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const UserError& refusal) {
    return refusal.what();
  }
  return {};
}

}  // namespace cuttle
