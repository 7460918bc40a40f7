#include "train/step_loop.hpp"

#include "cuttle/train/feature_bank.hpp"

namespace cuttle {

EvaluationPlan TrainingParts::validation_plan(std::int64_t episodes) const {
  auto plan = evaluation_plan(config, Split::kValidation, episodes);
  plan.trace = run.parts.learner->diagnostics();
  plan.skip_nonfinite = config.reduce.on_nonfinite != "fail";
  return plan;
}

StepLoop::StepLoop(const TrainingParts& training, const ParameterList& parameters,
                   std::int64_t first_step)
    : reducer(training.comm,
              static_cast<std::size_t>(training.run.parts.model->layout()->reduced_size()),
              training.config.reduce),
      kept(keep_with_features(training.comm, training.config, *training.run.data,
                              *training.run.parts.model, parameters, true, training.console)),
      source(training.run.source(training.config, Split::kTrain, &kept)),
      tasks(
          *source,
          [learner = training.run.parts.learner](const EpisodeSize& size) {
            return learner->cost(size);
          },
          training.config.episode, training.config.data.prefetch,
          {training.config.seed, first_step, training.comm.rank(), training.comm.size()},
          training.run.parts.model->device()) {}

}  // namespace cuttle
