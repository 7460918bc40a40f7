#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <system_error>
#include <type_traits>

#include "config/yaml/config_value.hpp"

namespace cuttle {
namespace {

/// Counts and widths beyond this make no sense, and products of two still fit 64 bits.
constexpr std::int64_t kLargestCount = 1'000'000'000;

/// A value to be written another way is repeated whole in the advice, or not at all.
constexpr std::size_t kLongestAdvice = 200;

/// from_chars of the whole text; one plus sign is allowed.
template <class T>
std::errc parse_number(std::string_view text, T& value) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return error;
  return end == text.data() + text.size() ? std::errc() : std::errc::invalid_argument;
}

bool is_true(const std::string& text) {
  return text == "true" || text == "True" || text == "TRUE";
}
bool is_false(const std::string& text) {
  return text == "false" || text == "False" || text == "FALSE";
}

/// .inf, -.Inf, .NaN and the like.
bool is_infinite_word(std::string text) {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.erase(0, 1);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text == ".inf" || text == ".nan";
}

std::string wrong_type(const char* wanted, const ConfigNode& node) {
  std::string problem = fmt::format("must be {}, found {}", wanted, name_found(node));
  if (node.quoted && looks_unquoted(node.text)) problem += "; remove the quotes";
  return problem;
}

bool is_number(const ConfigNode& node) {
  return node.kind == ConfigNode::Kind::kScalar && !node.quoted;
}

std::string read(const ConfigNode& node, const ConfigRule&, bool& value) {
  if (!is_number(node) || !(is_true(node.text) || is_false(node.text))) {
    return wrong_type("true or false", node);
  }
  value = is_true(node.text);
  return "";
}

template <class Integer>
std::enable_if_t<std::is_integral_v<Integer>, std::string> read(const ConfigNode& node,
                                                                const ConfigRule& rule,
                                                                Integer& value) {
  constexpr bool kIsSeed = std::is_unsigned_v<Integer>;
  const char* wanted = kIsSeed ? "a whole number from 0" : "a whole number";
  Integer parsed = 0;
  const std::errc error =
      is_number(node) ? parse_number(node.text, parsed) : std::errc::invalid_argument;
  if (error == std::errc::invalid_argument) return wrong_type(wanted, node);
  if constexpr (!kIsSeed) {
    const bool negative = node.text[0] == '-';
    if (!negative && (error != std::errc() || parsed > kLargestCount)) {
      return fmt::format("is too large; at most {}", std::min<double>(kLargestCount, rule.high));
    }
  }
  if (error != std::errc()) return fmt::format("is beyond {} bits", sizeof(Integer) * 8);
  const std::string objection = rule.objection(static_cast<double>(parsed));
  if (objection.empty()) value = parsed;
  return objection;
}

std::string read(const ConfigNode& node, const ConfigRule& rule, double& value) {
  double parsed = 0;
  const std::errc error =
      is_number(node) ? parse_number(node.text, parsed) : std::errc::invalid_argument;
  const bool infinite = is_number(node) && is_infinite_word(node.text);
  if (infinite || (error == std::errc() && !std::isfinite(parsed))) {
    return fmt::format("must be a finite number, found {}", node.text);
  }
  if (error == std::errc::result_out_of_range) {
    return fmt::format("{} is beyond double precision; use a number between 1e-300 and 1e300 or 0",
                       quote_short(node.text));
  }
  if (error != std::errc()) return wrong_type("a number", node);
  const std::string objection = rule.objection(parsed);
  if (objection.empty()) value = parsed;
  return objection;
}

bool has_control(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; });
}

/// The text of one scalar, for texts, items of lists and values of maps.
std::string read(const ConfigNode& node, const ConfigRule& rule, std::string& value) {
  if (node.kind == ConfigNode::Kind::kNull)
    return "must be text, found nothing; write \"\" for no text";
  if (node.kind != ConfigNode::Kind::kScalar) return wrong_type("text", node);
  if (has_control(node.text)) {
    return fmt::format("holds a control character or line break ({}); remove it",
                       quote_short(node.text));
  }
  const std::string objection = rule.objection(node.text);
  if (objection.empty()) value = node.text;
  return objection;
}

std::string read(const ConfigNode& node, const ConfigRule& rule, std::vector<std::string>& value) {
  if (node.kind == ConfigNode::Kind::kScalar) {
    return wrong_type("a list", node) + (node.text.size() <= kLongestAdvice
                                             ? fmt::format("; write [{}]", write_text(node.text))
                                             : "; put it in [ ]");
  }
  if (node.kind != ConfigNode::Kind::kList)
    return wrong_type("a list", node) + "; write [] for none";
  std::vector<std::string> parsed(node.children.size());
  for (std::size_t i = 0; i < parsed.size(); ++i) {
    const ConfigNode& item = node.children[i];
    const bool empty = item.kind == ConfigNode::Kind::kNull ||
                       (item.kind == ConfigNode::Kind::kScalar && item.text.empty());
    const std::string problem = empty ? "is empty; remove it" : read(item, rule, parsed[i]);
    if (!problem.empty()) return fmt::format("item {} {}", i + 1, problem);
  }
  value = std::move(parsed);
  return "";
}

}  // namespace

bool looks_unquoted(const std::string& text) {
  double number = 0;
  if (text.size() > 40) return false;
  return is_true(text) || is_false(text) ||
         parse_number(text, number) != std::errc::invalid_argument;
}

std::string read_value(const ConfigNode& node, const ConfigRule& rule, const ConfigTarget& target) {
  return std::visit([&](auto* value) { return read(node, rule, *value); }, target);
}

std::string read_text(const std::string& text, const ConfigRule& rule, const ConfigTarget& target) {
  try {
    return read_value(parse_yaml(text), rule, target);
  } catch (const ConfigSyntaxError& error) {
    return error.what();
  }
}

}  // namespace cuttle
