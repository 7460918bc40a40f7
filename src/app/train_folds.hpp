#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/config/run_config.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/trainer.hpp"

namespace cuttle {

// k-fold validation over classes: the folder of a run of folds has the config, kFoldsFile (what
// each fold came to so far, and in the end all together) and a run for each, fold-1 to fold-k.

/// Of the run of folds in this folder; 0: it is none, or holds nothing yet.
std::int64_t folds_in(const std::string& folder);

/// load_config of what `folds` folds shall be trained by, 0: a run as it is. UserError also where
/// a key does not go with folds.
RunConfig load_for_folds(const std::string& path, std::vector<std::string> overrides,
                         std::int64_t folds, const Catalog& catalog);

/// The config of one of them, counted from 1. A run's time is all of theirs.
RunConfig config_of_fold(RunConfig config, std::int64_t fold, std::int64_t folds);

/// What would keep any of the folds from training (find_obstacles), and which.
std::vector<std::string> find_obstacles_of_folds(const RunConfig& config, std::int64_t folds,
                                                 const Extensions& extensions,
                                                 WarningsOnce& warnings);

/// Trains one after the other by `train(config, folder, resume)`; those that are done take no step.
/// Stops where one was stopped. Rank 0 writes, and says what they came to. Collective.
ExitCode train_folds(
    const RunConfig& config, std::int64_t folds, Communicator& comm, const std::string& folder,
    const Extensions& extensions, WarningsOnce& warnings,
    const std::function<TrainOutcome(const RunConfig&, const std::string&, bool)>& train);

/// What `inspect` tells of such a folder.
nlohmann::ordered_json describe_folds(const std::string& folder, const Extensions& extensions);

}  // namespace cuttle
