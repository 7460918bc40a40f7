#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

#include "config/yaml/config_node.hpp"

namespace cuttle {
namespace {

/// A config needs three brackets at most; quotes and comments are not told apart, so there is some
/// slack.
constexpr int kDeepestBrackets = 32;

/// Bytes of the UTF-8 sequence that starts at `i`, 0 if it is none (overlong and surrogate forms
/// are none either).
std::size_t utf8_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) {
    return i + k < text.size() ? static_cast<std::uint8_t>(text[i + k]) : std::uint8_t{0};
  };
  const auto follows = [&](std::size_t k) { return (byte(k) & 0xC0) == 0x80; };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool too_high = first == 0xF4 && byte(1) > 0x8F;
    return follows(1) && follows(2) && follows(3) && !overlong && !too_high ? 4 : 0;
  }
  return 0;
}

bool indents_with_tab(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(' ');
  return begin != line.npos && line[begin] == '\t';
}

}  // namespace

void scan_config_text(std::string_view text) {
  if (text.size() > kLargestConfig) {
    throw ConfigSyntaxError(
        0, fmt::format("is {} bytes long (a configuration has at most {}); is it the right file?",
                       text.size(), kLargestConfig));
  }
  int line = 1, brackets = 0;
  std::size_t length = 1;
  for (std::size_t i = 0; i < text.size(); i += length) {
    const char c = text[i];
    length = utf8_length(text, i);
    if (length == 0) {
      throw ConfigSyntaxError(line,
                              fmt::format("byte 0x{:02x} is not UTF-8 text; save the file as UTF-8",
                                          static_cast<std::uint8_t>(c)));
    }
    if ((static_cast<std::uint8_t>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7F) {
      throw ConfigSyntaxError(
          line, fmt::format("control character 0x{:02x}; remove it", static_cast<std::uint8_t>(c)));
    }
    if (i == 0 || text[i - 1] == '\n') {
      if (indents_with_tab(text.substr(i, text.find('\n', i) - i))) {
        throw ConfigSyntaxError(line,
                                "tab in the indentation (YAML allows spaces only); use spaces");
      }
    }
    if (c == '[' || c == '{') ++brackets;
    if ((c == ']' || c == '}') && brackets > 0) --brackets;
    if (brackets > kDeepestBrackets) {
      throw ConfigSyntaxError(line,
                              fmt::format("more than {} open brackets; a configuration nests no "
                                          "deeper than key: [values]",
                                          kDeepestBrackets));
    }
    if (c == '\n') ++line;
  }
}

}  // namespace cuttle
