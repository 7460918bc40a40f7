#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/signals.hpp"
#include "cuttle/train/assembly.hpp"
#include "cuttle/train/run_state.hpp"

namespace cuttle {

/// How a call of Trainer::run ended.
struct TrainOutcome {
  bool complete = false;  ///< all steps done, or early stopping; false: a signal asked to stop, a
                          ///< checkpoint is there
  std::int64_t step = 0;
  std::string parameters_sha256;
  RunProgress progress;
};

/// Where a run lives, and how it is entered.
struct RunFolder {
  std::string path;
  bool resume = false;  ///< go on from its newest checkpoint, if there is one; false: a folder that
                        ///< holds a run is refused
  bool take_over = false;    ///< its lock, from a holder on another host that is known to be dead
  bool strict_init = false;  ///< refuse train.init_from where not all of it fits
};

/// What would keep a run of this config from its first step, as much as can be found at once;
/// empty: nothing would. Opens what training opens, on one process, and writes nothing; warns as
/// training does. Prepares the process.
std::vector<std::string> find_obstacles(const RunConfig& config, const Extensions& extensions);

/// The training loop around meta_step: validation, early stopping, checkpoints, records, signals.
/// Every rank makes one and calls it alike; rank 0 alone writes. What it computes depends on config
/// and data, never on the world size or on how often it was interrupted.
class Trainer {
 public:
  /// Opens data, builds the model, loads or initialises the state, agrees with the other ranks on
  /// everything that bits depend on. Collective; throws the same error on all ranks.
  Trainer(const RunConfig& config, Communicator& comm, const Extensions& extensions,
          const RunFolder& folder, const Console& console);
  ~Trainer();

  /// Steps until config.train.steps, early stopping or a stop request. Collective.
  TrainOutcome run(SignalWatch& signals);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cuttle
