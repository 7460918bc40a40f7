#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cuttle/train/assembly.hpp"

namespace cuttle {

/// What stands in an adapted file beside what the learner keeps.
struct AdaptedTo {
  RunConfig config;
  TaskInputs inputs;
  std::vector<std::string> classes;  ///< empty: values
};

/// A file that stands alone: everything that `cuttle predict` needs.
void write_adapted(const std::string& path, const AdaptedTo& to, const Adapted& adapted,
                   const Extensions& extensions);

/// An adapted file put together again.
struct AdaptedModel {
  AdaptedTo to;
  Assembly parts;  ///< outlives `adapted`
  std::int64_t outputs = 0;
  std::unique_ptr<const Adapted> adapted;
};
/// Prepares the process for it. UserError if the file is something else, or damaged.
AdaptedModel read_adapted(const std::string& path, const Extensions& extensions);

/// One shard as a data set.
DataOptions one_shard(const std::string& path);

/// UserError under mpirun with several processes: each would do all the work of `command`.
void expect_one_process(const char* command);

/// Says what a transductive model is, and what it costs to ask it about samples one by one.
void warn_if_transductive(const Assembly& parts, const RunConfig& config);

}  // namespace cuttle
