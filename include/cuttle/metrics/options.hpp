#pragma once

#include <map>
#include <string>

#include "cuttle/config/section.hpp"

namespace cuttle {

/// A place that a run's numbers go to (metrics/sinks).
struct SinkOptions {
  Section sink{"tensorboard"};
};

/// Those that a run has unless its config changes them, by names that a config uses.
inline std::map<std::string, SinkOptions> usual_sinks() {
  return {{"console", SinkOptions{"console"}}, {"records", SinkOptions{"jsonl"}}};
}

}  // namespace cuttle
