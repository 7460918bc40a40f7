#include "cuttle/config/section.hpp"

#include <fmt/format.h>

#include <set>

#include "config/yaml/config_node.hpp"
#include "config/yaml/config_value.hpp"
#include "cuttle/config/type.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// Fills members from the section's texts.
class SectionReader final : public Keys {
 public:
  explicit SectionReader(const Section& section) : section_(section) {}

  void choose(const char* name, Section& value, const char*, const char*) override {
    const auto found = section_.values.find(name);
    if (found != section_.values.end()) value.type = found->second;
    value.values = section_.values;
  }
  void nest(const char* name, Section& value, const char*, const char*) override {
    const std::string within = std::string(name) + ".";
    for (const auto& [key, text] : section_.values)
      if (key == within + "type")
        value.type = text;
      else if (key.rfind(within, 0) == 0)
        value.values[key.substr(within.size())] = text;
  }

 private:
  void field(const char* name, ConfigTarget target, ConfigRule rule, const char*, Resume) override {
    const auto found = section_.values.find(name);
    if (found == section_.values.end()) return;
    const std::string problem = read_text(found->second, rule, target);
    CUTTLE_VALIDATE(problem.empty(), "{} of {} {}", name, section_.type, problem);
  }

  const Section& section_;
};

/// Looks for a name, and at what can be chosen.
class KeyFinder final : public Keys {
 public:
  explicit KeyFinder(const std::string& wanted) : wanted_(wanted) {}
  void choose(const char* name, Section&, const char* kind, const char*) override {
    look_at(name);
    kinds_.insert(kind);
  }
  void nest(const char* name, Section&, const char*, const char*) override { look_at(name); }
  bool found() const { return found_; }
  const std::set<std::string>& kinds() const { return kinds_; }

 private:
  void field(const char* name, ConfigTarget, ConfigRule, const char*, Resume) override {
    look_at(name);
  }
  void look_at(const char* name) { found_ = found_ || wanted_ == name; }

  const std::string& wanted_;
  bool found_ = false;
  std::set<std::string> kinds_;
};

/// `seen`: kinds that were looked at; one may choose itself.
bool find_key(const TypeInfo& type, const std::string& key, const Catalog& catalog,
              std::set<std::string>& seen) {
  KeyFinder finder(key);
  type.keys(finder);
  if (finder.found()) return true;
  for (const std::string& kind : finder.kinds()) {
    const auto types = catalog.find(kind);
    if (types == catalog.end() || !seen.insert(kind).second) continue;
    for (const auto& inner : types->second)
      if (find_key(inner.second, key, catalog, seen)) return true;
  }
  return false;
}

/// Notes what it is told.
class KeyCollector final : public Keys {
 public:
  void choose(const char* name, Section& value, const char* kind, const char* help) override {
    found.push_back({name, help, value.type, std::string("a ") + kind});
  }
  void nest(const char* name, Section& value, const char* kind, const char* help) override {
    found.push_back(
        {name, help, "{type: " + value.type + "}", std::string("a ") + kind + " with its keys"});
  }
  std::vector<KeyInfo> found;

 private:
  void field(const char* name, ConfigTarget target, ConfigRule rule, const char* help,
             Resume) override {
    found.push_back({name, help, write_value(target), rule.summary()});
  }
};

}  // namespace

std::vector<KeyInfo> describe_keys(const TypeInfo& type) {
  KeyCollector collector;
  type.keys(collector);
  return collector.found;
}

bool has_key(const TypeInfo& type, const std::string& key) {
  return has_key(type, key, {});
}

bool has_key(const TypeInfo& type, const std::string& key, const Catalog& catalog) {
  std::set<std::string> seen;
  return find_key(type, key, catalog, seen);
}

void read_section(const Section& section, const std::function<void(Keys&)>& tell) {
  SectionReader reader(section);
  tell(reader);
}

void refuse_unknown_type(const std::string& key, const std::string& name,
                         const std::map<std::string, TypeInfo>& types) {
  std::string names;
  for (const auto& type : types) names += (names.empty() ? "" : ", ") + type.first;
  throw UserError(fmt::format("{}: '{}' is unknown; there are {}", key, name, names));
}

}  // namespace cuttle
