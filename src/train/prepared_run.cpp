#include "train/prepared_run.hpp"

#include <fmt/ranges.h>
#include <torch/types.h>

#include "cuttle/core/log.hpp"
#include "cuttle/train/environment.hpp"
#include "cuttle/train/trainer.hpp"
#include "train/start_parameters.hpp"

namespace cuttle {

std::unique_ptr<const TaskSource> PreparedRun::source(const RunConfig& config, Split split,
                                                      RunData::Kept* kept) const {
  const bool training = split == Split::kTrain;
  return data->source(parts,
                      {split, training ? config.episode : evaluation_episodes(config),
                       training ? config.model.modality_dropout : 0.0, !training,
                       training ? config.augment : AugmentOptions()},
                      kept);
}

PreparedRun prepare(const RunConfig& config, const Extensions& extensions,
                    const std::vector<ModalitySpec>* statistics, const Attempt& attempt) {
  PreparedRun run;
  attempt("checking the config", [&] {
    ProblemList problems;
    problems.attempt([&] { check_sinks(config.sinks, extensions.sinks); });
    problems.attempt([&] { check_choices(config, extensions); });
    problems.attempt([&] { check_protocol(config, RunConfig(), extensions); });
    problems.throw_if_any();
    warn_of_idle(config, extensions);
  });
  attempt("making the optimizer", [&] {
    run.optimizer = std::make_unique<const OuterOptimizer>(config.step, config.train.steps,
                                                           extensions.optimizers);
  });
  attempt("opening the data",
          [&] { run.data = RunData::open(config, extensions, nullptr, statistics); });
  if (!run.data) return run;
  attempt("building the model",
          [&] { assemble_parts(config, run.data->inputs(), extensions, run.parts); });
  if (!run.parts.model) return run;
  // A split that cannot give its tasks is refused now rather than hours later.
  std::vector<std::string> left_out;
  for (const Split split : {Split::kTrain, Split::kValidation}) {
    if (split == Split::kValidation && config.train.validate_every == 0) continue;
    attempt("planning episodes", [&] {
      if (auto told = run.source(config, split, nullptr)->left_out(); !told.empty())
        left_out.push_back(std::move(told));
    });
  }
  run.left_out = fmt::format("{}", fmt::join(left_out, "; "));
  for (const auto& line : run.data->own_sets()) log_info("{}", line);
  if (!run.left_out.empty()) log_warning("{}", run.left_out);
  for (const auto& lines : {run.data->seen_classes(), run.data->absent_senses()})
    for (const auto& warning : lines) log_warning("{}", warning);
  return run;
}

std::vector<std::string> find_obstacles(const RunConfig& asked, const Extensions& extensions) {
  ProblemList problems;
  RunConfig config = asked;
  problems.attempt([&] { prepare_process(config, 0); });
  if (!problems.lines().empty()) config.device = "cpu";  // the rest is the same there
  config.data.in_memory = false;  // one look at the samples is not worth reading them all
  std::vector<ModalitySpec> statistics;
  problems.attempt([&] { check_sources(config); });
  problems.attempt([&] { statistics = source_statistics(config); });
  const PreparedRun run = prepare(
      config, extensions, &statistics,
      [&](std::string_view, const std::function<void()>& stage) { problems.attempt(stage); });
  if (run.parts.learner)
    problems.attempt([&] {
      start_parameters(config, catalog_of(extensions),
                       ParameterList::initial(run.parts.model->layout(), config.seed),
                       {{"modalities", modalities_to_json(run.data->inputs().modalities)},
                        {"data_fingerprint", run.data->fingerprint()},
                        {kHeldFiles, run.parts.model->held_files()}},
                       false);
    });
  return problems.lines();
}

}  // namespace cuttle
