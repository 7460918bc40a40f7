#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/config/run_config.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/model/sample_cache.hpp"
#include "cuttle/train/assembly.hpp"

namespace cuttle {

/// Which tasks are wanted of a run's sources.
struct TasksWanted {
  Split split = Split::kTrain;
  EpisodeOptions episode;
  double dropout = 0.0;     ///< chance that a present modality is hidden
  bool evaluation = false;  ///< episodes to evaluate on, also where training gets something else
  AugmentOptions augment = {};  ///< how samples are changed
};

/// What a run's tasks are made of: the one source of `episode`, or several of `sources`, each with
/// its shards if it reads some. Several data sets are seen in the senses of all of them. Validation
/// and test may have shards of their own, seen as those of training: in their senses, standardised
/// by their statistics. Config and extensions must outlive it. Immutable.
class RunData {
 public:
  /// Opens the shards. `trained`: of the tasks that a model was trained on; null: those that the
  /// sources give. `statistics`: whose mean and stddev take the place of the shards' own, where a
  /// sense of that name fits, and whose preprocessing is taken where it is the same steps; null:
  /// none. UserError as Dataset::open, and where the sources do not fit each other or the model, or
  /// preprocessing cannot be fitted.
  static std::unique_ptr<RunData> open(const RunConfig& config, const Extensions& extensions,
                                       const TaskInputs* trained = nullptr,
                                       const std::vector<ModalitySpec>* statistics = nullptr);

  /// What the tasks look like.
  const TaskInputs& inputs() const { return inputs_; }
  /// Of all data sets that have a part in the run's bits: those of training, and of validation
  /// (which chooses the best checkpoint, and when to stop) where it has its own; "none" where there
  /// are none.
  std::string fingerprint() const;
  /// Of the files beside shards that tasks of training go by (SourceType::files_fingerprint);
  /// empty: there are none.
  std::string files_fingerprint() const;
  /// The data set of a split, where the run has one source and that reads shards; else null.
  /// UserError where the split is all, and validation or test have their own.
  const Dataset* alone(Split split) const;
  /// The patterns that name the shards of a split, over all sources.
  std::vector<std::string> shards_of(Split split) const;

  // Lines for people, about:
  /// each data set that validation or test have for themselves;
  std::vector<std::string> own_sets() const;
  /// each of these with classes that are, by name, training classes of the same source;
  std::vector<std::string> seen_classes() const;
  /// each sense that no sample of a split has, though others of the split are there.
  std::vector<std::string> absent_senses() const;

  /// What is kept of single samples, for each data set (SampleCache).
  using Kept = std::map<const Dataset*, SampleCache>;
  Kept keep(const Model& model, const ParameterList& parameters, bool input_rows) const;
  /// The tasks of one split; all references must outlive them. `kept`: of keep(), or null.
  /// UserError if the data cannot give them, or the model not the outputs that they ask for.
  std::unique_ptr<const TaskSource> source(const Assembly& assembly, const TasksWanted& wanted,
                                           Kept* kept) const;

 private:
  struct Part {
    std::string key, shards_key;  ///< in the config
    const Section* section = nullptr;
    double weight = 1.0;
    const SourceType* type = nullptr;
    DataOptions options;                        ///< of its shards
    std::unique_ptr<Dataset> data;              ///< null: it needs none
    std::unique_ptr<Dataset> validation, test;  ///< null: those of `data`
    std::vector<ModalitySpec> senses;
    std::int64_t target_width = 0;
    std::string files_fingerprint;  ///< empty: it has none, or nothing is trained

    const Dataset* of(Split split) const;
    const std::vector<std::string>& shards_of(Split split) const;
  };
  std::vector<Part> parts_;
  TaskInputs inputs_;

  RunData() = default;
  void open_parts(const RunConfig& config, const Extensions& extensions,
                  const std::vector<ModalitySpec>* trained,
                  const std::vector<ModalitySpec>* statistics);
  void unite(const RunConfig& config, bool values, const Extensions& extensions,
             const std::vector<ModalitySpec>* trained, const std::vector<ModalitySpec>* statistics);
  void preprocess(const RunConfig& config, const Extensions& extensions,
                  const std::vector<ModalitySpec>* statistics);
  void open_own_sets(const Extensions& extensions, bool training);
  template <class Work>
  static void for_each_own(const Part& part, const Work& work);
  std::int64_t common_target_width(bool values) const;
  TargetUnits training_units() const;
};

/// A line for people where classes of the other data set's split are, by name, training classes of
/// the first (what is measured is not how classes are learned that were never seen); else empty.
std::string seen_in_training(const Dataset& training, const Dataset& other, Split split);

/// Opens shards in the senses of a model; those that they lack are missing, with a warning. `name`:
/// what people call them; empty: by the first path. Columns of tables are matched by name; a sense
/// of which the model knows no columns has the shards'. UserError where one does not fit, some of
/// its columns are not there, or all are lacking.
std::unique_ptr<Dataset> open_for(const std::vector<ModalitySpec>& modalities,
                                  const DataOptions& options, const Extensions& extensions,
                                  const std::string& name = "");

}  // namespace cuttle
