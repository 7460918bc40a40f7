#pragma once

#include "config/config_problems.hpp"
#include "config/config_reader.hpp"
#include "cuttle/config/run_config.hpp"

namespace cuttle {

/// Reports values that are fine alone and impossible or without effect together. Keys whose own
/// value was refused are left out: one mistake, one message.
void cross_check(const RunConfig& config, const Catalog& catalog, const ConfigReader& reader,
                 ConfigProblems& problems);

}  // namespace cuttle
