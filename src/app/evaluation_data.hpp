#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/loaded_run.hpp"

namespace cuttle {

/// What a run is evaluated on: its own data or, where some are given, these shards (files or
/// patterns), which take the place of those of its one source. Warns where classes of the split
/// are, by name, those that the run was trained on. Refers to the run's config. UserError as
/// RunData::open, and if shards are given and the run has several sources.
std::unique_ptr<RunData> evaluation_data(LoadedRun& run, const std::vector<std::string>& shards,
                                         Split split, const Extensions& extensions);

/// The samples of these shards in the model's senses; null where none are given.
std::unique_ptr<Dataset> open_outside(const LoadedRun& run, const std::vector<std::string>& shards,
                                      const Extensions& extensions);

/// "600 test episodes".
std::string say_episodes(std::int64_t count, Split split);

}  // namespace cuttle
