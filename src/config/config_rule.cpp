#include "cuttle/config/rule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "config/yaml/config_node.hpp"

namespace cuttle {
namespace {

constexpr std::size_t kLongestRunName = 64;
/// Ends of ranges are written without exponent, and as people write them.
std::string shown(double bound) {
  return fmt::format("{:.10g}", bound);
}

ConfigRule range(double low, bool low_open, double high, bool high_open) {
  ConfigRule rule;
  rule.low = low;
  rule.low_open = low_open;
  rule.high = high;
  rule.high_open = high_open;
  return rule;
}

ConfigRule text_rule(ConfigRule::Text text) {
  ConfigRule rule;
  rule.text = text;
  return rule;
}

}  // namespace

bool is_plain_word(const std::string& text, const char* others) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && std::strchr(others, c) != nullptr);
  });
}

std::string ConfigRule::summary() const {
  if (!allowed.empty()) return fmt::format("{}", fmt::join(allowed, " | "));
  if (!std::isfinite(low)) return "";
  const std::string begin = (low_open ? "above " : "") + shown(low);
  const char* to = high_open ? " to below " : low_open ? ", up to " : " to ";
  if (std::isfinite(high)) return begin + to + shown(high);
  return low_open ? begin : begin + " or more";
}

std::string ConfigRule::objection(double value) const {
  if (!std::isfinite(value)) return "is not a finite number";
  const bool too_low = low_open ? value <= low : value < low;
  const bool too_high = high_open ? value >= high : value > high;
  return too_low || too_high ? fmt::format("is {}; must be {}", value, summary()) : "";
}

std::string ConfigRule::objection(const std::string& value) const {
  if (!allowed.empty()) {
    if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return "";
    const std::string last = allowed.back();
    const std::vector<std::string> others(allowed.begin(), allowed.end() - 1);
    return fmt::format("is {}; must be {} or {}", quote_short(value), fmt::join(others, ", "),
                       last);
  }
  if (text == Text::kAny) return "";
  if (text == Text::kRunName) {
    const bool good =
        is_plain_word(value, "_-.") && value[0] != '.' && value.size() <= kLongestRunName;
    return good ? ""
                : fmt::format(
                      "is {} (it begins the name of a folder); use letters, digits, _ - and ., "
                      "at most {}",
                      quote_short(value), kLongestRunName);
  }
  return is_plain_word(value, "_-")
             ? ""
             : fmt::format("is {}; use letters, digits, _ and - only", quote_short(value));
}

ConfigRule anything() {
  return {};
}
ConfigRule at_least(double low) {
  return range(low, false, std::numeric_limits<double>::infinity(), false);
}
ConfigRule above(double low) {
  return range(low, true, std::numeric_limits<double>::infinity(), false);
}
ConfigRule between(double low, double high) {
  return range(low, false, high, false);
}
ConfigRule from_below(double low, double high) {
  return range(low, false, high, true);
}
ConfigRule above_to(double low, double high) {
  return range(low, true, high, false);
}
ConfigRule one_of(std::vector<std::string> allowed) {
  ConfigRule rule;
  rule.allowed = std::move(allowed);
  return rule;
}
ConfigRule plain_word() {
  return text_rule(ConfigRule::Text::kWord);
}
ConfigRule run_name() {
  return text_rule(ConfigRule::Text::kRunName);
}

}  // namespace cuttle
