#include "train/step_loop.hpp"

namespace cuttle {

std::unique_ptr<const TaskSource> TrainingParts::source(Split split, RunData::Kept* kept) const {
  const bool training = split == Split::kTrain;
  return data.source(parts,
                     {split, training ? config.episode : evaluation_episodes(config),
                      training ? config.model.modality_dropout : 0.0, !training,
                      training ? config.augment : AugmentOptions()},
                     kept);
}

EvaluationPlan TrainingParts::validation_plan(std::int64_t episodes) const {
  auto plan = evaluation_plan(config, Split::kValidation, episodes);
  plan.trace = parts.learner->diagnostics();
  plan.skip_nonfinite = config.reduce.on_nonfinite != "fail";
  return plan;
}

StepLoop::StepLoop(const TrainingParts& training, const ParameterList& parameters,
                   std::int64_t first_step)
    : reducer(training.comm,
              static_cast<std::size_t>(training.parts.model->layout()->reduced_size()),
              training.config.reduce),
      kept(training.data.keep(*training.parts.model, parameters, training.config.data.in_memory)),
      source(training.source(Split::kTrain, &kept)),
      tasks(
          *source,
          [learner = training.parts.learner](const EpisodeSize& size) {
            return learner->cost(size);
          },
          training.config.episode, training.config.data.prefetch,
          {training.config.seed, first_step, training.comm.rank(), training.comm.size()},
          training.parts.model->device()) {}

}  // namespace cuttle
