#include <memory>

#include "app/commands.hpp"
#include "app/known_tasks_file.hpp"
#include "app/map_toward.hpp"
#include "app/print_told.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/train/feature_bank.hpp"

namespace cuttle {
namespace {

/// Tasks of a split, as evaluation has them.
std::unique_ptr<const TaskSource> source_of(const RunData& data, const LoadedRun& run,
                                            const EvaluationPlan& plan, RunData::Kept& kept) {
  return data.source(run.parts, {plan.split, plan.episode, 0.0, true}, &kept);
}

std::vector<std::vector<std::string>> names_of_classes(const Dataset* data,
                                                       const MappedTasks& mapped) {
  std::vector<std::vector<std::string>> names;
  for (const auto& classes : mapped.classes) {
    names.emplace_back();
    if (data == nullptr) continue;
    for (const std::int32_t id : classes)
      names.back().push_back(data->class_names()[static_cast<std::size_t>(id)]);
  }
  return names;
}

}  // namespace

ExitCode map_command(const MapArguments& arguments, MpiSession& session,
                     const Extensions& extensions) {
  if (!arguments.toward.empty()) return map_toward(arguments, extensions);
  const TaskView by = task_view_from(arguments.by);
  return with_communicator(session, CommOptions{}, [&](Communicator& comm) {
    std::unique_ptr<LoadedRun> run;
    std::unique_ptr<RunData> data;
    EvaluationPlan training, validation;
    together(comm, "loading the model", [&] {
      run = std::make_unique<LoadedRun>(
          load_run(arguments.run, true, arguments.overrides, extensions, session.local_rank()));
      CUTTLE_VALIDATE(run->parts.kind->classes() || run->parts.kind->values(),
                      "{}: its tasks are environments (there is no support set to look at); map a "
                      "run on labelled samples, or on samples with values",
                      arguments.run);
      training = evaluation_plan(run->config, Split::kTrain, arguments.tasks);
      validation = evaluation_plan(run->config, Split::kValidation, arguments.held_out);
      data = RunData::open(run->config, extensions, &run->inputs);
    });
    const auto& [kind, model, learner] = run->parts;
    auto kept = keep_with_features(comm, run->config, *data, *model, run->parameters, false,
                                   console_of(comm.rank()));
    std::unique_ptr<const TaskSource> seen, held_out;
    together(comm, "planning episodes", [&] {
      seen = source_of(*data, *run, training, kept);
      try {
        held_out = source_of(*data, *run, validation, kept);
      } catch (const UserError& problem) {
        log_warning("no held-out tasks: {} (so it is not said what distance is usual)",
                    problem.what());
      }
    });
    const auto mapped = [&](const TaskSource& source, const EvaluationPlan& plan,
                            const char* what) {
      Counter counter(console_of(comm.rank()), plan.episodes, what);
      return map_tasks(comm, by, source, *model, run->parameters, plan,
                       counter.share_of(comm.size()));
    };
    const auto known = mapped(*seen, training, "training tasks");
    const auto others = held_out ? mapped(*held_out, validation, "validation tasks").points
                                 : std::vector<TaskPoint>();
    together(comm, "writing the known tasks", [&] {
      if (comm.rank() != 0) return;
      const KnownTasksFile file{KnownTasks(by, known.points, others),
                                names_of_classes(data->alone(Split::kTrain), known),
                                run->step,
                                run->parameters.sha256(),
                                kind->classes() ? training.episode.way : 0,
                                training.episode.shot};
      const std::string path = known_tasks_path(run->folder);
      write_known_tasks(path, file);
      auto told = describe_known(file);
      told["file"] = path;
      print_told(told, arguments.json);
    });
    return ExitCode::kDone;
  });
}

}  // namespace cuttle
