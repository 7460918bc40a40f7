#pragma once

#include <string>
#include <vector>

#include "cuttle/config/run_config.hpp"

namespace cuttle {

/// A line for people about each pattern of shards that matches nothing from this folder, where a
/// run kept the config: its paths are relative to where it was started.
std::vector<std::string> missing_shards(const RunConfig& kept);

}  // namespace cuttle
