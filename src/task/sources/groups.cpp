#include <torch/types.h>

#include <algorithm>
#include <map>

#include "cuttle/core/error.hpp"
#include "task/plan/draws.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

/// Episodes inside one group (a user, a patient, a speaker): of classes, `way` of those that the
/// group has; of values, samples of all its classes. Groups are equally likely. A group that lies
/// in several splits gives each the samples that are there.
class GroupSource final : public TaskSource {
 public:
  using Options = NoOptions;
  GroupSource(const SourceRequest& request, const Options&)
      : data_(*request.data),
        options_(request.episode),
        model_(request.model),
        kept_(request.kept),
        dropout_(request.modality_dropout) {
    check_episodes(data_, options_);
    CUTTLE_VALIDATE(options_.groups == "free",
                    "episode.groups: apart does not go with the source groups (an episode is one "
                    "group, in support and query); remove one of the two");
    std::map<std::int32_t, Group> groups;
    for (const std::int32_t class_id : data_.classes_of(request.split)) add(class_id, groups);
    std::size_t most = 0;
    for (auto& [id, group] : groups) {
      group.erase(std::remove_if(group.begin(), group.end(),
                                 [&](const Pool& pool) {
                                   most = std::max(most, pool.samples.size());
                                   return static_cast<std::int64_t>(pool.samples.size()) <
                                          options_.shot + options_.query;
                                 }),
                  group.end());
      if (static_cast<std::int64_t>(group.size()) >= options_.way)
        groups_.push_back(std::move(group));
    }
    const bool values = options_.values();
    CUTTLE_VALIDATE(!groups_.empty(),
                    "split {} has {} groups, and none has {} + {} samples (shot + query){}; the "
                    "most that one has{} is {}. Lower {}shot or query, or use more data",
                    to_string(request.split), groups.size(), options_.shot, options_.query,
                    values ? "" : fmt::format(" of {} classes (way)", options_.way),
                    values ? "" : " of a class", most, values ? "" : "way, ");
  }

  EpisodeSize size(const RandomKey& key) const override {
    Random random(key);
    return draw_size(options_, random);
  }
  Task make(const RandomKey& key) const override {
    Task task = make_task(model_, materialise(data_, plan(key)), kept_);
    task.support = drop_modalities(task.support, dropout_, key.with(Stream::kModel, 1));
    task.query = drop_modalities(task.query, dropout_, key.with(Stream::kModel, 2));
    return task;
  }

 private:
  /// What one group has of one class; of values: all that it has.
  struct Pool {
    std::int32_t class_id;
    std::vector<std::int64_t> samples;
  };
  using Group = std::vector<Pool>;

  void add(std::int32_t class_id, std::map<std::int32_t, Group>& groups) const {
    for (const std::int64_t sample : data_.samples_of(class_id)) {
      const SampleInfo& info = data_.samples()[static_cast<std::size_t>(sample)];
      if (info.present == 0 || (options_.complete && !info.complete)) continue;
      Group& group = groups[info.group_id];
      const bool fresh = group.empty() || (!options_.values() && group.back().class_id != class_id);
      if (fresh) group.push_back({class_id, {}});
      group.back().samples.push_back(sample);
    }
  }

  EpisodePlan plan(const RandomKey& key) const {
    Random random(key);
    EpisodePlan plan;
    plan.key = key;
    plan.values = options_.values();
    const EpisodeSize size = draw_size(options_, random);
    const Group& group = groups_[random.below(groups_.size())];
    for (const std::int64_t i : random.sample(static_cast<std::int64_t>(group.size()), size.way)) {
      const Pool& pool = group[static_cast<std::size_t>(i)];
      std::vector<std::int64_t> drawn;
      draw(pool.samples, size.shot + options_.query, random, drawn);
      const auto label = static_cast<std::int64_t>(plan.classes.size());
      plan.classes.push_back(pool.class_id);
      plan.support.insert(plan.support.end(), drawn.begin(), drawn.begin() + size.shot);
      plan.query.insert(plan.query.end(), drawn.begin() + size.shot, drawn.end());
      plan.support_labels.resize(plan.support.size(), label);
      plan.query_labels.resize(plan.query.size(), label);
    }
    return plan;
  }

  const Dataset& data_;
  EpisodeOptions options_;
  const Model& model_;
  SampleCache* kept_;
  double dropout_;
  std::vector<Group> groups_;  ///< that can give an episode
};

}  // namespace

SourceType row_of_groups() {
  return type_of<GroupSource, SourceType>(
      "episodes inside one group (a user, a patient): of its classes, or of its samples' values",
      "");
}

}  // namespace cuttle
