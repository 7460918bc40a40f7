#include "config/config_schema.hpp"

#include <iterator>
#include <tuple>
#include <utility>

#include "config/yaml/config_value.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

std::string parent_of(const std::string& key) {
  return key.substr(0, key.rfind('.') + 1);
}

}  // namespace

ConfigSchema::ConfigSchema(RunConfig& config, const Catalog& catalog)
    : catalog_(catalog), at_(items_.end()) {
  describe(*this, config);
}

ConfigItem& ConfigSchema::append(ConfigItem::Kind kind, std::string key, std::string help) {
  CUTTLE_REQUIRE(by_key_.count(key) == 0, "the config key {} is described twice", key);
  const Place place = items_.emplace(at_);
  place->kind = kind;
  place->key = std::move(key);
  place->help = std::move(help);
  place->owner = owner_;
  place->values = values_;
  place->within = within_;
  place->resume = resume_;
  by_key_[place->key] = place;
  return *place;
}

void ConfigSchema::field(const char* name, ConfigTarget target, ConfigRule rule, const char* help,
                         Resume resume) {
  ConfigItem& item = append(ConfigItem::Kind::kField, prefix_ + name, help);
  item.target = target;
  item.rule = std::move(rule);
  if (resume_ == Resume::kSame) item.resume = resume;
  if (values_ == nullptr) return;
  const auto text = values_->find(item.name());
  if (text != values_->end()) read_text(text->second, item.rule, target);
}

void ConfigSchema::choose(const char* name, Section& value, const char* kind, const char* help) {
  ConfigItem& item = append(ConfigItem::Kind::kChoice, prefix_ + name, help);
  item.section = &value;
  item.types = kind;
  item.target = &value.type;
  if (values_ != nullptr)
    if (const auto text = values_->find(item.name()); text != values_->end())
      value.type = text->second;
  expand(item);
}

void ConfigSchema::nest(const char* name, Section& value, const char* kind, const char* help) {
  append(ConfigItem::Kind::kSection, prefix_ + name, help);
  const auto outer = std::pair(prefix_, within_);
  prefix_ += std::string(name) + ".";
  within_ += std::string(name) + ".";
  choose("type", value, kind, "whose keys stand beside it");
  std::tie(prefix_, within_) = outer;
}

void ConfigSchema::expand(ConfigItem& choice) {
  const auto& types = types_of(choice);
  const auto type = types.find(choice.section->type);
  if (type == types.end()) return;
  const auto outer = std::tuple(prefix_, within_, owner_, values_, resume_, at_);
  prefix_ = parent_of(choice.key);
  within_ = choice.within;
  owner_ = choice.key;
  resume_ = choice.resume;
  if (choice.values == nullptr) values_ = &choice.section->values;
  at_ = std::next(by_key_.at(choice.key));
  options_.push_back(type->second.keys(*this));
  std::tie(prefix_, within_, owner_, values_, resume_, at_) = outer;
}

/// They follow it without a gap, and so do those of choices among them.
void ConfigSchema::forget_keys_of(const std::string& choice) {
  for (Place next = std::next(by_key_.at(choice)); next != items_.end() && next->owner == choice;) {
    if (next->kind == ConfigItem::Kind::kChoice) forget_keys_of(next->key);
    by_key_.erase(next->key);
    next = items_.erase(next);
  }
}

void ConfigSchema::select(const std::string& choice, const std::string& type) {
  ConfigItem& item = *by_key_.at(choice);
  forget_keys_of(choice);
  item.section->type = type;
  keep(item);
  const auto outer = std::pair(owner_, values_);
  values_ = item.values;
  expand(item);
  std::tie(owner_, values_) = outer;
}

void ConfigSchema::keep(const ConfigItem& item) {
  if (item.values == nullptr) return;
  (*item.values)[item.name()] =
      item.kind == ConfigItem::Kind::kChoice ? item.section->type : write_value(item.target);
}

const ConfigItem* ConfigSchema::find(const std::string& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &*found->second;
}

std::vector<std::string> ConfigSchema::keys() const {
  std::vector<std::string> keys;
  for (const ConfigItem& item : items_) keys.push_back(item.key);
  return keys;
}

std::vector<const ConfigItem*> ConfigSchema::choices_in(const std::string& prefix) const {
  std::vector<const ConfigItem*> choices;
  for (auto at = by_key_.lower_bound(prefix);
       at != by_key_.end() && at->first.compare(0, prefix.size(), prefix) == 0;) {
    const std::size_t dot = at->first.find('.', prefix.size());
    if (dot != prefix.npos) {  // deeper: there may be thousands of encoders
      at = by_key_.lower_bound(at->first.substr(0, dot) + static_cast<char>('.' + 1));
      continue;
    }
    if (at->second->kind == ConfigItem::Kind::kChoice) choices.push_back(&*at->second);
    ++at;
  }
  return choices;
}

const std::map<std::string, TypeInfo>& ConfigSchema::types_of(const ConfigItem& choice) const {
  static const std::map<std::string, TypeInfo> kNone;
  const auto found = catalog_.find(choice.types);
  return found == catalog_.end() ? kNone : found->second;
}

}  // namespace cuttle
