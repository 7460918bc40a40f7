#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/config_problems.hpp"
#include "config/config_schema.hpp"
#include "config/yaml/config_node.hpp"

namespace cuttle {

/// Fills the members behind a schema from texts and reports what does not fit. One per
/// configuration: all texts first, then read().
class ConfigReader {
 public:
  /// Both outlive the reader. `saved`: a program wrote the file, an older one perhaps; keys in it
  /// that belong to types that are not chosen had no effect then and are passed by.
  ConfigReader(ConfigSchema& schema, ConfigProblems& problems, bool saved)
      : schema_(schema), problems_(problems), saved_(saved) {}

  void take_file_text(const std::string& yaml);
  /// `key.path=value`, the n-th (from 1) of the command line.
  void take_override(const std::string& assignment, int n);
  /// Settles which types are chosen, then reads their keys and all others. What came later wins;
  /// the file's keys of a type that an override replaces go with it.
  void read();

  /// A key that was given, and whether its value could be used.
  struct Given {
    ConfigPlace place;
    bool good = false;
  };
  const std::map<std::string, Given>& given() const { return given_; }
  /// False if the file could not be read as YAML: then nothing is known about values that work
  /// together.
  bool readable() const { return readable_; }

 private:
  struct Source {
    int number;  ///< 0: the file
    ConfigNode root;
  };

  void settle_choices(const std::vector<Source>& sources);
  void find_choices(const ConfigNode& map, const std::string& prefix,
                    std::map<std::string, std::string>& chosen);
  void read_keys(const ConfigNode& map, const std::string& prefix, int source);
  void read_section(const ConfigNode& node, const std::string& key, int source);
  void read_entries(const ConfigNode& node, const ConfigItem& item, int source);
  void read_field(const ConfigNode& node, const ConfigItem& item, ConfigPlace place);
  void read_choice(const ConfigNode& node, const ConfigItem& item, ConfigPlace place);
  /// False after reporting what was found instead. Nothing counts as a map without keys.
  bool is_map(const ConfigNode& node, const std::string& key, int source);
  bool report_duplicate(const ConfigNode& child, const std::string& key,
                        std::map<std::string, int>& seen, int source);
  void report_unknown(const std::string& key, const std::string& prefix, ConfigPlace place);
  std::string advice_on(const std::string& key, const std::string& prefix) const;

  ConfigSchema& schema_;
  ConfigProblems& problems_;
  bool saved_;
  std::vector<Source> sources_;
  std::set<std::string>
      of_file_;  ///< keys of the types that the file chooses, before the overrides
  std::map<std::string, Given> given_;
  bool readable_ = true;
};

}  // namespace cuttle
