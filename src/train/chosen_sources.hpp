#pragma once

#include <string>
#include <vector>

#include "cuttle/config/run_config.hpp"

namespace cuttle {

/// A source that a config asks for.
struct ChosenSource {
  std::string key, type_key, shards_key;  ///< where the config speaks of it
  const Section* section = nullptr;       ///< the config's
  double weight = 1.0;
  DataOptions data;
};

/// The sources of `sources` that have a weight, in the order of their names; else that of
/// `episode`.
std::vector<ChosenSource> chosen_sources(const RunConfig& config);

}  // namespace cuttle
