#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cuttle/config/type.hpp"
#include "cuttle/core/random.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/model/sample_cache.hpp"
#include "cuttle/sense/batch.hpp"
#include "cuttle/sense/options.hpp"
#include "cuttle/task/episode.hpp"

namespace cuttle {

/// A task ready to be learned: tensors and the key of its own randomness.
struct Task {
  Batch support, query;
  RandomKey key;
  std::vector<std::int32_t> classes = {};  ///< global class ids by label; empty: none

  Task on(torch::Device device) const {
    return {support.on(device), query.on(device), key, classes};
  }
};

/// Where tasks come from, of one split: pure functions of a key, the same on every rank and for
/// training, validation and test. Usable from any thread.
class TaskSource {
 public:
  virtual ~TaskSource() = default;
  /// How large make(key) will be, without making it: for sharing out work.
  virtual EpisodeSize size(const RandomKey& key) const = 0;
  /// The task, on the CPU. Errors as Dataset::read.
  virtual Task make(const RandomKey& key) const = 0;
  /// The samples of the one data set that make(key) reads: support, then query. Empty: it reads
  /// none, or several data sets.
  virtual std::vector<std::int64_t> samples(const RandomKey&) const { return {}; }
  /// What of its split no task has, and why, to be told to people; empty: all may occur.
  virtual std::string left_out() const { return {}; }
};

/// What a source gives to a model: the senses of its samples and the width of their targets.
struct TaskInputs {
  std::vector<ModalitySpec> modalities;
  std::int64_t target_width = 0;  ///< 0: none
  std::int64_t classes = 0;       ///< classes of the training split; 0: not from classes
  std::int64_t outputs = 0;       ///< most columns that outputs have (TaskKind::outputs)
  std::int64_t support = 0;       ///< most samples of a support set
  std::vector<std::string> target_names = {};  ///< of the shards; empty: they are not known
  TargetUnits units = {};                      ///< in which their values are learned
};

/// These, or value_1 and so on.
std::vector<std::string> names_of_targets(const TaskInputs& inputs);

/// What a task is made of, and what a learner takes: a support and a query set; one set of labelled
/// samples of all training classes; an environment.
enum class TaskForm { kEpisode, kMinibatch, kEnvironment };

/// What a source of tasks is built from. References outlive it, but for `episode`, which it copies.
struct SourceRequest {
  const Section& section;
  const EpisodeOptions& episode;  ///< way, shot, query, ...
  Split split = Split::kTrain;
  const Dataset* data = nullptr;  ///< null: the source needs none
  const Model& model;
  SampleCache* kept = nullptr;  ///< as in Model::prepare
  double modality_dropout = 0;  ///< in training tasks
  bool evaluation = false;      ///< episodes are wanted, whatever training gets
  AugmentOptions augment = {};  ///< of training tasks
};
struct SourceType : Type<TaskSource, SourceRequest> {
  /// What its tasks look like, where they come from no shards; null: they come from shards.
  std::function<TaskInputs(const Section&)> inputs;
  /// Of the files beside shards that its training tasks go by; null, or empty: none.
  std::function<std::string(const Section&)> files_fingerprint;
  TaskForm form = TaskForm::kEpisode;  ///< of its training tasks
  bool gives_classes = false;          ///< without shards: it makes tasks of classes, too
  /// The optional keys that its tasks go by, in training or in evaluation (check_protocol).
  std::set<std::string> protocol = {"episode.way_min",        "episode.shot_min", "episode.uneven",
                                    "episode.groups",         "episode.complete", "augment.tasks",
                                    "model.modality_dropout", "model.dropout"};
};

/// In task/sources, one file each.
std::map<std::string, SourceType> builtin_sources();

/// One of several sources, and its weight beside the others'.
struct MixturePart {
  std::unique_ptr<const TaskSource> source;
  double weight = 1.0;
  /// Where the senses of its batches stand among those of the model.
  std::vector<std::size_t> places;
};
/// Each task comes from one of the sources, with a chance in proportion to its weight; its key
/// says from which. Batches have `senses` modalities, those that a source has not are absent. Class
/// ids, which mean something in one data set alone, are left out.
std::unique_ptr<const TaskSource> mix(std::vector<MixturePart> parts, std::size_t senses);

/// Tasks of this source with Model::dropout, by their keys, for training. `model` outlives it.
std::unique_ptr<const TaskSource> with_dropout(std::unique_ptr<const TaskSource> source,
                                               const Model& model);

/// An episode as tensors on the CPU; `kept` as in Model::prepare.
Task make_task(const Model& model, const Episode& episode, SampleCache* kept = nullptr);

}  // namespace cuttle
