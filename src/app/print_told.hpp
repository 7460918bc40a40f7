#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace cuttle {

/// What is told to programs as JSON, for people: a line for each entry, on standard output.
void print_told(const nlohmann::ordered_json& json, const std::string& indent = "");

}  // namespace cuttle
