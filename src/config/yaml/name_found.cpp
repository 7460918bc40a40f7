#include <fmt/format.h>

#include <cstdint>

#include "config/yaml/config_node.hpp"
#include "config/yaml/config_value.hpp"

namespace cuttle {

std::string quote_short(std::string_view text) {
  constexpr std::size_t kShown = 40;
  std::size_t end = text.size();
  if (end > kShown) {
    end = kShown;
    while (end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xC0) == 0x80)
      --end;  // whole characters
  }
  return quote_text(text.substr(0, end)) + (end < text.size() ? "..." : "");
}

std::string name_found(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return "nothing";
    case ConfigNode::Kind::kList:
      return "a list";
    case ConfigNode::Kind::kMap:
      return "keys below it";
    case ConfigNode::Kind::kScalar:
      break;
  }
  if (!node.quoted && looks_unquoted(node.text)) return node.text;
  return "text " + quote_short(node.text);
}

}  // namespace cuttle
