#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "cuttle/core/error.hpp"
#include "cuttle/task/episode.hpp"
#include "task/plan/draws.hpp"
#include "task/plan/group_split.hpp"

namespace cuttle {
namespace {

void check_options(const EpisodeOptions& options) {
  CUTTLE_VALIDATE(options.way >= 1, "episode.way is {} (an episode needs classes); use 1 or more",
                  options.way);
  CUTTLE_VALIDATE(options.shot >= 1,
                  "episode.shot is {} (there is nothing to adapt to); use 1 or more", options.shot);
  CUTTLE_VALIDATE(options.query >= 1,
                  "episode.query is {} (there is nothing to score); use 1 or more", options.query);
  CUTTLE_VALIDATE(options.way_min >= 0 && options.way_min <= options.way,
                  "episode.way_min is {} (way is drawn from way_min to way); use 0 to {}",
                  options.way_min, options.way);
  CUTTLE_VALIDATE(options.shot_min >= 0 && options.shot_min <= options.shot,
                  "episode.shot_min is {} (shot is drawn from shot_min to shot); use 0 to {}",
                  options.shot_min, options.shot);
  CUTTLE_VALIDATE(options.groups == "free" || options.groups == "apart",
                  "episode.groups is '{}'; use free or apart", options.groups);
}

// Regression: the class is the task, not the answer, so an episode has one.
void check_values(const Dataset& data, const EpisodeOptions& options) {
  if (!options.of_values) return;
  CUTTLE_VALIDATE(options.way == 1,
                  "episode.way is {} with episode.target: {} (an episode is samples of one "
                  "class, whose values are predicted); use 1",
                  options.way, options.target.type);
  CUTTLE_VALIDATE(data.target_width() > 0,
                  "episode.target is {}, but the shards hold no targets (there is nothing to "
                  "predict); make them with targets (data_tools/FORMAT.md, \"Targets\"), or use "
                  "episode.target: class",
                  options.target.type);
}

template <class T>
std::int64_t size_of(const std::vector<T>& values) {
  return static_cast<std::int64_t>(values.size());
}

/// `count` samples of the groups: one of each in their order, then a second one of each, and so on.
void draw_in_rounds(const std::vector<const std::vector<std::int64_t>*>& groups, std::int64_t count,
                    Random& random, std::vector<std::int64_t>& to) {
  std::vector<std::vector<std::int64_t>> shuffled(groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    draw(*groups[i], std::min(count, size_of(*groups[i])), random, shuffled[i]);
  }
  for (std::size_t round = 0; count > 0; ++round) {
    for (const std::vector<std::int64_t>& group : shuffled) {
      if (round >= group.size() || count == 0) continue;
      to.push_back(group[round]);
      --count;
    }
  }
}

}  // namespace

std::int64_t draw_between(std::int64_t least, std::int64_t most, Random& random) {
  if (least == 0 || least == most) return most;
  return least +
         static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most - least + 1)));
}

void check_episodes(const Dataset& data, const EpisodeOptions& options) {
  check_options(options);
  check_values(data, options);
}

std::vector<std::int64_t> draw_shots(const EpisodeOptions& options, Random& random) {
  std::vector<std::int64_t> shots(
      static_cast<std::size_t>(draw_between(options.way_min, options.way, random)));
  for (std::size_t i = 0; i < shots.size(); ++i)
    shots[i] =
        i == 0 || options.uneven ? draw_between(options.shot_min, options.shot, random) : shots[0];
  return shots;
}

EpisodeSize size_of_episode(const EpisodeOptions& options, const RandomKey& key) {
  Random random(key);
  const auto shots = draw_shots(options, random);
  const std::int64_t way = size_of(shots);
  return {way, *std::max_element(shots.begin(), shots.end()),
          std::accumulate(shots.begin(), shots.end(), std::int64_t{0}), way * options.query};
}

void LeftOut::add(const std::string& name) {
  constexpr std::int64_t kNamed = 3;
  if (++count <= kNamed) some.push_back(name);
}

std::string LeftOut::say(Split split, std::int64_t all, const std::string& what,
                         const std::string& want) const {
  if (count == 0) return {};
  const std::int64_t more = count - size_of(some);
  return fmt::format("split {}: {} of {} {} can be used; left out {} '{}'{}, without {}",
                     to_string(split), all - count, all, what, count == 1 ? "is" : "are",
                     fmt::join(some, "', '"), more > 0 ? fmt::format(" and {} more", more) : "",
                     want);
}

void draw(const std::vector<std::int64_t>& from, std::int64_t count, Random& random,
          std::vector<std::int64_t>& to) {
  for (const std::int64_t i : random.sample(size_of(from), count)) {
    to.push_back(from[static_cast<std::size_t>(i)]);
  }
}

bool can_be_drawn(const SampleInfo& info, const EpisodeOptions& options) {
  return info.present != 0 && (info.complete || !options.complete);
}

std::vector<std::int64_t> samples_to_draw(const Dataset& data, Split split,
                                          const EpisodeOptions& options) {
  std::vector<std::int64_t> samples;
  for (const std::int32_t id : data.classes_of(split))
    for (const std::int64_t sample : data.samples_of(id))
      if (can_be_drawn(data.samples()[static_cast<std::size_t>(sample)], options))
        samples.push_back(sample);
  return samples;
}

void draw_support_and_query(const std::vector<std::int64_t>& from, std::int64_t shot,
                            std::int64_t query, Random& random, EpisodePlan& plan) {
  std::vector<std::int64_t> drawn;
  draw(from, shot + query, random, drawn);
  plan.support.insert(plan.support.end(), drawn.begin(), drawn.begin() + shot);
  plan.query.insert(plan.query.end(), drawn.begin() + shot, drawn.end());
}

void label_class(std::int32_t class_id, EpisodePlan& plan) {
  const auto label = static_cast<std::int64_t>(plan.classes.size());
  plan.classes.push_back(class_id);
  plan.support_labels.resize(plan.support.size(), label);
  plan.query_labels.resize(plan.query.size(), label);
}

EpisodePlanner::EpisodePlanner(const Dataset& data, Split split, const EpisodeOptions& options,
                               const SamplingWeights& weights)
    : options_(options), apart_(options.groups == "apart") {
  check_episodes(data, options);
  const std::vector<std::int32_t>& classes = data.classes_of(split);
  const auto likely =
      weights.empty() ? std::vector<double>() : weights_of_classes(weights, data, split);
  std::size_t most = 0;  // samples in a class
  std::int64_t never = 0;
  LeftOut left_out;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (!likely.empty() && likely[i] == 0) {
      ++never;
      continue;
    }
    const std::int32_t class_id = classes[i];
    ClassPool pool = pool_of(data, class_id);
    std::size_t samples = 0;
    for (const GroupPool& group : pool.groups) samples += group.samples.size();
    most = std::max(most, samples);
    if (enough(pool, options.shot)) {
      pools_.push_back(std::move(pool));
      if (!likely.empty()) weights_.push_back(likely[i]);
    } else {
      left_out.add(data.class_names()[static_cast<std::size_t>(class_id)]);
    }
  }
  const std::string want = fmt::format("{} + {} {}samples (shot + query){}", options.shot,
                                       options.query, options.complete ? "complete " : "",
                                       apart_ ? " in groups that can be kept apart" : "");
  CUTTLE_VALIDATE(
      !classes.empty(),
      "split {} has 0 classes (an episode needs {}); evaluate another one (--split), or "
      "convert the data again with --splits",
      to_string(split), options.way);
  CUTTLE_VALIDATE(usable_classes() >= options.way,
                  "split {} has {} classes that episodes can use, they need {} (episode.way, in "
                  "evaluation evaluation.way where it is given): it has {} classes{}, {} were left "
                  "out because they have not {}; the largest has {}. "
                  "Lower way, shot or query, or use more data{}",
                  to_string(split), usable_classes(), options.way, classes.size(),
                  never > 0 ? fmt::format(" ({} of weight 0)", never) : "", left_out.count, want,
                  most, apart_ ? "; where samples have no groups, use episode.groups: free" : "");
  left_out_ = left_out.say(split, size_of(classes) - never, "classes", want);
}

EpisodePlanner::ClassPool EpisodePlanner::pool_of(const Dataset& data,
                                                  std::int32_t class_id) const {
  std::vector<std::pair<std::int32_t, std::int64_t>> usable;  // group, sample
  for (const std::int64_t sample : data.samples_of(class_id)) {
    const SampleInfo& info = data.samples()[static_cast<std::size_t>(sample)];
    if (can_be_drawn(info, options_)) usable.emplace_back(apart_ ? info.group_id : 0, sample);
  }
  std::sort(usable.begin(), usable.end());
  ClassPool pool;
  pool.class_id = class_id;
  for (const auto& [group_id, sample] : usable) {
    if (pool.groups.empty() || pool.groups.back().group_id != group_id)
      pool.groups.push_back({group_id, {}});
    pool.groups.back().samples.push_back(sample);
  }
  return pool;
}

bool EpisodePlanner::enough(const ClassPool& pool, std::int64_t shot) const {
  std::vector<std::int64_t> counts;
  for (const GroupPool& group : pool.groups) counts.push_back(size_of(group.samples));
  if (apart_) return !split_groups(counts, shot, options_.query).empty();
  return !counts.empty() && counts[0] >= shot + options_.query;
}

EpisodeSize EpisodePlanner::size(const RandomKey& key) const {
  return size_of_episode(options_, key);
}

EpisodePlan EpisodePlanner::plan(const RandomKey& key) const {
  Random random(key);
  EpisodePlan plan;
  plan.key = key;
  plan.values = options_.of_values;
  const std::vector<std::int64_t> shots = draw_shots(options_, random);
  std::vector<std::int64_t> chosen;
  if (weights_.empty()) {
    chosen = random.sample(usable_classes(), size_of(shots));
  } else {
    // The heaviest come first: a label must not say which class it is likely to be.
    const auto drawn = random.sample(weights_, size_of(shots));
    for (const std::int64_t i : random.sample(size_of(drawn), size_of(drawn)))
      chosen.push_back(drawn[static_cast<std::size_t>(i)]);
  }
  const GroupRanks ranks = apart_ ? rank_groups(chosen, random) : GroupRanks{};
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const ClassPool& pool = pools_[static_cast<std::size_t>(chosen[i])];
    if (apart_)
      draw_apart(pool, ranks, shots[i], random, plan);
    else
      draw_support_and_query(pool.groups.front().samples, shots[i], options_.query, random, plan);
    label_class(pool.class_id, plan);
  }
  return plan;
}

EpisodePlanner::GroupRanks EpisodePlanner::rank_groups(const std::vector<std::int64_t>& chosen,
                                                       Random& random) const {
  std::vector<std::int32_t> ids;
  for (const std::int64_t i : chosen) {
    for (const GroupPool& group : pools_[static_cast<std::size_t>(i)].groups)
      ids.push_back(group.group_id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const auto count = static_cast<std::int64_t>(ids.size());
  const std::vector<std::int64_t> order = random.sample(count, count);
  GroupRanks ranks;
  for (std::size_t i = 0; i < ids.size(); ++i) ranks.emplace_back(ids[i], order[i]);
  return ranks;
}

void EpisodePlanner::draw_apart(const ClassPool& pool, const GroupRanks& ranks, std::int64_t shot,
                                Random& random, EpisodePlan& plan) const {
  std::vector<std::pair<std::int64_t, const GroupPool*>> order;
  for (const GroupPool& group : pool.groups) {
    const auto entry = std::lower_bound(ranks.begin(), ranks.end(),
                                        std::make_pair(group.group_id, std::int64_t{0}));
    order.emplace_back(entry->second, &group);
  }
  std::sort(order.begin(), order.end());
  std::vector<std::int64_t> counts;
  for (const auto& entry : order) counts.push_back(size_of(entry.second->samples));
  const std::vector<std::uint8_t> in_support = split_groups(counts, shot, options_.query);
  CUTTLE_EXPECT(!in_support.empty());  // classes that cannot be divided were left out
  std::vector<const std::vector<std::int64_t>*> support, query;
  for (std::size_t i = 0; i < order.size(); ++i) {
    (in_support[i] ? support : query).push_back(&order[i].second->samples);
  }
  draw_in_rounds(support, shot, random, plan.support);
  draw_in_rounds(query, options_.query, random, plan.query);
}

}  // namespace cuttle
