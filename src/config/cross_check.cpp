#include "config/cross_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>

#include "config/config_schema.hpp"
#include "config/yaml/config_value.hpp"

namespace cuttle {
namespace {

class CrossCheck {
 public:
  CrossCheck(const RunConfig& config, const Catalog& catalog, const ConfigReader& reader,
             ConfigProblems& problems)
      : config_(config),
        schema_(config_, catalog),
        default_schema_(defaults_, catalog),
        reader_(reader),
        problems_(problems) {}

  const RunConfig& config() const { return config_; }
  const ConfigSchema& schema() const { return schema_; }

  /// Reports `text` under the first key if `wrong` and every key involved was usable. The place is
  /// where the clash came about: the overrides if they touched it, else the first key's own line.
  void refuse_if(bool wrong, std::initializer_list<const char*> keys, const std::string& text) {
    if (!wrong) return;
    ConfigPlace place{-1, 0};
    for (const char* key : keys) {
      const auto given = reader_.given().find(key);
      if (given == reader_.given().end()) continue;
      if (!given->second.good) return;
      if (given->second.place.source > place.source) place = given->second.place;
    }
    problems_.add(place, *keys.begin(), text);
  }

  bool is_given(const std::string& key) const { return reader_.given().count(key) > 0; }

  /// Keys that do nothing unless `condition`, and yet were changed.
  void refuse_unused(bool used, std::initializer_list<const char*> keys, const char* master,
                     const char* wanted) {
    for (const char* key : keys) {
      const std::string value = write_value(schema_.find(key)->target);
      const std::string usual = write_value(default_schema_.find(key)->target);
      refuse_if(
          !used && value != usual, {key, master},
          fmt::format("has no effect with {}: {}; remove it (its default is {}) or set {}: {}",
                      master, write_value(schema_.find(master)->target), usual, master, wanted));
    }
  }

 private:
  RunConfig config_, defaults_;  // copies: a schema points into something that may be written
  ConfigSchema schema_, default_schema_;
  const ConfigReader& reader_;
  ConfigProblems& problems_;
};

void check_target(CrossCheck& check) {
  const EpisodeOptions& e = check.config().episode;
  const std::int64_t evaluation_way = check.config().evaluation.way;
  const bool values = e.of_values, classes = e.target.type == "class";
  check.refuse_if(classes && e.way == 1, {"episode.way", "episode.target"},
                  "is 1 (one class leaves nothing to tell apart); use 2 or more, or "
                  "episode.target: value for regression");
  check.refuse_if(classes && e.way_min == 1, {"episode.way_min", "episode.target"},
                  "is 1 (one class leaves nothing to tell apart); use 2 or more, or 0 for a fixed "
                  "way");
  check.refuse_if(classes && evaluation_way == 1, {"evaluation.way", "episode.target"},
                  "is 1 (one class leaves nothing to tell apart); use 2 or more, or 0 for "
                  "episode.way");
  check.refuse_if(values && e.way > 1, {"episode.way", "episode.target"},
                  fmt::format("is {} with episode.target: {} (an episode is samples of one "
                              "class, whose values are predicted); use 1",
                              e.way, e.target.type));
  check.refuse_if(values && evaluation_way > 1, {"evaluation.way", "episode.target"},
                  fmt::format("is {} with episode.target: {} (an episode is samples of one "
                              "class, whose values are predicted); use 1, or 0 for episode.way",
                              evaluation_way, e.target.type));
}

void check_episode(CrossCheck& check) {
  const EpisodeOptions& e = check.config().episode;
  check.refuse_if(e.way_min > e.way, {"episode.way_min", "episode.way"},
                  fmt::format("is {}, above episode.way, {}; lower it, or 0 for a fixed way",
                              e.way_min, e.way));
  check.refuse_if(e.shot_min > e.shot, {"episode.shot_min", "episode.shot"},
                  fmt::format("is {}, above episode.shot, {}; lower it, or 0 for a fixed shot",
                              e.shot_min, e.shot));
  check.refuse_if(e.uneven && (e.shot_min == 0 || e.shot_min == e.shot),
                  {"episode.uneven", "episode.shot_min", "episode.shot"},
                  "is true, but shot does not vary (classes would have equally many samples); set "
                  "episode.shot_min below episode.shot");
  check.refuse_if(
      e.micro_batch > e.meta_batch_size, {"episode.micro_batch", "episode.meta_batch_size"},
      fmt::format("is {}, above episode.meta_batch_size, {}; a step has only that many tasks",
                  e.micro_batch, e.meta_batch_size));
}

void check_sources(CrossCheck& check) {
  const auto& sources = check.config().sources;
  if (sources.empty()) return;
  const std::string instead = fmt::format(
      "would do nothing beside `sources` (each has its own: sources.{}); remove the key or them",
      sources.begin()->first);
  const DataOptions& data = check.config().data;
  check.refuse_if(!data.shards.empty(), {"data.shards"}, instead);
  check.refuse_if(!data.validation_shards.empty(), {"data.validation_shards"}, instead);
  check.refuse_if(!data.test_shards.empty(), {"data.test_shards"}, instead);
  check.refuse_if(check.config().episode.source.type != EpisodeOptions().source.type,
                  {"episode.source"}, instead);
  const bool none = std::all_of(sources.begin(), sources.end(),
                                [](const auto& entry) { return entry.second.weight == 0; });
  const std::string weight = "sources." + sources.begin()->first + ".weight";
  check.refuse_if(none, {weight.c_str()},
                  "is 0, like all (no tasks are left); give one of the sources a weight");
}

/// An entry without a type would be of the usual one, also where its name was written wrongly.
void check_objectives(CrossCheck& check) {
  for (const auto& entry : check.config().objectives) {
    const std::string name = "objectives." + entry.first, type = name + ".type";
    const std::string weight = name + ".weight", where = name + ".where";
    check.refuse_if(!check.is_given(type), {type.c_str(), weight.c_str(), where.c_str()},
                    fmt::format("is not given (which objective is {}?); choose one of `cuttle list "
                                "objective`, or mend the name",
                                entry.first));
  }
}

void check_fold(CrossCheck& check) {
  const RunConfig& c = check.config();
  const bool others = std::any_of(c.sources.begin(), c.sources.end(), [](const auto& entry) {
    return !entry.second.validation_shards.empty();
  });
  check.refuse_if(!c.data.fold.empty() && (others || !c.data.validation_shards.empty()),
                  {"data.fold"},
                  "does not go with validation_shards (both say which classes validate); leave one "
                  "of them out");
  check.refuse_if(
      !c.data.fold.empty() && c.train.validate_every == 0, {"data.fold", "train.validate_every"},
      "is a fold that validates, and train.validate_every is 0; set it, or train without "
      "folds");
}

void check_augment(CrossCheck& check) {
  const AugmentOptions& a = check.config().augment;
  for (const ConfigItem& item : check.schema().items())
    if (item.kind == ConfigItem::Kind::kField && item.key.rfind("augment.", 0) == 0 &&
        item.key != "augment.tasks")
      check.refuse_unused(a.tasks != "none", {item.key.c_str()}, "augment.tasks",
                          "support, query or both");
  check.refuse_if(a.copies > 0 && a.vector.mix != VectorAugmentation().mix,
                  {"augment.vector.mix", "augment.copies"},
                  "has no effect with augment.copies (versions of one sample alone are kept); "
                  "remove one of the keys");
  check.refuse_if(
      check.config().episode.of_values && a.vector.mix != VectorAugmentation().mix,
      {"augment.vector.mix", "episode.target"},
      fmt::format("has no effect with episode.target: {} (only samples of one class are "
                  "mixed); remove it",
                  check.config().episode.target.type));
}

void check_step(CrossCheck& check) {
  const StepOptions& s = check.config().step;
  check.refuse_unused(s.schedule == "cosine", {"step.min_lr"}, "step.schedule", "cosine");
  check.refuse_unused(s.schedule == "step", {"step.decay", "step.decay_every"}, "step.schedule",
                      "step");
  check.refuse_unused(s.clip != "none", {"step.clip_at"}, "step.clip", "norm or value");
  check.refuse_if(s.schedule == "cosine" && s.min_lr > s.outer_lr, {"step.min_lr", "step.outer_lr"},
                  fmt::format("is {}, above step.outer_lr, {}; the cosine schedule goes down",
                              s.min_lr, s.outer_lr));
}

void check_rest(CrossCheck& check) {
  const TrainOptions& t = check.config().train;
  check.refuse_unused(t.minutes == 0, {"train.steps"}, "train.minutes", "0");
  check.refuse_if(t.patience > 0 && t.validate_every == 0,
                  {"train.patience", "train.validate_every"},
                  "needs validations to count; set train.validate_every, or 0 to never stop early");
  check.refuse_if(
      t.init_statistics == "source" && !starts_from_another(check.config()),
      {"train.init_statistics", "train.init_from"},
      "is source, and there is none; name a run in train.init_from or frozen_from of an "
      "encoder, or use own");
  std::set<std::string> seen;
  for (const std::string& modality : check.config().data.modalities) {
    check.refuse_if(!seen.insert(modality).second, {"data.modalities"},
                    fmt::format("names {} twice; keep one", modality));
  }
}

}  // namespace

void cross_check(const RunConfig& config, const Catalog& catalog, const ConfigReader& reader,
                 ConfigProblems& problems) {
  CrossCheck check(config, catalog, reader, problems);
  check_target(check);
  check_episode(check);
  check_sources(check);
  check_objectives(check);
  check_fold(check);
  check_augment(check);
  check_step(check);
  check_rest(check);
}

}  // namespace cuttle
