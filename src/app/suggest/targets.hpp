#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cuttle/data/dataset.hpp"

namespace cuttle {

/// What the numbers of a data set's targets are, by what they look like.
struct TargetChoice {
  std::string type, reason;                               ///< of episode.target
  std::vector<std::pair<std::string, std::string>> keys;  ///< beside it, "levels: 5", and why
  bool estimates = true;  ///< a regression finds them, as they are no steps of a scale
};

/// Of a data set whose target_width() is not 0; reads the targets of all samples.
TargetChoice choose_target(const Dataset& data);

}  // namespace cuttle
