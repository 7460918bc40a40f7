#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/train/assembly.hpp"
#include "cuttle/train/calibration.hpp"

namespace cuttle {

/// What stands in an adapted file beside what the learner keeps.
struct AdaptedTo {
  RunConfig config;
  TaskInputs inputs;
  std::vector<std::string> classes;  ///< empty: values
  /// What validation episodes say of its answers, and how far a sample is from its support set;
  /// none: values, no validation episodes at hand, or an older version's file.
  std::optional<Calibration> calibration;
  std::optional<Novelty> novelty;
  std::string known_tasks = {};  ///< JSON: where the support set lies among the run's known tasks;
                                 ///< empty: the run has none
  std::string held_files = {};   ///< Model::held_files
  bool stands_alone = false;     ///< the files that encoders hold values of are in it, too
};

/// A file that stands alone: everything that `cuttle predict` needs.
void write_adapted(const std::string& path, const AdaptedTo& to, const Adapted& adapted,
                   const Extensions& extensions);

/// An adapted file put together again.
struct AdaptedModel {
  AdaptedTo to;
  Assembly parts;        ///< outlives `adapted`
  std::int64_t way = 0;  ///< classes, or values of a sample
  std::unique_ptr<const Adapted> adapted;
};
/// Whether a file begins as those of adapt do; another one of their format may as well.
bool may_be_adapted(const std::string& path);
/// Prepares the process for it. UserError if the file is something else, or damaged. `together`:
/// samples may teach each other (adapt.refine, where the learner has it); else every sample's
/// answer is its own, as far as the model's norms allow.
AdaptedModel read_adapted(const std::string& path, const Extensions& extensions, bool together);

/// Shards as a data set.
DataOptions shards_only(const std::vector<std::string>& paths);

/// The config with adapt.refine (where the learner has it) as answers of their own need it: 0; or
/// `together`, which is 1 at least.
RunConfig for_use(RunConfig config, bool together, const Extensions& extensions);

/// Says what a transductive model is, and what it costs to ask it about samples one by one.
void warn_if_transductive(const Assembly& parts);

}  // namespace cuttle
