#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cuttle {

/// One value of a configuration text, before it is known what it should be.
struct ConfigNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string key;      ///< in its map; empty at the root and in lists
  std::string text;     ///< of a scalar
  bool quoted = false;  ///< a quoted scalar is text, whatever it looks like
  int line = 0;         ///< of the key (in a list: of the item), from 1
  std::vector<ConfigNode> children;
};

/// Why a text cannot be read at all; line 0: the text as a whole.
struct ConfigSyntaxError : std::runtime_error {
  ConfigSyntaxError(int where, const std::string& what) : std::runtime_error(what), line(where) {}
  int line;
};

/// Texts longer than this are refused.
constexpr std::size_t kLargestConfig = std::size_t{1} << 20;

/// Looks at the bytes alone and throws ConfigSyntaxError for what must not reach the parser: too
/// long, not UTF-8, control characters, tabs in the indentation, brackets nested so deep that the
/// parser would hold them all.
void scan_config_text(std::string_view text);

/// Scans and parses one YAML document. Anchors, aliases, tags, several documents, nesting beyond
/// what a configuration has and syntax errors throw ConfigSyntaxError. Duplicate keys are kept: the
/// reader reports them.
ConfigNode parse_yaml(const std::string& text);

/// What a person calls the value: 'text "ten"', '2.5', 'a list', 'nothing'. Safe to print.
std::string name_found(const ConfigNode& node);
/// `text` in double quotes, escaped, at most about 40 characters of it.
std::string quote_short(std::string_view text);

}  // namespace cuttle
