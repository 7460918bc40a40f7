#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config_node.hpp"
#include "config/config_rule.hpp"

namespace cuttle {

/// The member of an options struct that a key stands for. The struct outlives the schema that
/// points into it.
using ConfigTarget = std::variant<bool*, int*, std::int64_t*, std::uint64_t*, double*, std::string*,
                                  std::vector<std::string>*, std::map<std::string, std::string>*>;

/// Stores the node's value in the target, or leaves the target alone and returns what is wrong (""
/// when nothing). A map target gains the node's keys and keeps its others.
std::string read_value(const ConfigNode& node, const ConfigRule& rule, const ConfigTarget& target);

/// The value as YAML on one line; read_value gives the same bits back.
std::string write_value(const ConfigTarget& target);

/// Text as YAML scalar: as it is where that is safe in every context, quoted otherwise.
std::string write_text(const std::string& text);
/// Text as double-quoted YAML scalar.
std::string quote_text(std::string_view text);
/// True for short texts that YAML reads as number or truth value.
bool looks_unquoted(const std::string& text);

}  // namespace cuttle
