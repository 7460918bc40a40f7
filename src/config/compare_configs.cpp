#include <cstdlib>

#include "config/config_schema.hpp"

namespace cuttle {
namespace {

std::string value_of(const ConfigSchema& schema, const std::string& key) {
  const ConfigItem* item = schema.find(key);
  return item == nullptr ? "(absent)" : write_value(item->target);
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
        "with "
        "train.init_from";
  }
}

}  // namespace

std::vector<ConfigChange> compare_configs(const RunConfig& was, const RunConfig& is) {
  RunConfig before = was, after = is, either = was;
  either.model.encoders.insert(is.model.encoders.begin(), is.model.encoders.end());
  const ConfigSchema old_schema(before), new_schema(after), keys(either);
  std::vector<ConfigChange> changes;
  for (const ConfigItem& item : keys.items()) {
    if (item.kind != ConfigItem::Kind::kField) continue;
    ConfigChange change;
    change.key = item.key;
    change.was = value_of(old_schema, item.key);
    change.is = value_of(new_schema, item.key);
    if (change.was == change.is) continue;
    judge(change, item.resume, was, is);
    changes.push_back(change);
  }
  return changes;
}

}  // namespace cuttle
