#pragma once

#include <string>
#include <vector>

namespace cuttle {

/// The candidate with the smallest edit distance to `name` (the first of equals); "" without
/// candidates.
std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace cuttle
