#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/yaml/config_node.hpp"
#include "cuttle/config/rule.hpp"
#include "cuttle/config/section.hpp"

namespace cuttle {

/// Stores the node's value in the target, or leaves the target alone and returns what is wrong (""
/// when nothing).
std::string read_value(const ConfigNode& node, const ConfigRule& rule, const ConfigTarget& target);

/// The value as YAML on one line; read_value gives the same bits back.
std::string write_value(const ConfigTarget& target);

/// read_value of a text that write_value wrote.
std::string read_text(const std::string& text, const ConfigRule& rule, const ConfigTarget& target);

/// Text as YAML scalar: as it is where that is safe in every context, quoted otherwise.
std::string write_text(const std::string& text);
/// Text as double-quoted YAML scalar.
std::string quote_text(std::string_view text);
/// True for short texts that YAML reads as number or truth value.
bool looks_unquoted(const std::string& text);

}  // namespace cuttle
