#pragma once

#include <map>
#include <string>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/config/run_config.hpp"
#include "cuttle/train/run_state.hpp"

namespace cuttle {

/// Where a run begins: the newest checkpoint of the folder when resuming, parameters of another run
/// with train.init_from, else the given initial state; then other runs' encoders where the config
/// has model.encoders.*.frozen_from. Rank 0 reads and broadcasts, so the others
/// need no file system in common. UserError (on all ranks) when the config changed in a key that a
/// resume may not change, or the data did.
void start_state(Communicator& comm, const RunConfig& config, const Catalog& catalog,
                 const std::string& run_folder, bool resume,
                 const std::map<std::string, std::string>& facts, TrainState& state,
                 RunProgress& progress);

/// What bits depend on besides data; all ranks have the same config and environment, or all throw,
/// naming what differs and who. The first collective of a run.
std::map<std::string, std::string> agreed_environment(Communicator& comm, const RunConfig& config,
                                                      const Catalog& catalog);

/// The same for data, parameters, the optimizer's slots and step, once they are there.
void agree_on_start(Communicator& comm, const std::map<std::string, std::string>& facts,
                    const TrainState& state);

}  // namespace cuttle
