#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cuttle/config/run_config.hpp"
#include "cuttle/config/section.hpp"

namespace cuttle {

/// One line of a configuration: a key with a value, a section, a section whose keys are names of
/// the user's choice, or a choice among registered types.
struct ConfigItem {
  enum class Kind { kField, kSection, kEntries, kChoice };
  Kind kind = Kind::kField;
  std::string key;                ///< full dotted path
  std::string help;               ///< one line, no period
  ConfigTarget target;            ///< of a field; of a choice: the name of the chosen type
  ConfigRule rule;                ///< of a field
  Resume resume = Resume::kSame;  ///< of a field or choice
  std::function<void(const std::string&)>
      add_entry;               ///< of entries: makes and describes the named one
  std::string example;         ///< of entries: a likely name
  std::string types;           ///< of a choice: the catalog's kind
  Section* section = nullptr;  ///< of a choice
  std::string owner;           ///< the choice whose chosen type has this key; empty: none
  /// Where the texts of an owned key are kept beside its member.
  std::map<std::string, std::string>* values = nullptr;
  std::string within;  ///< the nested section that it is in, as values begin their keys: "frame."

  std::string name() const { return within + key.substr(key.rfind('.') + 1); }
};

/// All keys of a RunConfig in file order, each tied to its member; those of the chosen types follow
/// their choice. Reading, writing, documentation, comparison and overrides walk this list and know
/// no key by themselves; the keys that every run has are in describe.cpp.
class ConfigSchema final : public Keys {
 public:
  /// Both outlive the schema and do not move.
  ConfigSchema(RunConfig& config, const Catalog& catalog);
  ConfigSchema(const ConfigSchema&) = delete;
  ConfigSchema& operator=(const ConfigSchema&) = delete;

  void choose(const char* name, Section& value, const char* kind, const char* help) override;
  void nest(const char* name, Section& value, const char* kind, const char* help) override;
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
  /// described at once. `resume`: kChange if everything below may change, entries included.
  template <class Options>
  void add_entries(const char* name, std::map<std::string, Options>& entries, const char* example,
                   const char* help, Resume resume = Resume::kSame) {
    ConfigItem& item = append(ConfigItem::Kind::kEntries, prefix_ + name, help);
    item.example = example;
    item.add_entry = [this, &entries, prefix = item.key + ".", resume](const std::string& entry) {
      const auto outer = std::pair(prefix_, resume_);
      prefix_ = prefix;
      resume_ = resume;
      add_section(entry, entries[entry], "");
      std::tie(prefix_, resume_) = outer;
    };
    for (const auto& entry : entries) item.add_entry(entry.first);
  }

  /// The choice's type becomes this one, and its keys take the place of the former type's.
  void select(const std::string& choice, const std::string& type);
  /// Keeps the text of an owned key that was read into its member.
  static void keep(const ConfigItem& item);

  /// nullptr if there is no such key. Stays valid while entries are added.
  const ConfigItem* find(const std::string& key) const;
  const std::list<ConfigItem>& items() const { return items_; }
  std::vector<std::string> keys() const;
  /// Choices whose types' keys stand directly below `prefix` ("adapt.").
  std::vector<const ConfigItem*> choices_in(const std::string& prefix) const;
  const Catalog& catalog() const { return catalog_; }
  /// The types that a choice can name.
  const std::map<std::string, TypeInfo>& types_of(const ConfigItem& choice) const;

 private:
  using Place = std::list<ConfigItem>::iterator;

  void field(const char* name, ConfigTarget target, ConfigRule rule, const char* help,
             Resume resume) override;
  ConfigItem& append(ConfigItem::Kind kind, std::string key, std::string help);
  void expand(ConfigItem& choice);
  void forget_keys_of(const std::string& choice);

  const Catalog& catalog_;
  std::list<ConfigItem> items_;  // a list: items stay where they are while others come and go
  std::map<std::string, Place> by_key_;
  std::vector<std::shared_ptr<void>> options_;  // of the chosen types
  std::string prefix_, owner_, within_;
  std::map<std::string, std::string>* values_ = nullptr;
  Resume resume_ = Resume::kSame;  // of what is described now, unless it says otherwise
  Place at_;                       // new items go before it
};

/// The keys of each options struct, in describe.cpp: one line per member.
void describe(ConfigSchema& keys, RunConfig& config);
void describe(ConfigSchema& keys, DataOptions& options);
void describe(ConfigSchema& keys, EpisodeOptions& options);
void describe(ConfigSchema& keys, SourceOptions& options);
void describe(ConfigSchema& keys, AugmentOptions& options);
void describe(ConfigSchema& keys, ImageAugmentation& options);
void describe(ConfigSchema& keys, AudioAugmentation& options);
void describe(ConfigSchema& keys, TextAugmentation& options);
void describe(ConfigSchema& keys, SeriesAugmentation& options);
void describe(ConfigSchema& keys, VectorAugmentation& options);
void describe(ConfigSchema& keys, GraphAugmentation& options);
void describe(ConfigSchema& keys, EncoderOptions& options);
void describe(ConfigSchema& keys, ObjectiveOptions& options);
void describe(ConfigSchema& keys, SinkOptions& options);
void describe(ConfigSchema& keys, ModelOptions& options);
void describe(ConfigSchema& keys, Section& adapt);
void describe(ConfigSchema& keys, StepOptions& options);
void describe(ConfigSchema& keys, ReduceOptions& options);
void describe(ConfigSchema& keys, TrainOptions& options);
void describe(ConfigSchema& keys, EvaluationOptions& options);
void describe(ConfigSchema& keys, CommOptions& options);

}  // namespace cuttle
