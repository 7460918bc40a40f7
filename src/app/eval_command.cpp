#include <iostream>
#include <nlohmann/json.hpp>

#include <fmt/ranges.h>

#include "app/commands.hpp"
#include "app/loaded_run.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/evaluator.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

EvaluationPlan plan_of(const EvalArguments& arguments, const LoadedRun& run) {
  auto plan = evaluation_plan(run.config, split_from(arguments.split), arguments.episodes);
  plan.missing_rate = arguments.missing_rate;
  plan.trace = arguments.diagnostics;
  if (arguments.modalities.empty()) return plan;
  std::vector<std::string> names;
  for (const auto& spec : run.modalities) names.push_back(spec.name);
  for (const auto& wanted : arguments.modalities)
    CUTTLE_VALIDATE(std::find(names.begin(), names.end(), wanted) != names.end(),
                    "--modalities: the model has no modality '{}'; it has {}", wanted,
                    fmt::join(names, ", "));
  for (const auto& name : names)
    plan.modalities.push_back(std::find(arguments.modalities.begin(), arguments.modalities.end(),
                                        name) != arguments.modalities.end());
  return plan;
}

ordered_json to_json(const EvalArguments& arguments, const LoadedRun& run,
                     const EvaluationPlan& plan, const EvaluationReport& report) {
  const auto scores = report.confusion.scores();
  ordered_json json{{"run", arguments.run},
                    {"checkpoint", run.folder},
                    {"step", run.step},
                    {"algorithm", run.config.adapt.algorithm},
                    {"split", to_string(plan.split)},
                    {"episodes", plan.episodes},
                    {"way", plan.episode.way},
                    {"shot", plan.episode.shot},
                    {"query", plan.episode.query},
                    {"inner_steps", run.bench.learner->eval_steps()},
                    {"batch_norm", "transductive"},
                    {"missing_rate", plan.missing_rate},
                    {"modalities", arguments.modalities},
                    {"loss", report.loss.mean}};
  if (report.values) {
    json["mean_squared_error"] = report.loss.mean;
    json["ci95"] = report.loss.half_width;
  } else {
    json["accuracy"] = report.accuracy.mean;
    json["ci95"] = report.accuracy.half_width;
    json["macro_precision"] = scores.macro_precision;
    json["macro_recall"] = scores.macro_recall;
    json["macro_f1"] = scores.macro_f1;
  }
  for (const auto& line : report.trace)
    json["trace"].push_back({{"step", line.step},
                             {"support_loss", line.support_loss},
                             {"support_accuracy", line.support_accuracy},
                             {"query_loss", line.query_loss},
                             {"query_accuracy", line.query_accuracy}});
  return json;
}

void print_text(const LoadedRun& run, const EvaluationPlan& plan, const EvaluationReport& report) {
  const auto scores = report.confusion.scores();
  std::cout << fmt::format(
      "{} on {} {} episodes (mean, 95 % interval: 1.96 standard errors)\n"
      "{}, {}, {} inner steps, batch norm by the statistics of the batch (transductive)\n",
      describe_score(report), plan.episodes, to_string(plan.split), run.config.adapt.algorithm,
      describe_episodes(plan.episode), run.bench.learner->eval_steps());
  if (!report.values)
    std::cout << fmt::format("macro precision {:.2f}, recall {:.2f}, F1 {:.2f} %, loss {:.4f}\n",
                             100 * scores.macro_precision, 100 * scores.macro_recall,
                             100 * scores.macro_f1, report.loss.mean);
  std::cout << run.folder << "\n";
  for (const auto& line : report.trace)
    std::cout << fmt::format(
        "after {} steps: support loss {:.4f}, query loss {:.4f}{}\n", line.step, line.support_loss,
        line.query_loss,
        report.values ? ""
                      : fmt::format("; accuracy {:.2f} and {:.2f} %", 100 * line.support_accuracy,
                                    100 * line.query_accuracy));
}

void write_tables(const EvalArguments& arguments, const Dataset& data, const EvaluationPlan& plan,
                  const EvaluationReport& report) {
  if (!arguments.confusion.empty()) {
    std::vector<std::string> names;
    for (const auto id : data.classes_of(plan.split))
      names.push_back(data.class_names()[static_cast<std::size_t>(id)]);
    write_file_atomically(arguments.confusion, report.confusion.to_csv(names));
  }
  if (arguments.per_episode.empty()) return;
  std::string csv = report.values ? "episode,mean_squared_error\n" : "episode,accuracy\n";
  for (std::size_t e = 0; e < report.episode_scores.size(); ++e)
    csv += fmt::format("{},{}\n", e, report.episode_scores[e]);
  write_file_atomically(arguments.per_episode, csv);
}

}  // namespace

ExitCode eval_command(const EvalArguments& arguments, MpiSession& session,
                      const Extensions& extensions) {
  return with_communicator(session, CommOptions{}, [&](Communicator& comm) {
    std::unique_ptr<LoadedRun> run;
    std::unique_ptr<Dataset> data;
    EvaluationPlan plan;
    together(comm, "loading the model", [&] {
      run = std::make_unique<LoadedRun>(load_run(
          arguments.run, !arguments.last, arguments.overrides, extensions, session.local_rank()));
      data = open_for(run->modalities, run->config.data);
      plan = plan_of(arguments, *run);
    });
    SampleCache kept(*run->bench.model, run->parameters, run->config.data.in_memory);
    const auto report =
        evaluate(comm, *data, *run->bench.learner, run->parameters, plan, {}, &kept);
    together(comm, "writing the tables", [&] {
      if (comm.rank() != 0) return;
      write_tables(arguments, *data, plan, report);
      if (arguments.json)
        std::cout << to_json(arguments, *run, plan, report).dump(2) << std::endl;
      else
        print_text(*run, plan, report);
    });
    return ExitCode::kDone;
  });
}

}  // namespace cuttle
