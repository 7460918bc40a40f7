#include <fmt/ranges.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/evaluation_data.hpp"
#include "app/intervals.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/train/evaluator.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

/// Runs and their data; contenders refer to them.
struct Field {
  std::vector<LoadedRun> runs;
  std::vector<std::unique_ptr<RunData>> data;

  std::vector<Contender> contenders(const std::vector<std::string>& names, Split split) const {
    std::vector<Contender> all;
    for (std::size_t i = 0; i < runs.size(); ++i)
      all.push_back({*data[i]->alone(split), *runs[i].parts.learner, runs[i].parameters, names[i]});
    return all;
  }
};

ordered_json to_json(const CompareArguments& arguments, const std::vector<std::string>& shards,
                     const EvaluationPlan& plan, const ComparisonReport& report) {
  ordered_json json{{"split", to_string(plan.split)},   {"shards", shards},
                    {"episodes", plan.episodes},        {"way", plan.episode.way},
                    {"shot", plan.episode.shot},        {"query", plan.episode.query},
                    {"complete", plan.episode.complete}};
  for (std::size_t i = 0; i < arguments.runs.size(); ++i) {
    ordered_json entry{{"run", arguments.runs[i]}, {"accuracy", to_json(report.accuracy[i])}};
    if (i > 0) entry["lead"] = to_json(report.lead[i - 1]);
    json["runs"].push_back(std::move(entry));
  }
  json["averaged_logits"] = {{"accuracy", to_json(report.averaged)},
                             {"lead", to_json(report.lead_over_averaged)}};
  return json;
}

void print_text(const CompareArguments& arguments, const std::vector<std::string>& shards,
                const EvaluationPlan& plan, const ComparisonReport& report) {
  const std::string intervals =
      plan.episodes > 1
          ? fmt::format("95 % intervals ({:.2f} standard errors)", standard_errors(plan.episodes))
          : "no intervals (one episode says nothing of the spread)";
  std::cout << fmt::format(
      "{} of {}; {}-way {}-shot, {} queries per class; %, {}\n"
      "       accuracy   {} minus this one, paired\n",
      say_episodes(plan.episodes, plan.split), fmt::join(shards, ", "), plan.episode.way,
      plan.episode.shot, plan.episode.query, intervals, arguments.runs.front());
  for (std::size_t i = 0; i < arguments.runs.size(); ++i)
    std::cout << fmt::format("{}   {:>16}   {}\n", percent(report.accuracy[i], false),
                             i > 0 ? percent(report.lead[i - 1], true) : "", arguments.runs[i]);
  if (arguments.runs.size() > 2)
    std::cout << fmt::format("{}   {:>16}   mean logits of all but the first\n",
                             percent(report.averaged, false),
                             percent(report.lead_over_averaged, true));
}

}  // namespace

ExitCode compare_command(const CompareArguments& arguments, MpiSession& session,
                         const Extensions& extensions) {
  return with_communicator(session, CommOptions{}, [&](Communicator& comm) {
    Field field;
    EvaluationPlan plan;
    together(comm, "loading the models", [&] {
      CUTTLE_VALIDATE(arguments.runs.size() >= 2,
                      "compare needs two runs or more (the first is compared with the others)");
      const Split split = split_from(arguments.split);
      field.runs.reserve(arguments.runs.size());  // what is opened refers to their configs
      for (const auto& run : arguments.runs) {
        field.runs.push_back(
            load_run(run, true, arguments.overrides, extensions, session.local_rank()));
        auto& loaded = field.runs.back();
        CUTTLE_VALIDATE(
            loaded.parts.kind->classes() && loaded.parts.kind->score_name() == "accuracy",
            "{}: it is not scored by accuracy (compare counts right classes of samples of one data "
            "set); use cuttle eval with --per-episode on each",
            run);
        field.data.push_back(evaluation_data(loaded, arguments.shards, split, extensions));
        CUTTLE_VALIDATE(field.data.back()->alone(split) != nullptr,
                        "{}: it draws from several sources (compare takes its samples from one "
                        "data set); give all but one the weight 0 (--set sources.NAME.weight=0)",
                        run);
      }
      const RunConfig& config = field.runs.front().config;
      plan = evaluation_plan(config, split, arguments.episodes);
      plan.episode.complete = plan.episode.complete || arguments.complete;
    });
    const auto report = [&] {
      Counter counter(console_of(comm.rank()), plan.episodes, "episodes");
      return compare(comm, field.contenders(arguments.runs, plan.split), plan,
                     counter.share_of(comm.size()));
    }();
    if (comm.rank() != 0) return ExitCode::kDone;
    const auto shards = field.data.front()->shards_of(plan.split);
    if (arguments.json)
      std::cout << to_json(arguments, shards, plan, report).dump(2) << std::endl;
    else
      print_text(arguments, shards, plan, report);
    return ExitCode::kDone;
  });
}

}  // namespace cuttle
