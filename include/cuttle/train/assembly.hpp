#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/config/run_config.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/model/model.hpp"
#include "cuttle/step/optimizer.hpp"
#include "cuttle/task/objective.hpp"
#include "cuttle/task/task.hpp"

namespace cuttle {

/// What configs can name. An outside program adds its own types here and calls run_app: it then has
/// every subcommand of cuttle (tests/install shows one).
struct Extensions {
  ModelRegistry model;
  std::map<std::string, LearnerType> learners = builtin_learners();
  std::map<std::string, TaskKindType> targets = builtin_task_kinds();
  std::map<std::string, SourceType> sources = builtin_sources();
  std::map<std::string, ObjectiveType> objectives = builtin_objectives();
  std::map<std::string, OptimizerType> optimizers = builtin_optimizers();
};

/// The types by kind, as configs and `cuttle list` see them.
Catalog catalog_of(const Extensions& extensions);

/// Whether the config's tasks are made of shards.
bool reads_shards(const RunConfig& config, const Extensions& extensions);

/// The data that a config's tasks are made of; null where its source needs none. UserError as
/// Dataset::open.
std::unique_ptr<Dataset> open_data(const RunConfig& config, const Extensions& extensions);

/// What the config's tasks look like: of the data, or of a source that needs none.
TaskInputs inputs_of(const RunConfig& config, const Extensions& extensions, const Dataset* data);

/// A run put together: what is asked, the model, the learner, and all that they declared in one
/// layout. The same for every subcommand. Copies share it.
struct Assembly {
  std::shared_ptr<const TaskKind> kind;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Learner> learner;
};

/// UserError if a type is unknown, or parts do not fit each other.
Assembly assemble(const RunConfig& config, const TaskInputs& inputs, const Extensions& extensions);

/// The config's tasks of one split. `dropout`: chance that a present modality is hidden.
/// `evaluation`: episodes to evaluate on, also where training gets something else. References must
/// outlive it. UserError if the data cannot give them.
std::unique_ptr<const TaskSource> make_source(const RunConfig& config, const Extensions& extensions,
                                              const Assembly& assembly, Split split,
                                              const EpisodeOptions& episode, const Dataset* data,
                                              double dropout, SampleCache* kept, bool evaluation);

/// Episodes of evaluation: the config's, with the evaluation section's way, shot and query where
/// given.
EpisodeOptions evaluation_episodes(const RunConfig& config);

/// Modality specs as JSON text and back: checkpoints and adapted files carry them, so that they
/// stand alone.
std::string modalities_to_json(const std::vector<ModalitySpec>& modalities);
std::vector<ModalitySpec> modalities_from_json(const std::string& json);

}  // namespace cuttle
