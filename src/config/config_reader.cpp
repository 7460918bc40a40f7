#include "config/config_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "config/suggest_key.hpp"
#include "config/yaml/config_value.hpp"

namespace cuttle {
namespace {

/// Among more keys than this, as of thousands of encoders, looking for a near one takes long.
constexpr std::size_t kMostSearched = 5000;

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

ConfigNode* child_of(ConfigNode* map, const char* key) {
  if (map == nullptr) return nullptr;
  for (ConfigNode& child : map->children)
    if (child.key == key) return &child;
  return nullptr;
}

/// What older versions wrote, as this one does: an encoder had a key `extra`, which no type has any
/// more, and an empty type stood for the usual one.
void modernise(ConfigNode& root) {
  ConfigNode* encoders = child_of(child_of(&root, "model"), "encoders");
  if (encoders == nullptr) return;
  for (ConfigNode& encoder : encoders->children) {
    auto& keys = encoder.children;
    keys.erase(std::remove_if(keys.begin(), keys.end(),
                              [](const ConfigNode& key) { return key.key == "extra"; }),
               keys.end());
    ConfigNode* type = child_of(&encoder, "type");
    if (type != nullptr && type->kind == ConfigNode::Kind::kScalar && type->text.empty())
      type->text = "auto";
  }
}

/// "a", "a or b", "a, b or c".
std::string any_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  return text;
}

}  // namespace

void ConfigReader::take_file_text(const std::string& yaml) {
  readable_ = false;
  try {
    ConfigNode root = parse_yaml(yaml);
    if (root.kind == ConfigNode::Kind::kNull) {
      problems_.add({}, "", "holds no keys; `cuttle dump-default` prints a complete configuration");
    } else if (root.kind != ConfigNode::Kind::kMap) {
      problems_.add({0, root.line}, "",
                    fmt::format("must be keys and values, found {}", name_found(root)));
    } else {
      readable_ = true;
      if (saved_) modernise(root);
      sources_.push_back({0, std::move(root)});
    }
  } catch (const ConfigSyntaxError& error) {
    problems_.add({0, error.line}, "", error.what());
  }
}

void ConfigReader::take_override(const std::string& assignment, int n) {
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
    sources_.push_back({n, nest(parts, std::move(node))});
  } catch (const ConfigSyntaxError& error) {
    problems_.add({n, 0}, show_key(key), error.what());
  }
}

void ConfigReader::read() {
  const auto overrides = std::find_if(sources_.begin(), sources_.end(),
                                      [](const Source& source) { return source.number > 0; });
  settle_choices({sources_.begin(), overrides});
  for (const ConfigItem& item : schema_.items())
    if (!item.owner.empty()) of_file_.insert(item.key);
  settle_choices(sources_);
  for (const Source& source : sources_) read_keys(source.root, "", source.number);
}

/// A chosen type may have choices of its own, so this goes on until nothing new is chosen.
void ConfigReader::settle_choices(const std::vector<Source>& sources) {
  for (bool settled = false; !settled;) {
    settled = true;
    std::map<std::string, std::string> chosen;
    for (const Source& source : sources) find_choices(source.root, "", chosen);
    for (const auto& [key, type] : chosen) {
      // The key may have gone with an outer type, or be another type's plain key by now.
      const ConfigItem* item = schema_.find(key);
      if (item == nullptr || item->kind != ConfigItem::Kind::kChoice) continue;
      if (item->section->type == type) continue;
      schema_.select(key, type);
      settled = false;
    }
  }
}

/// What is given twice counts as it is read: the first time. What is no name chooses a type that is
/// unknown, so that only the choice itself is reported.
void ConfigReader::find_choices(const ConfigNode& map, const std::string& prefix,
                                std::map<std::string, std::string>& chosen) {
  std::set<std::string> seen;
  for (const ConfigNode& child : map.children) {
    const std::string key = prefix + child.key;
    if (!seen.insert(child.key).second) continue;
    const ConfigItem* item = child.key.find('.') == child.key.npos ? schema_.find(key) : nullptr;
    if (item == nullptr) continue;
    if (item->kind == ConfigItem::Kind::kChoice) chosen[key] = child.text;
    if (item->kind == ConfigItem::Kind::kSection) find_choices(child, key + ".", chosen);
    if (item->kind != ConfigItem::Kind::kEntries) continue;
    std::set<std::string> entries;
    for (const ConfigNode& entry : child.children) {
      if (!is_plain_word(entry.key, "_-") || !entries.insert(entry.key).second) continue;
      if (schema_.find(key + "." + entry.key) == nullptr) item->add_entry(entry.key);
      find_choices(entry, key + "." + entry.key + ".", chosen);
    }
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
    } else if (item->kind == ConfigItem::Kind::kChoice) {
      read_choice(child, *item, place);
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
    read_section(child, key, source);
  }
}

void ConfigReader::read_field(const ConfigNode& node, const ConfigItem& item, ConfigPlace place) {
  const std::string problem = read_value(node, item.rule, item.target);
  if (!problem.empty()) problems_.add(place, item.key, problem);
  if (problem.empty()) ConfigSchema::keep(item);
  given_[item.key] = {place, problem.empty()};
}

void ConfigReader::read_choice(const ConfigNode& node, const ConfigItem& item, ConfigPlace place) {
  std::vector<std::string> names;
  for (const auto& type : schema_.types_of(item)) names.push_back(type.first);
  std::string problem;
  if (node.kind != ConfigNode::Kind::kScalar) {
    problem = fmt::format("must be {}, found {}", any_of(names), name_found(node));
  } else if (std::find(names.begin(), names.end(), node.text) == names.end()) {
    const std::string near = suggest_key(node.text, names);
    problem =
        fmt::format("{} is unknown{}; there are {}", quote_short(node.text),
                    near.empty() ? "" : " (did you mean " + near + "?)", fmt::join(names, ", "));
  }
  if (!problem.empty()) problems_.add(place, item.key, problem);
  if (problem.empty()) ConfigSchema::keep(item);
  given_[item.key] = {place, problem.empty()};
}

bool ConfigReader::is_map(const ConfigNode& node, const std::string& key, int source) {
  const bool nothing = node.kind == ConfigNode::Kind::kNull;
  if (nothing && source == 0) return true;  // all its keys are commented out
  if (node.kind == ConfigNode::Kind::kMap) return true;
  if (nothing) {
    problems_.add(
        {source, node.line}, key,
        fmt::format("must be a section of keys, found nothing (which takes none of the "
                    "file's keys away); name those that are to be others, as {}.KEY=VALUE",
                    key));
    return false;
  }
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

/// For a key that another type of a choice made here would have, by a choice of its own perhaps.
std::string ConfigReader::advice_on(const std::string& key, const std::string& prefix) const {
  const std::string name = key.substr(prefix.size());
  for (const ConfigItem* choice : schema_.choices_in(prefix)) {
    const auto& types = schema_.types_of(*choice);
    std::vector<std::string> owners;
    for (const auto& [type, info] : types)
      if (has_key(info, name, schema_.catalog())) owners.push_back(type);
    // With the chosen type among them, it is a choice inside that stands in the way.
    const auto& chosen = choice->section->type;
    if (std::find(owners.begin(), owners.end(), chosen) != owners.end()) continue;
    if (!owners.empty())
      return fmt::format("it belongs to {}: {}, not to {}; remove it", choice->key, any_of(owners),
                         chosen);
  }
  return {};
}

void ConfigReader::report_unknown(const std::string& key, const std::string& prefix,
                                  ConfigPlace place) {
  // A type that is not known may have any key.
  for (const ConfigItem* choice : schema_.choices_in(prefix))
    if (schema_.types_of(*choice).count(choice->section->type) == 0) return;
  const bool dotted = key.find('.', prefix.size()) != key.npos;
  if (place.source == 0 && !dotted && of_file_.count(key) > 0) return;  // it went with its type
  const bool passed = saved_ && place.source == 0;
  if (problems_.plenty() && !passed) return problems_.add(place, key, "unknown key");
  std::string advice = advice_on(key, prefix);
  if (passed && !advice.empty()) return;
  if (problems_.plenty()) return problems_.add(place, key, "unknown key");
  const bool searched = schema_.items().size() <= kMostSearched;
  if (!advice.empty()) {
    // It names its owners.
  } else if (dotted && schema_.find(key) != nullptr) {
    advice =
        "dotted keys are for the command line; in a file write the section, and its key indented "
        "below";
  } else if (const std::string near = searched ? suggest_key(key, schema_.keys()) : "";
             !near.empty()) {
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
