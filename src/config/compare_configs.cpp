#include <cstdlib>
#include <iterator>
#include <list>
#include <map>
#include <utility>

#include "config/config_schema.hpp"
#include "config/yaml/config_value.hpp"

namespace cuttle {
namespace {

std::string value_of(const ConfigSchema& schema, const std::string& key) {
  const ConfigItem* item = schema.find(key);
  return item == nullptr ? "(absent)" : write_value(item->target);
}

/// Every key once, in file order: one that only the new schema has stands where it has it.
std::list<const ConfigItem*> items_of_both(const ConfigSchema& old_schema,
                                           const ConfigSchema& new_schema) {
  std::list<const ConfigItem*> items;
  std::map<std::string, std::list<const ConfigItem*>::iterator> places;
  for (const ConfigItem& item : old_schema.items())
    places[item.key] = items.insert(items.end(), &item);
  auto at = items.begin();
  for (const ConfigItem& item : new_schema.items()) {
    const auto known = places.find(item.key);
    if (known == places.end())
      items.insert(at, &item);
    else
      at = std::next(known->second);
  }
  return items;
}

bool has_value(const ConfigItem& item) {
  return item.kind == ConfigItem::Kind::kField || item.kind == ConfigItem::Kind::kChoice;
}

/// Decides whether a resumed run may go on with the change, and says why if not.
void judge(ConfigChange& change, Resume resume, const RunConfig& was, const RunConfig& is) {
  change.allowed = resume == Resume::kChange;
  if (resume == Resume::kSame)
    change.reason = "it has a part in the bits of the run; start a new run";
  if (resume != Resume::kGrow) return;
  // Only whole numbers grow: train.steps.
  const bool grows = std::atoll(change.is.c_str()) > std::atoll(change.was.c_str());
  const bool stretches_schedule = was.step.schedule == "cosine" || is.step.schedule == "cosine";
  change.allowed = grows && !stretches_schedule;
  if (!grows) {
    change.reason = "it can only become larger; start a new run";
  } else if (stretches_schedule) {
    change.reason =
        "the cosine schedule spans it, so earlier steps would have been others; start a new run "
        "with train.init_from";
  }
}

}  // namespace

std::vector<std::string> keys_that_may_change(const RunConfig& config, const Catalog& catalog) {
  RunConfig copy = config;
  const ConfigSchema schema(copy, catalog);
  std::vector<std::string> keys;
  for (const ConfigItem& item : schema.items()) {
    const bool grows = item.resume == Resume::kGrow && config.step.schedule != "cosine";
    if (!has_value(item) || !(grows || item.resume == Resume::kChange)) continue;
    std::string told = item.key + (grows ? " (to more)" : "");
    if (told.rfind("sinks.", 0) == 0) told = "sinks";  // with all that is below
    if (keys.empty() || keys.back() != told) keys.push_back(std::move(told));
  }
  return keys;
}

std::vector<ConfigChange> compare_configs(const RunConfig& was, const RunConfig& is,
                                          const Catalog& catalog) {
  RunConfig before = was, after = is;
  const ConfigSchema old_schema(before, catalog), new_schema(after, catalog);
  std::vector<ConfigChange> changes;
  for (const ConfigItem* item : items_of_both(old_schema, new_schema)) {
    if (!has_value(*item)) continue;
    ConfigChange change;
    change.key = item->key;
    change.was = value_of(old_schema, item->key);
    change.is = value_of(new_schema, item->key);
    if (change.was == change.is) continue;
    judge(change, item->resume, was, is);
    changes.push_back(change);
  }
  return changes;
}

}  // namespace cuttle
