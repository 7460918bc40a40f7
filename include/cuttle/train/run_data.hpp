#pragma once

#include <deque>
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
};

/// What a run's tasks are made of: the one source of `episode`, or several of `sources`, each with
/// its shards if it reads some. Several data sets are seen in the senses of all of them. Config and
/// extensions must outlive it. Immutable.
class RunData {
 public:
  /// Opens the shards. `trained`: of the tasks that a model was trained on; null: those that the
  /// sources give. UserError as Dataset::open, and where the sources do not fit each other or the
  /// model, or a key does nothing with them (check_protocol).
  static std::unique_ptr<RunData> open(const RunConfig& config, const Extensions& extensions,
                                       const TaskInputs* trained = nullptr);

  /// What the tasks look like.
  const TaskInputs& inputs() const { return inputs_; }
  /// Of all data sets; "none" where there are none.
  std::string fingerprint() const;
  /// The data set, where the run has one source and that reads shards; else null.
  const Dataset* alone() const;

  /// A line for people about each sense that no sample of a split has, though others of the split
  /// are there.
  std::vector<std::string> absent_senses() const;

  /// What is kept of single samples, source by source (SampleCache).
  using Kept = std::deque<SampleCache>;
  Kept keep(const Model& model, const ParameterList& parameters, bool input_rows) const;
  /// The tasks of one split; all references must outlive them. `kept`: of keep(), or null.
  /// UserError if the data cannot give them, or the model not the outputs that they ask for.
  std::unique_ptr<const TaskSource> source(const Assembly& assembly, const TasksWanted& wanted,
                                           Kept* kept) const;

 private:
  struct Part {
    std::string key;  ///< in the config
    const Section* section = nullptr;
    double weight = 1.0;
    const SourceType* type = nullptr;
    DataOptions options;            ///< of its shards, beside other sources
    std::unique_ptr<Dataset> data;  ///< null: it needs none
    std::vector<ModalitySpec> senses;
    std::int64_t target_width = 0;
  };
  std::vector<Part> parts_;
  TaskInputs inputs_;

  RunData() = default;
  void open_parts(const RunConfig& config, const Extensions& extensions,
                  const std::vector<ModalitySpec>* trained);
  void unite(const RunConfig& config, bool values, const std::vector<ModalitySpec>* trained);
  std::int64_t common_target_width(bool values) const;
};

/// Opens shards in the senses of a model; those that they lack are missing, with a warning.
/// UserError where one does not fit, or all are lacking.
std::unique_ptr<Dataset> open_for(const std::vector<ModalitySpec>& modalities,
                                  const DataOptions& options);

}  // namespace cuttle
