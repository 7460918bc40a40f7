#pragma once

#include <string>
#include <vector>

#include "cuttle/train/assembly.hpp"
#include "cuttle/train/run_data.hpp"
#include "cuttle/train/run_state.hpp"

namespace cuttle {

/// A trained model as a run or checkpoint folder holds it.
struct LoadedRun {
  std::string folder;  ///< of the checkpoint
  RunConfig config;
  TaskInputs inputs;  ///< of its training tasks
  Assembly parts;
  ParameterList parameters;
  std::int64_t step = 0;
};

/// Reads and verifies; `overrides` change the saved config. Prepares the process for it. UserError
/// as find_checkpoint, and as prepare_process.
LoadedRun load_run(const std::string& folder, bool best, const std::vector<std::string>& overrides,
                   const Extensions& extensions, int local_rank);

}  // namespace cuttle
