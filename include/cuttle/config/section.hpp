#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cuttle/config/rule.hpp"

// How a type (a learner, an encoder, a fusion, ...) says which keys it has, and how it reads them.
namespace cuttle {

/// May a key differ when a run is resumed?
enum class Resume {
  kSame,    ///< no: it has a part in the bits
  kChange,  ///< yes
  kGrow,    ///< yes, when it becomes larger
};

/// A choice among registered types, with the keys that were given to it.
struct Section {
  Section() = default;
  Section(std::string chosen, std::map<std::string, std::string> given = {})
      : type(std::move(chosen)), values(std::move(given)) {}
  Section(const char* chosen) : type(chosen) {}

  std::string type;
  /// By key, as YAML writes them, those of a nested section as SECTION.KEY; a key that is absent
  /// has its default. May hold keys of other types, which whoever reads them passes by.
  std::map<std::string, std::string> values;
};

/// The member of an options struct that a key stands for.
using ConfigTarget = std::variant<bool*, int*, std::int64_t*, std::uint64_t*, double*, std::string*,
                                  std::vector<std::string>*>;

/// What an options struct tells its keys to, in `void keys(Keys& keys)`: each with its member, what
/// values it may have, and a line of help. The struct's own initialisers are the defaults.
class Keys {
 public:
  virtual ~Keys() = default;

  template <class T>
  void add(const char* name, T& value, ConfigRule rule, const char* help,
           Resume resume = Resume::kSame) {
    field(name, &value, std::move(rule), help, resume);
  }
  /// A choice among the registered types of `kind`, whose own keys then stand beside this one.
  virtual void choose(const char* name, Section& value, const char* kind, const char* help) = 0;
  /// The same in a section of its own: NAME: {type: .., and the keys of that type}.
  virtual void nest(const char* name, Section& value, const char* kind, const char* help) = 0;

 private:
  virtual void field(const char* name, ConfigTarget target, ConfigRule rule, const char* help,
                     Resume resume) = 0;
};

/// Makes an options struct with its defaults, tells its keys, and returns what owns it.
using TypeKeys = std::function<std::shared_ptr<void>(Keys&)>;

template <class Options>
TypeKeys keys_of() {
  return [](Keys& keys) -> std::shared_ptr<void> {
    auto options = std::make_shared<Options>();
    options->keys(keys);
    return options;
  };
}

/// For types without keys.
struct NoOptions {
  void keys(Keys&) {}
};

/// A registered type as config files and `cuttle list` see it.
struct TypeInfo {
  std::string summary;  ///< one line: what it does
  std::string source;   ///< paper and year; empty: none
  TypeKeys keys = keys_of<NoOptions>();
  bool of_values = false;  ///< of targets: samples' values are what is learned (TaskKind::values)
};
/// By kind ("learner", "encoder", ...), then by name.
using Catalog = std::map<std::string, std::map<std::string, TypeInfo>>;

/// A key of a type, for people.
struct KeyInfo {
  std::string name, help;
  std::string usual;  ///< its default, as YAML
  std::string range;  ///< what values it may have; empty: any
};
/// The type's own keys, in their order. Of a choice inside it: the choice alone.
std::vector<KeyInfo> describe_keys(const TypeInfo& type);

/// Whether the type has a key of this name.
bool has_key(const TypeInfo& type, const std::string& key);
/// Whether it has, or a type that it can choose.
bool has_key(const TypeInfo& type, const std::string& key, const Catalog& catalog);

/// Reads the section's values into the members; keys that are not told are passed by. UserError
/// naming a key whose value does not fit.
void read_section(const Section& section, const std::function<void(Keys&)>& tell);

/// The options that a section stands for.
template <class Options>
Options options_of(const Section& section) {
  Options options;
  read_section(section, [&](Keys& keys) { options.keys(keys); });
  return options;
}

}  // namespace cuttle
