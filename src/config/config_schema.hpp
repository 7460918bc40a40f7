#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/config_rule.hpp"
#include "config/config_value.hpp"
#include "cuttle/config/run_config.hpp"

namespace cuttle {

/// May a key differ when a run is resumed?
enum class Resume {
  kSame,    ///< no: it has a part in the bits
  kChange,  ///< yes
  kGrow,    ///< yes, when it becomes larger
};

/// One line of a configuration: a key with a value, a section, or a section whose keys are names of
/// the user's choice.
struct ConfigItem {
  enum class Kind { kField, kSection, kEntries };
  Kind kind = Kind::kField;
  std::string key;                ///< full dotted path
  std::string help;               ///< one line, no period
  ConfigTarget target;            ///< of a field
  ConfigRule rule;                ///< of a field
  Resume resume = Resume::kSame;  ///< of a field
  std::function<void(const std::string&)>
      add_entry;        ///< of entries: makes and describes the named one
  std::string example;  ///< of entries: a likely name
};

/// All keys of a RunConfig in file order, each tied to its member. Reading, writing, documentation,
/// comparison and overrides walk this list and know no key by themselves; the keys are in
/// describe.cpp.
class ConfigSchema {
 public:
  /// `config` outlives the schema and does not move.
  explicit ConfigSchema(RunConfig& config);
  ConfigSchema(const ConfigSchema&) = delete;
  ConfigSchema& operator=(const ConfigSchema&) = delete;

  /// For describe(): a key of the section at hand.
  template <class T>
  void add(const char* name, T& value, ConfigRule rule, const char* help,
           Resume resume = Resume::kSame) {
    ConfigItem& item = append(ConfigItem::Kind::kField, prefix_ + name, help);
    item.target = &value;
    item.rule = std::move(rule);
    item.resume = resume;
  }
  /// For describe(): a section; its keys come from describe(*this, options).
  template <class Options>
  void add_section(const std::string& name, Options& options, const char* help) {
    append(ConfigItem::Kind::kSection, prefix_ + name, help);
    const std::string outer = prefix_;
    prefix_ += name + ".";
    describe(*this, options);
    prefix_ = outer;
  }
  /// For describe(): a section of named entries, all with the same keys. Entries that exist are
  /// described at once.
  template <class Options>
  void add_entries(const char* name, std::map<std::string, Options>& entries, const char* example,
                   const char* help) {
    ConfigItem& item = append(ConfigItem::Kind::kEntries, prefix_ + name, help);
    item.example = example;
    item.add_entry = [this, &entries, prefix = item.key + "."](const std::string& entry) {
      const std::string outer = prefix_;
      prefix_ = prefix;
      add_section(entry, entries[entry], "");
      prefix_ = outer;
    };
    for (const auto& entry : entries) item.add_entry(entry.first);
  }

  /// nullptr if there is no such key. Stays valid while entries are added.
  const ConfigItem* find(const std::string& key) const;
  const std::deque<ConfigItem>& items() const { return items_; }
  std::vector<std::string> keys() const;

 private:
  ConfigItem& append(ConfigItem::Kind kind, std::string key, std::string help);

  std::deque<ConfigItem> items_;  // a deque: items stay where they are while others are added
  std::map<std::string, const ConfigItem*> by_key_;
  std::string prefix_;
};

/// The keys of each options struct, in describe.cpp: one line per member.
void describe(ConfigSchema& keys, RunConfig& config);
void describe(ConfigSchema& keys, DataOptions& options);
void describe(ConfigSchema& keys, EpisodeOptions& options);
void describe(ConfigSchema& keys, EncoderOptions& options);
void describe(ConfigSchema& keys, ModelOptions& options);
void describe(ConfigSchema& keys, AdaptOptions& options);
void describe(ConfigSchema& keys, StepOptions& options);
void describe(ConfigSchema& keys, ReduceOptions& options);
void describe(ConfigSchema& keys, TrainOptions& options);
void describe(ConfigSchema& keys, EvaluationOptions& options);
void describe(ConfigSchema& keys, CommOptions& options);

}  // namespace cuttle
