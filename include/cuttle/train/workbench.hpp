#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/config/run_config.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/model/model.hpp"

namespace cuttle {

/// What configs can name. An outside program adds its own encoders, fusions and learners here and
/// calls run_app: it then has every subcommand of cuttle (tests/install shows one).
struct Extensions {
  ModelRegistry model;
  LearnerRegistry learners = builtin_learners();
};

/// The model and learner that a config describes, for data with these modalities and, with
/// `episode.target: value`, targets of this many values. Used by every subcommand. UserError if the
/// learner needs classes and there are none.
struct Workbench {
  std::shared_ptr<const Model> model;
  std::unique_ptr<const Learner> learner;
};
Workbench make_workbench(const RunConfig& config, const std::vector<ModalitySpec>& modalities,
                         std::int64_t target_width, const Extensions& extensions);

/// Episodes of evaluation: the config's, with the evaluation section's way, shot and query where
/// given.
EpisodeOptions evaluation_episodes(const RunConfig& config);

/// Modality specs as JSON text and back: checkpoints and adapted files carry them, so that they
/// stand alone.
std::string modalities_to_json(const std::vector<ModalitySpec>& modalities);
std::vector<ModalitySpec> modalities_from_json(const std::string& json);

}  // namespace cuttle
