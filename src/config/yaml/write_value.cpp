#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <type_traits>

#include "config/yaml/config_value.hpp"

namespace cuttle {
namespace {

/// Words that some YAML reader takes for something else than text; "..." ends a document.
bool is_special_word(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array kWords = {"null", "true", "false", "yes",  "no",   "on",
                                 "off",  "y",    "n",     ".inf", ".nan", "..."};
  return std::find(kWords.begin(), kWords.end(), text) != kWords.end();
}

std::string write(bool value) {
  return value ? "true" : "false";
}

/// The shortest digits that read back to the same bits, with the point that YAML 1.1 readers need
/// to see a number.
std::string write(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find('.') == text.npos) text.insert(std::min(text.find('e'), text.size()), ".0");
  return text;
}

template <class Integer>
std::enable_if_t<std::is_integral_v<Integer>, std::string> write(Integer value) {
  return fmt::format("{}", value);
}

std::string write(const std::string& value) {
  return write_text(value);
}

std::string write(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + write_text(value);
  return "[" + text + "]";
}

}  // namespace

std::string quote_text(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if ((c >= 0 && c < 0x20) || c == 0x7F) {
      quoted += fmt::format("\\x{:02x}", static_cast<int>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string write_text(const std::string& text) {
  const auto starts_plainly = [&] {
    return std::isalpha(static_cast<unsigned char>(text[0])) != 0 || text[0] == '/' ||
           (text[0] == '.' && text.size() > 1 &&
            std::isdigit(static_cast<unsigned char>(text[1])) == 0);
  };
  const bool plain = is_plain_word(text, "_-./*+") && starts_plainly() && !is_special_word(text);
  return plain ? text : quote_text(text);
}

std::string write_value(const ConfigTarget& target) {
  return std::visit([](const auto* value) { return write(*value); }, target);
}

}  // namespace cuttle
