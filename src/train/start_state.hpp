#pragma once

#include <map>
#include <string>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/config/run_config.hpp"
#include "cuttle/data/sample.hpp"
#include "cuttle/train/run_state.hpp"
#include "cuttle/train/trainer.hpp"

namespace cuttle {

/// Where a run begins: the newest checkpoint of the folder when resuming, else the given initial
/// state, with what other runs' parameters the config asks for (start_parameters). Rank 0 reads and
/// broadcasts, so the others need no file system in common. UserError (on all ranks) when the
/// config changed in a key that a resume may not change, or the data did.
void start_state(Communicator& comm, const RunConfig& config, const Catalog& catalog,
                 const RunFolder& folder, const std::map<std::string, std::string>& facts,
                 TrainState& state, RunProgress& progress);

/// The senses whose mean and stddev standardise the run's in place of its shards': with
/// train.init_statistics those of the source or, when resuming, the run's own. Else none.
/// Collective.
std::vector<ModalitySpec> start_statistics(Communicator& comm, const RunConfig& config,
                                           const RunFolder& folder);

/// What bits depend on besides data; all ranks have the same config and environment, or all throw,
/// naming what differs and who. The first collective of a run.
std::map<std::string, std::string> agreed_environment(Communicator& comm, const RunConfig& config,
                                                      const Catalog& catalog);

/// The same for data, parameters, the optimizer's slots and step, once they are there.
void agree_on_start(Communicator& comm, const std::map<std::string, std::string>& facts,
                    const TrainState& state);

}  // namespace cuttle
