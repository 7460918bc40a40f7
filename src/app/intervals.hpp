#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cuttle/reduce/interval.hpp"

namespace cuttle {

nlohmann::ordered_json to_json(const Interval& interval);

/// Of shares, in columns of a table: "  91.30 +- 0.52", or "  +1.20 +- 0.31" with a sign.
std::string percent(const Interval& interval, bool sign);

}  // namespace cuttle
