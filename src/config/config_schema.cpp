#include "config/config_schema.hpp"

#include <utility>

#include "cuttle/core/error.hpp"

namespace cuttle {

ConfigSchema::ConfigSchema(RunConfig& config) {
  describe(*this, config);
}

ConfigItem& ConfigSchema::append(ConfigItem::Kind kind, std::string key, std::string help) {
  CUTTLE_EXPECT(by_key_.count(key) == 0);
  items_.emplace_back();
  ConfigItem& item = items_.back();
  item.kind = kind;
  item.key = std::move(key);
  item.help = std::move(help);
  by_key_[item.key] = &item;
  return item;
}

const ConfigItem* ConfigSchema::find(const std::string& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second;
}

std::vector<std::string> ConfigSchema::keys() const {
  std::vector<std::string> keys;
  for (const ConfigItem& item : items_) keys.push_back(item.key);
  return keys;
}

}  // namespace cuttle
