#pragma once

#include <map>
#include <string>

#include "config/config_node.hpp"
#include "config/config_problems.hpp"
#include "config/config_schema.hpp"

namespace cuttle {

/// Fills the members behind a schema from texts and reports what does not fit. One per
/// configuration.
class ConfigReader {
 public:
  /// Both outlive the reader.
  ConfigReader(ConfigSchema& schema, ConfigProblems& problems)
      : schema_(schema), problems_(problems) {}

  /// Reads the file's text. Call it before the overrides: what comes later wins.
  void read_file_text(const std::string& yaml);
  /// Applies `key.path=value`, the n-th (from 1) of the command line.
  void read_override(const std::string& assignment, int n);

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
  void read_keys(const ConfigNode& map, const std::string& prefix, int source);
  void read_section(const ConfigNode& node, const std::string& key, int source);
  void read_entries(const ConfigNode& node, const ConfigItem& item, int source);
  void read_field(const ConfigNode& node, const ConfigItem& item, ConfigPlace place);
  /// False after reporting what was found instead. Nothing counts as a map without keys.
  bool is_map(const ConfigNode& node, const std::string& key, int source);
  bool report_duplicate(const ConfigNode& child, const std::string& key,
                        std::map<std::string, int>& seen, int source);
  void report_unknown(const std::string& key, const std::string& prefix, ConfigPlace place);

  ConfigSchema& schema_;
  ConfigProblems& problems_;
  std::map<std::string, Given> given_;
  bool readable_ = true;
};

}  // namespace cuttle
