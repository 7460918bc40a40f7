#include "config/config_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "config/suggest_key.hpp"

namespace cuttle {
namespace {

/// Keys come from anybody: what is shown of them is short and printable.
std::string show_key(const std::string& key) {
  return key.size() <= 80 && is_plain_word(key, "_-.") ? key : quote_short(key);
}

/// The words between the dots; empty ones included.
std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t dot; (dot = path.find('.', begin)) != path.npos; begin = dot + 1) {
    parts.push_back(path.substr(begin, dot - begin));
  }
  parts.push_back(path.substr(begin));
  return parts;
}

/// Maps around the value, as if the path had been written in a file.
ConfigNode nest(const std::vector<std::string>& parts, ConfigNode value) {
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    value.key = *part;
    value.line = 0;
    ConfigNode outer;
    outer.kind = ConfigNode::Kind::kMap;
    outer.children.push_back(std::move(value));
    value = std::move(outer);
  }
  return value;
}

}  // namespace

void ConfigReader::read_file_text(const std::string& yaml) {
  readable_ = false;
  try {
    const ConfigNode root = parse_yaml(yaml);
    if (root.kind == ConfigNode::Kind::kNull) {
      problems_.add({}, "", "holds no keys; `cuttle dump-default` prints a complete configuration");
    } else if (root.kind != ConfigNode::Kind::kMap) {
      problems_.add({0, root.line}, "",
                    fmt::format("must be keys and values, found {}", name_found(root)));
    } else {
      readable_ = true;
      read_keys(root, "", 0);
    }
  } catch (const ConfigSyntaxError& error) {
    problems_.add({0, error.line}, "", error.what());
  }
}

void ConfigReader::read_override(const std::string& assignment, int n) {
  const std::size_t equals = assignment.find('=');
  const std::string key = assignment.substr(0, equals);
  const std::vector<std::string> parts = split_path(key);
  const bool complete =
      std::none_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); });
  if (equals == assignment.npos || !complete) {
    problems_.add({n, 0}, "",
                  fmt::format("{} is no override; write key=value, e.g. adapt.inner_steps=5",
                              quote_short(assignment)));
    return;
  }
  const std::string value = assignment.substr(equals + 1);
  try {
    ConfigNode node = parse_yaml(value);
    if (value.empty()) {  // `key=` is how a shell writes empty text
      node.kind = ConfigNode::Kind::kScalar;
      node.quoted = true;
    }
    read_keys(nest(parts, std::move(node)), "", n);
  } catch (const ConfigSyntaxError& error) {
    problems_.add({n, 0}, show_key(key), error.what());
  }
}

void ConfigReader::read_keys(const ConfigNode& map, const std::string& prefix, int source) {
  std::map<std::string, int> seen;
  for (const ConfigNode& child : map.children) {
    const std::string key = prefix + child.key;
    const ConfigPlace place{source, child.line};
    if (report_duplicate(child, key, seen, source)) continue;
    const ConfigItem* item = child.key.find('.') == child.key.npos ? schema_.find(key) : nullptr;
    if (item == nullptr) {
      report_unknown(key, prefix, place);
    } else if (item->kind == ConfigItem::Kind::kField) {
      read_field(child, *item, place);
    } else if (item->kind == ConfigItem::Kind::kSection) {
      read_section(child, key, source);
    } else {
      read_entries(child, *item, source);
    }
  }
}

void ConfigReader::read_section(const ConfigNode& node, const std::string& key, int source) {
  if (is_map(node, key, source)) read_keys(node, key + ".", source);
}

void ConfigReader::read_entries(const ConfigNode& node, const ConfigItem& item, int source) {
  if (!is_map(node, item.key, source)) return;
  std::map<std::string, int> seen;
  for (const ConfigNode& child : node.children) {
    const std::string key = item.key + "." + child.key;
    if (report_duplicate(child, key, seen, source)) continue;
    if (!is_plain_word(child.key, "_-")) {
      problems_.add(
          {source, child.line}, item.key,
          fmt::format("{} is no name; use letters, digits, _ and -", quote_short(child.key)));
      continue;
    }
    if (schema_.find(key) == nullptr) item.add_entry(child.key);
    read_section(child, key, source);
  }
}

void ConfigReader::read_field(const ConfigNode& node, const ConfigItem& item, ConfigPlace place) {
  std::map<std::string, int> seen;
  if (node.kind == ConfigNode::Kind::kMap) {
    for (const ConfigNode& child : node.children) {
      report_duplicate(child, item.key + "." + child.key, seen, place.source);
    }
  }
  const std::string problem = read_value(node, item.rule, item.target);
  if (!problem.empty()) problems_.add(place, item.key, problem);
  given_[item.key] = {place, problem.empty()};
}

bool ConfigReader::is_map(const ConfigNode& node, const std::string& key, int source) {
  if (node.kind == ConfigNode::Kind::kNull) return true;  // all its keys are commented out
  if (node.kind == ConfigNode::Kind::kMap) return true;
  problems_.add({source, node.line}, key,
                fmt::format("must be a section of keys, found {}", name_found(node)));
  return false;
}

bool ConfigReader::report_duplicate(const ConfigNode& child, const std::string& key,
                                    std::map<std::string, int>& seen, int source) {
  const auto [first, is_new] = seen.emplace(child.key, child.line);
  if (is_new) return false;
  problems_.add({source, child.line}, show_key(key),
                source > 0
                    ? "given twice; keep one"
                    : fmt::format("given twice (first in line {}); keep one", first->second));
  return true;
}

void ConfigReader::report_unknown(const std::string& key, const std::string& prefix,
                                  ConfigPlace place) {
  if (problems_.plenty()) return problems_.add(place, key, "unknown key");
  const std::string last = key.substr(prefix.size());
  std::string advice;
  if (last.find('.') != last.npos && schema_.find(key) != nullptr) {
    advice =
        "dotted keys are for the command line; in a file write the section, and its key indented "
        "below";
  } else if (const std::string near = suggest_key(key, schema_.keys()); !near.empty()) {
    advice = "did you mean " + near + "?";
  } else {
    std::vector<std::string> names;
    for (const std::string& valid : schema_.keys()) {
      const bool here =
          valid.size() > prefix.size() && valid.compare(0, prefix.size(), prefix) == 0;
      if (here && valid.find('.', prefix.size()) == valid.npos)
        names.push_back(valid.substr(prefix.size()));
    }
    advice = fmt::format("valid here: {}", fmt::join(names, ", "));
  }
  problems_.add(place, show_key(key), "unknown key; " + advice);
}

}  // namespace cuttle
