#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include <fmt/ranges.h>

#include "app/calibrate_run.hpp"
#include "app/commands.hpp"
#include "app/episode_answers.hpp"
#include "app/evaluation_data.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/train/evaluator.hpp"
#include "cuttle/train/feature_bank.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

EvaluationPlan plan_of(const EvalArguments& arguments, const LoadedRun& run) {
  auto plan = evaluation_plan(run.config, split_from(arguments.split), arguments.episodes);
  plan.missing_rate = arguments.missing_rate;
  plan.trace = arguments.diagnostics;
  plan.at_once = arguments.queries == "one"     ? QueriesAtOnce::kOne
                 : arguments.queries == "class" ? QueriesAtOnce::kClass
                                                : QueriesAtOnce::kAll;
  plan.unbalanced = arguments.unbalanced;
  const TaskKind& kind = *run.parts.kind;
  CUTTLE_VALIDATE(kind.classes() || !(plan.unbalanced || plan.at_once == QueriesAtOnce::kClass),
                  "--unbalanced and --queries class share out classes, and these tasks have none; "
                  "leave them out");
  CUTTLE_VALIDATE(kind.classes() || kind.values() || plan.at_once == QueriesAtOnce::kAll,
                  "--queries: these tasks are acted in, one episode at a time; leave it out");
  CUTTLE_VALIDATE(!plan.trace || plan.at_once == QueriesAtOnce::kAll,
                  "--diagnostics looks at all queries of an episode at once; leave out --queries");
  CUTTLE_VALIDATE(
      kind.classes() || arguments.outside.empty(),
      "--outside is about samples of no class, and these tasks have none; leave it out");
  CUTTLE_VALIDATE(arguments.outside.empty() || plan.at_once == QueriesAtOnce::kOne ||
                      run.parts.learner->samples_apart(),
                  "--outside: answers of this model depend on what is asked beside (it is "
                  "transductive); ask for each alone with --queries one");
  plan.confusion = !arguments.confusion.empty();
  const auto names = names_of(run.inputs.modalities);
  for (const auto& name : arguments.modalities)
    CUTTLE_VALIDATE(std::find(names.begin(), names.end(), name) != names.end(),
                    "--modalities: the model has no modality '{}'; it has {}", name,
                    fmt::join(names, ", "));
  const auto wanted = [&](const std::string& name) {
    return std::find(arguments.modalities.begin(), arguments.modalities.end(), name) !=
           arguments.modalities.end();
  };
  std::vector<std::string> used;
  for (const auto& name : names)
    if (arguments.modalities.empty() || wanted(name)) used.push_back(name);
  CUTTLE_VALIDATE(plan.missing_rate == 0 || used.size() > 1,
                  "--missing-rate: {} is the only sense in use (a sample's last one is never "
                  "hidden, so nothing would be); leave it out",
                  fmt::join(used, ", "));
  if (arguments.modalities.empty()) return plan;
  for (const auto& name : names) plan.modalities.push_back(wanted(name));
  return plan;
}

/// Whether answers depend on each other.
const char* mode_of(const LoadedRun& run) {
  return run.parts.learner->samples_apart() ? "inductive" : "transductive";
}

/// The class whose queries were recognised least often, over all episodes of the list.
struct WorstClass {
  std::string name;
  ClassScores scores;
};
std::optional<WorstClass> worst_class(const Dataset* data, const EvaluationPlan& plan,
                                      const EvaluationReport& report) {
  std::optional<WorstClass> worst;
  if (data == nullptr || !report.counts) return worst;
  const std::vector<ClassScores> classes = report.counts->class_scores();
  for (std::size_t c = 0; c < classes.size(); ++c) {
    if (classes[c].truths == 0 || (worst && classes[c].recall >= worst->scores.recall)) continue;
    const auto id = static_cast<std::size_t>(data->classes_of(plan.split)[c]);
    worst = {data->class_names()[id], classes[c]};
  }
  return worst;
}

/// Before the work starts: a matrix that cannot be written is not filled either.
void check_confusion(std::size_t classes) {
  CUTTLE_VALIDATE(classes > 0,
                  "--confusion: these tasks have no classes, or those of several data sets; leave "
                  "it out, or give all sources but one the weight 0");
  CUTTLE_VALIDATE(classes <= static_cast<std::size_t>(ConfusionMatrix::kMostClasses),
                  "--confusion: the split has {} classes (the table grows with their square, and "
                  "has room for {}); leave it out, precision, recall and F1 are told without it",
                  classes, ConfusionMatrix::kMostClasses);
}

/// Null where there is none.
void add_interval(const std::string& name, const Interval& interval, nlohmann::ordered_json& json) {
  json[name] = interval.mean;
  json[name + "_ci95"] = interval.half_width;
}

/// Of all targets, but the score, then of each by its name.
void add_figures(const TaskKind& kind, const std::vector<std::string>& targets,
                 const EvaluationReport& report, nlohmann::ordered_json& json) {
  const auto figures = kind.figures(), by_target = kind.figures_by_target();
  const std::size_t score = kind.score_column() - kind.metrics().size() - 1;
  for (std::size_t f = 0; f < figures.size(); ++f)
    if (f != score) add_interval(figures[f].name, report.figures[f], json);
  for (std::size_t at = figures.size(), t = 0; at < report.figures.size(); ++t)
    for (const Figure& figure : by_target)
      add_interval(figure.name, report.figures[at++], json["by_target"][targets.at(t)]);
}

/// Empty: the split's own samples are meant.
std::vector<std::string> outside_shards(const EvalArguments& arguments) {
  return arguments.outside == std::vector<std::string>{""} ? std::vector<std::string>()
                                                           : arguments.outside;
}

void add_outside(const std::vector<std::string>& shards, const EvaluationPlan& plan,
                 const OutsideReport& report, nlohmann::ordered_json& json) {
  json = {{"shards", shards}, {"samples", plan.outside->size()}};
  add_interval("auroc", report.auroc, json);
  add_interval("false_positive_rate", report.false_positives, json);
  add_interval("accuracy_at_95_recall", report.accuracy, json);
}

/// "text=0.5 of samples": what data.missing hides of the split; empty: nothing.
std::string hidden_by_data(const DataOptions& data, Split split) {
  if (!has_missing(data, split)) return {};
  return fmt::format("{} of {}", fmt::join(data.missing, ", "),
                     data.missing_by == "class" ? "classes" : data.missing_by + "s");
}

ordered_json to_json(const EvalArguments& arguments, const LoadedRun& run, const RunData& data,
                     const EvaluationPlan& plan, const EvaluationReport& report,
                     const std::string& left_out) {
  ordered_json json{{"run", arguments.run},
                    {"checkpoint", run.folder},
                    {"step", run.step},
                    {"algorithm", run.config.adapt.type},
                    {"split", to_string(plan.split)},
                    {"shards", data.shards_of(plan.split)},
                    {"episodes", plan.episodes},
                    {"way", plan.episode.way},
                    {"shot", plan.episode.shot},
                    {"query", plan.episode.query},
                    {"inner_steps", run.parts.learner->eval_steps()},
                    {"batch_norm", mode_of(run)},
                    {"seed", plan.seed},
                    {"missing_rate", plan.missing_rate},
                    {"missing_rate_in_effect", report.hidden_rate},
                    {"modalities", arguments.modalities},
                    {"loss", report.loss.mean}};
  if (plan.at_once != QueriesAtOnce::kAll) json["queries"] = arguments.queries;
  if (plan.unbalanced) json["unbalanced"] = true;
  for (const auto& [name, source] : run.config.sources) json["sources"][name] = source.weight;
  if (!left_out.empty()) json["left_out"] = left_out;
  if (const auto hidden = hidden_by_data(run.config.data, plan.split); !hidden.empty())
    json["data_missing"] = hidden;
  if (report.blind > 0) json["blind_episodes"] = report.blind;
  const TaskKind& kind = *run.parts.kind;
  json[kind.score_name()] = report.score.mean;
  json["ci95"] = report.score.half_width;
  const auto names = kind.metrics();
  for (std::size_t m = 0; m < names.size(); ++m)
    if (m + 1 != kind.score_column()) add_interval(names[m], report.metrics[m], json);
  add_figures(kind, names_of_targets(run.inputs), report, json);
  if (tells_probabilities(kind)) json["calibration_error"] = report.calibration_error;
  if (arguments.calibrated) {
    json["temperature"] = plan.temperature;
    json["calibrated_error"] = report.calibrated_error;
  }
  if (report.outside)
    add_outside(outside_shards(arguments), plan, *report.outside, json["outside"]);
  if (report.counts) {
    const auto scores = report.counts->scores();
    json["macro_precision"] = scores.macro_precision;
    json["macro_recall"] = scores.macro_recall;
    json["macro_f1"] = scores.macro_f1;
  }
  if (const auto worst = worst_class(data.alone(plan.split), plan, report))
    json["worst_class"] = {{"name", worst->name},
                           {"accuracy", worst->scores.recall},
                           {"queries", worst->scores.truths}};
  for (const auto& line : report.trace) {
    ordered_json entry{{"step", line.step}, {"support_loss", line.support_loss}};
    for (std::size_t m = 0; m < names.size(); ++m)
      entry["support_" + names[m]] = line.support_metrics[m];
    entry["query_loss"] = line.query_loss;
    for (std::size_t m = 0; m < names.size(); ++m)
      entry["query_" + names[m]] = line.query_metrics[m];
    json["trace"].push_back(std::move(entry));
  }
  return json;
}

std::string say(const Interval& figure) {
  if (figure.count == 0) return "none: no episode has one";
  const auto margin = margin_of(figure);
  return margin ? fmt::format("{:.4f} +- {:.4f}", figure.mean, *margin)
                : fmt::format("{:.4f}", figure.mean);
}

/// How wide the interval is.
std::string reach(const Interval& interval) {
  if (!margin_of(interval)) return "no interval: one says nothing of the spread";
  const double errors = standard_errors(interval.count);
  return interval.count >= 30
             ? fmt::format("mean, 95 % interval: {} standard errors", errors)
             : fmt::format("mean, 95 % interval: {:.2f} standard errors, Student's t", errors);
}

void print_text(const EvalArguments& arguments, const LoadedRun& run, const RunData& data,
                const EvaluationPlan& plan, const EvaluationReport& report) {
  const TaskKind& kind = *run.parts.kind;
  std::cout << fmt::format(
      "{} on {} ({})\n"
      "{}, {}, {} inner steps, {}{}{}\n",
      kind.say_score(report.score.mean, margin_of(report.score)),
      say_episodes(plan.episodes, plan.split), reach(report.score), run.config.adapt.type,
      describe_episodes(kind, plan.episode), run.parts.learner->eval_steps(), mode_of(run),
      plan.at_once == QueriesAtOnce::kOne     ? ", queries one by one"
      : plan.at_once == QueriesAtOnce::kClass ? ", queries a class at a time"
                                              : "",
      plan.unbalanced ? ", classes unbalanced" : "");
  for (const auto& [name, source] : run.config.sources)
    if (source.weight > 0) std::cout << fmt::format("source {}, weight {}\n", name, source.weight);
  if (report.counts) {
    const auto scores = report.counts->scores();
    std::cout << fmt::format("macro precision {:.2f}, recall {:.2f}, F1 {:.2f} %, loss {:.4f}\n",
                             100 * scores.macro_precision, 100 * scores.macro_recall,
                             100 * scores.macro_f1, report.loss.mean);
  }
  const auto names = kind.metrics();
  for (std::size_t m = 0; m < names.size(); ++m)
    if (m + 1 != kind.score_column())
      std::cout << fmt::format("{} {}\n", names[m], say(report.metrics[m]));
  const auto figures = kind.figures();
  for (std::size_t f = 0; f < figures.size(); ++f)
    if (f + names.size() + 1 != kind.score_column())
      std::cout << fmt::format("{} {}\n", figures[f].name, say(report.figures[f]));
  if (const auto worst = worst_class(data.alone(plan.split), plan, report))
    std::cout << fmt::format("worst class {}: {:.2f} % of its {} queries\n", worst->name,
                             100 * worst->scores.recall, worst->scores.truths);
  if (tells_probabilities(kind))
    std::cout << fmt::format("calibration error {:.2f} %{}\n", 100 * report.calibration_error,
                             arguments.calibrated
                                 ? fmt::format(", {:.2f} % with the temperature {:.2f}",
                                               100 * report.calibrated_error, plan.temperature)
                                 : "");
  if (const auto outside = outside_shards(arguments); report.outside)
    std::cout << fmt::format(
        "outside ({} samples of {}): AUROC {}; with 95 % of the queries kept, false positives {}, "
        "accuracy {}\n",
        plan.outside->size(),
        outside.empty() ? "the split" : fmt::format("{}", fmt::join(outside, ", ")),
        say(report.outside->auroc), say(report.outside->false_positives),
        say(report.outside->accuracy));
  if (plan.missing_rate > 0)
    std::cout << fmt::format(
        "missing rate {:.2f} as asked for, {:.2f} in effect (a sample's last sense stays)\n",
        plan.missing_rate, report.hidden_rate);
  if (const auto hidden = hidden_by_data(run.config.data, plan.split); !hidden.empty())
    std::cout << fmt::format("data.missing {} (data.missing=[] evaluates on all)\n", hidden);
  if (const auto shards = data.shards_of(plan.split); !shards.empty())
    std::cout << fmt::format("shards {}\n", fmt::join(shards, ", "));
  std::cout << run.folder << "\n";
  for (const auto& line : report.trace) {
    std::cout << fmt::format("after {} steps: support loss {:.4f}, query loss {:.4f}", line.step,
                             line.support_loss, line.query_loss);
    for (std::size_t m = 0; m < names.size(); ++m)
      std::cout << fmt::format("; {} {:.4f} and {:.4f}", names[m], line.support_metrics[m],
                               line.query_metrics[m]);
    std::cout << "\n";
  }
}

void write_tables(const EvalArguments& arguments, const Dataset* data, const TaskKind& kind,
                  const EvaluationPlan& plan, const EvaluationReport& report) {
  if (!arguments.confusion.empty()) {
    std::vector<std::string> names;
    for (const auto id : data->classes_of(plan.split))
      names.push_back(data->class_names()[static_cast<std::size_t>(id)]);
    write_file_atomically(arguments.confusion, report.confusion->to_csv(names));
  }
  if (arguments.per_episode.empty()) return;
  if (plan.told) return write_file_atomically(arguments.per_episode, report.told);
  std::string csv = "episode," + kind.score_name() + "\n";
  for (std::size_t e = 0; e < report.episode_scores.size(); ++e)
    csv += fmt::format("{},{}\n", e, report.episode_scores[e]);
  write_file_atomically(arguments.per_episode, csv);
}

/// It tells the format.
void check_ending(const std::string& per_episode) {
  const auto ending = std::filesystem::path(per_episode).extension();
  CUTTLE_VALIDATE(per_episode.empty() || ending == ".csv" || ending == ".jsonl",
                  "--per-episode: '{}' says no format (the ending tells it); end it in .csv for "
                  "scores, or .jsonl for samples and answers",
                  per_episode);
}

/// Of the run's own validation episodes, seen as those of the plan; 1 if there are none.
double temperature_of(const LoadedRun& run, const EvaluationPlan& plan,
                      const Extensions& extensions, const Console& console) {
  CUTTLE_VALIDATE(tells_probabilities(*run.parts.kind),
                  "--calibrated is about probabilities of classes or labels, and these tasks have "
                  "none; leave it out");
  auto calibration = evaluation_plan(run.config, Split::kValidation, kCalibrationEpisodes);
  calibration.modalities = plan.modalities;
  Counter counter(console, calibration.episodes, "validation episodes");
  const auto found = calibrate_run(run, run.parts, calibration, {}, extensions,
                                   [&](std::int64_t done) { counter.update(done); });
  return found ? found->temperature : 1.0;
}

}  // namespace

ExitCode eval_command(const EvalArguments& arguments, MpiSession& session,
                      const Extensions& extensions) {
  return with_communicator(session, CommOptions{}, [&](Communicator& comm) {
    std::unique_ptr<LoadedRun> run;
    std::unique_ptr<RunData> data;
    EvaluationPlan plan;
    together(comm, "loading the model", [&] {
      check_ending(arguments.per_episode);
      run = std::make_unique<LoadedRun>(load_run(
          arguments.run, !arguments.last, arguments.overrides, extensions, session.local_rank()));
      plan = plan_of(arguments, *run);
      if (arguments.calibrated)
        plan.temperature = temperature_of(*run, plan, extensions, console_of(comm.rank()));
      data = evaluation_data(*run, arguments.shards, plan.split, extensions);
      if (comm.rank() == 0)
        for (const auto& path : {arguments.confusion, arguments.per_episode})
          if (!path.empty()) check_output(path);
    });
    const auto& [kind, model, learner] = run->parts;
    auto kept = keep_with_features(comm, run->config, *data, *model, run->parameters, false,
                                   console_of(comm.rank()));
    std::unique_ptr<const TaskSource> source;
    std::vector<std::int32_t> classes;
    std::unique_ptr<Dataset> outside_data;
    std::optional<OutsideSamples> outside;
    together(comm, "planning episodes", [&] {
      if (const Dataset* alone = data->alone(plan.split); alone && kind->classes())
        classes = alone->classes_of(plan.split);
      if (plan.confusion) check_confusion(classes.size());
      source = data->source(run->parts, {plan.split, plan.episode, 0.0, true}, &kept);
      if (std::filesystem::path(arguments.per_episode).extension() == ".jsonl")
        plan.told = episode_answers(*run, data->alone(plan.split), *source, plan);
      if (arguments.outside.empty()) return;
      const Dataset* own = data->alone(plan.split);
      CUTTLE_VALIDATE(own,
                      "--outside needs episodes of one data set (their classes are known by name); "
                      "give all sources but one the weight 0");
      outside_data = open_outside(*run, outside_shards(arguments), extensions);
      const Dataset& from = outside_data ? *outside_data : *own;
      auto& cache = kept.try_emplace(&from, *model, run->parameters, false).first->second;
      outside.emplace(from, outside_data ? Split::kAll : plan.split, *own, plan.split,
                      plan.episode.way, *model, &cache);
      plan.outside = &*outside;
    });
    const auto report = [&] {
      Counter counter(console_of(comm.rank()), plan.episodes, "episodes");
      return evaluate(comm, *source, classes, *learner, run->parameters, plan,
                      counter.share_of(comm.size()));
    }();
    together(comm, "writing the tables", [&] {
      if (comm.rank() != 0) return;
      if (report.blind > 0)
        log_warning(
            "{} of {} episodes have nothing to look at in support or query (their senses are "
            "missing or hidden), and answers to them are guesses",
            report.blind, plan.episodes);
      warn_of_chance(report, *kind, plan.episode);
      if (const auto left_out = source->left_out(); !left_out.empty()) log_warning("{}", left_out);
      if (arguments.diagnostics && report.trace.empty())
        log_warning("--diagnostics: {} takes no inner steps (there are no losses between them)",
                    run->config.adapt.type);
      write_tables(arguments, data->alone(plan.split), *run->parts.kind, plan, report);
      if (arguments.json)
        std::cout << to_json(arguments, *run, *data, plan, report, source->left_out()).dump(2)
                  << std::endl;
      else
        print_text(arguments, *run, *data, plan, report);
    });
    return ExitCode::kDone;
  });
}

}  // namespace cuttle
