#include <torch/types.h>

#include <algorithm>
#include <map>

#include "cuttle/core/error.hpp"
#include "task/plan/draws.hpp"
#include "task/rows.hpp"
#include "task/sources/from_shards.hpp"

namespace cuttle {
namespace {

/// Episodes inside one group (a user, a patient, a speaker): of classes, `way` of those that the
/// group has; of values, samples of all its classes. Groups are equally likely. A group that lies
/// in several splits gives each the samples that are there.
class GroupPlanner {
 public:
  GroupPlanner(const Dataset& data, Split split, const EpisodeOptions& options)
      : options_(options) {
    check_episodes(data, options_);
    CUTTLE_VALIDATE(options_.groups == "free",
                    "episode.groups: apart does not go with the source groups (an episode is one "
                    "group, in support and query); remove one of the two");
    std::map<std::int32_t, Group> groups;
    for (const std::int32_t class_id : data.classes_of(split)) add(data, class_id, groups);
    std::size_t most = 0;
    LeftOut left_out;
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
      else
        left_out.add(data.group_names()[static_cast<std::size_t>(id)]);
    }
    const bool values = options_.of_values;
    const std::string want =
        fmt::format("{} + {} samples (shot + query){}", options_.shot, options_.query,
                    values ? "" : fmt::format(" of {} classes (way)", options_.way));
    CUTTLE_VALIDATE(!groups_.empty(),
                    "split {} has {} groups, and none has {}; the most that one has{} is {}. Lower "
                    "{}shot or query, or use more data",
                    to_string(split), groups.size(), want, values ? "" : " of a class", most,
                    values ? "" : "way, ");
    left_out_ = left_out.say(split, static_cast<std::int64_t>(groups.size()), "groups", want);
  }

  const std::string& left_out() const { return left_out_; }
  EpisodeSize size(const RandomKey& key) const { return size_of_episode(options_, key); }
  EpisodePlan plan(const RandomKey& key) const {
    Random random(key);
    EpisodePlan plan;
    plan.key = key;
    plan.values = options_.of_values;
    const auto shots = draw_shots(options_, random);
    const Group& group = groups_[random.below(groups_.size())];
    const auto chosen = random.sample(static_cast<std::int64_t>(group.size()),
                                      static_cast<std::int64_t>(shots.size()));
    for (std::size_t i = 0; i < shots.size(); ++i) {
      const Pool& pool = group[static_cast<std::size_t>(chosen[i])];
      draw_support_and_query(pool.samples, shots[i], options_.query, random, plan);
      label_class(pool.class_id, plan);
    }
    return plan;
  }

 private:
  /// What one group has of one class; of values: all that it has.
  struct Pool {
    std::int32_t class_id;
    std::vector<std::int64_t> samples;
  };
  using Group = std::vector<Pool>;

  void add(const Dataset& data, std::int32_t class_id,
           std::map<std::int32_t, Group>& groups) const {
    for (const std::int64_t sample : data.samples_of(class_id)) {
      const SampleInfo& info = data.samples()[static_cast<std::size_t>(sample)];
      if (!can_be_drawn(info, options_)) continue;
      Group& group = groups[info.group_id];
      const bool fresh =
          group.empty() || (!options_.of_values && group.back().class_id != class_id);
      if (fresh) group.push_back({class_id, {}});
      group.back().samples.push_back(sample);
    }
  }

  EpisodeOptions options_;
  std::vector<Group> groups_;  ///< that can give an episode
  std::string left_out_;
};

}  // namespace

SourceType row_of_groups() {
  return type_of<PlannedEpisodes<GroupPlanner>, SourceType>(
      "episodes inside one group (a user, a patient): of its classes, or of its samples' values",
      "");
}

}  // namespace cuttle
