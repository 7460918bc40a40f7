#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/config/run_config.hpp"
#include "cuttle/metrics/sink.hpp"
#include "cuttle/model/model.hpp"
#include "cuttle/sense/fitted.hpp"
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
  std::map<std::string, SinkType> sinks = builtin_sinks();
  std::map<std::string, FittedType> fitted = builtin_fitted();
};

/// The types by kind, as configs and `cuttle list` see them.
Catalog catalog_of(const Extensions& extensions);

/// A run put together: what is asked, the model, the learner, and all that they declared in one
/// layout. The same for every subcommand. Copies share it.
struct Assembly {
  std::shared_ptr<const TaskKind> kind;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Learner> learner;
};

/// UserError if a type is unknown, or parts do not fit each other: of all that can be told at once.
Assembly assemble(const RunConfig& config, const TaskInputs& inputs, const Extensions& extensions);
/// Its first half, which needs no data: whether the types that are chosen go together.
void check_choices(const RunConfig& config, const Extensions& extensions);
/// Its second half. What there is by the time of a UserError stays in `made`: the model, without a
/// learner.
void assemble_parts(const RunConfig& config, const TaskInputs& inputs, const Extensions& extensions,
                    Assembly& made);

/// The most classes that a task may have: more would be answered by rows of the head, or of the
/// learner, that no training task has used. 0: any number.
std::int64_t most_classes(const RunConfig& config, const Extensions& extensions);
/// UserError where evaluation.way is above that. Part of check_choices().
void check_ways(const RunConfig& config, const Extensions& extensions);

/// UserError where an optional key of the protocol (SourceType) is not as in `usual`, and none of
/// the run's sources goes by it. Sources without a weight count.
void check_protocol(const RunConfig& config, const RunConfig& usual, const Extensions& extensions);

/// Warns of keys and objectives that change nothing in a training run.
void warn_of_idle(const RunConfig& config, const Extensions& extensions);

/// Warns of strengths of `augment` for kinds that none of the tasks' senses has; UserError where
/// nothing would be changed.
void check_augmentation(const RunConfig& config, const TaskInputs& inputs);

/// UserError, ending in `remedy`, where the config asks for other steps of preprocessing than these
/// senses of a model came through.
void check_fitted(const RunConfig& config, const std::vector<ModalitySpec>& senses,
                  const std::string& remedy);

/// Episodes of evaluation: the config's, with the evaluation section's way, shot and query where
/// given.
EpisodeOptions evaluation_episodes(const RunConfig& config);

/// Modality specs as JSON text and back: checkpoints and adapted files carry them, so that they
/// stand alone.
std::string modalities_to_json(const std::vector<ModalitySpec>& modalities);
std::vector<ModalitySpec> modalities_from_json(const std::string& json);

/// What a checkpoint or an adapted file says of a model's inputs (name, text), and back. UserError
/// naming the file if they cannot be read.
std::map<std::string, std::string> entries_of(const TaskInputs& inputs);
TaskInputs inputs_from(const std::map<std::string, std::string>& entries, const std::string& file);

/// The entry that says which files of values a model's encoders hold (Model::held_files).
constexpr const char* kHeldFiles = "encoder_weights";
/// UserError unless those of saved entries are `held`: `file` was made with others.
void check_held_files(const std::map<std::string, std::string>& entries, const std::string& held,
                      const std::string& file);

}  // namespace cuttle
