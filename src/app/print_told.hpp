#pragma once

#include <nlohmann/json.hpp>

namespace cuttle {

/// On standard output: as JSON, for programs, or for people, a line for each entry.
void print_told(const nlohmann::ordered_json& told, bool as_json);

}  // namespace cuttle
