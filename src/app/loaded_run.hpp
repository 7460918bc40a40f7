#pragma once

#include <map>
#include <string>
#include <vector>

#include "cuttle/train/run_state.hpp"
#include "cuttle/train/workbench.hpp"

namespace cuttle {

/// A trained model as a run or checkpoint folder holds it.
struct LoadedRun {
  std::string folder;  ///< of the checkpoint
  RunConfig config;
  std::vector<ModalitySpec> modalities;
  std::int64_t target_width = 0;  ///< of its training data; 0: classes only
  Workbench bench;
  ParameterList parameters;
  std::int64_t step = 0;
};

/// Reads and verifies; `overrides` change the saved config. Prepares the process for it. UserError
/// as find_checkpoint, and as prepare_process.
LoadedRun load_run(const std::string& folder, bool best, const std::vector<std::string>& overrides,
                   const Extensions& extensions, int local_rank);

/// The width of targets among what a checkpoint or an adapted file says of its model; 0 where it
/// says none. UserError naming the file if that is no width.
std::int64_t target_width_of(const std::map<std::string, std::string>& entries,
                             const std::string& file);

/// Opens `shards` for a model: the same modalities in the same order, of the same kinds and shapes,
/// with the model's normalisation. UserError naming the modality that does not fit.
std::unique_ptr<Dataset> open_for(const std::vector<ModalitySpec>& modalities,
                                  const DataOptions& options);

}  // namespace cuttle
