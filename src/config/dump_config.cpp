#include <fmt/format.h>

#include <algorithm>

#include "config/config_schema.hpp"
#include "config/yaml/config_value.hpp"

namespace cuttle {
namespace {

/// Where the comments begin, unless a value is longer.
constexpr std::size_t kCommentColumn = 34;

std::string comment_of(const ConfigSchema& schema, const ConfigItem& item) {
  if (item.kind == ConfigItem::Kind::kChoice) {
    std::string names;
    for (const auto& type : schema.types_of(item))
      names += (names.empty() ? "" : " | ") + type.first;
    return fmt::format("{}; {}", names, item.help);
  }
  const std::string summary = item.rule.summary();
  if (summary.empty() || summary == "0 or more") return item.help;  // the help says what 0 means
  if (item.rule.allowed.empty()) return fmt::format("{} ({})", item.help, summary);
  return fmt::format("{}; {}", summary, item.help);
}

std::string line_of(const ConfigSchema& schema, const ConfigItem& item, bool documented) {
  const auto depth = static_cast<std::size_t>(std::count(item.key.begin(), item.key.end(), '.'));
  std::string line(2 * depth, ' ');
  line += write_text(item.key.substr(item.key.rfind('.') + 1)) + ":";
  if (item.kind == ConfigItem::Kind::kField || item.kind == ConfigItem::Kind::kChoice)
    line += " " + write_value(item.target);
  const std::string comment = documented ? comment_of(schema, item) : "";
  if (comment.empty()) return line;
  return fmt::format("{:<{}}  # {}", line, kCommentColumn, comment);
}

/// What an entry would look like, as comments: without it, a section that starts empty would
/// explain nothing.
std::string example_lines(const std::string& key, const Catalog& catalog) {
  RunConfig sample;
  ConfigSchema schema(sample, catalog);
  const ConfigItem& entries = *schema.find(key);
  entries.add_entry(entries.example);
  std::string lines;
  for (const ConfigItem& item : schema.items()) {
    const bool below =
        item.key.size() > key.size() && item.key.compare(0, key.size() + 1, key + ".") == 0;
    if (below) lines += "#" + line_of(schema, item, true) + "\n";
  }
  return lines;
}

bool has_entries(const ConfigSchema& schema, const std::string& key) {
  return std::any_of(schema.items().begin(), schema.items().end(), [&](const ConfigItem& item) {
    return item.key.compare(0, key.size() + 1, key + ".") == 0;
  });
}

}  // namespace

std::string dump_config(const RunConfig& config, const Catalog& catalog, bool documented) {
  RunConfig copy = config;
  const ConfigSchema schema(copy, catalog);
  std::string text;
  for (const ConfigItem& item : schema.items()) {
    const bool empty = item.kind == ConfigItem::Kind::kEntries && !has_entries(schema, item.key);
    const bool top_section =
        item.kind == ConfigItem::Kind::kSection && item.key.find('.') == item.key.npos;
    if (documented && top_section) text += "\n";
    text += line_of(schema, item, documented) + (empty && !documented ? " {}" : "") + "\n";
    if (empty && documented) text += example_lines(item.key, catalog);
  }
  return text;
}

}  // namespace cuttle
