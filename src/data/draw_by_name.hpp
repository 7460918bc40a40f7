#pragma once

#include <cstdlib>
#include <string>

#include "cuttle/core/hash.hpp"
#include "cuttle/core/random.hpp"

namespace cuttle {

/// From 0 to 1, by a name and the key's seed and stream alone, whatever else the data set has.
inline double draw_by_name(const std::string& name, RandomKey key) {
  key.step = std::strtoull(sha256(name).substr(0, 12).c_str(), nullptr, 16);
  return Random(key).uniform();
}

}  // namespace cuttle
