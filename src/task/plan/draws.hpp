#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/core/random.hpp"
#include "cuttle/task/episode.hpp"

// What sources of episodes have in common.
namespace cuttle {

/// UserError where way, shot and query make no episode, or values are asked of data that have none.
void check_episodes(const Dataset& data, const EpisodeOptions& options);

/// Uniform in [least, most]; least = 0: always `most`.
std::int64_t draw_between(std::int64_t least, std::int64_t most, Random& random);

/// How many shots each class of an episode has, as the options let way and shot vary.
std::vector<std::int64_t> draw_shots(const EpisodeOptions& options, Random& random);

/// The size of an episode with this key, whose planner draws shots first.
EpisodeSize size_of_episode(const EpisodeOptions& options, const RandomKey& key);

/// What episodes cannot use of a split.
struct LeftOut {
  std::int64_t count = 0;
  std::vector<std::string> some;  ///< the names of the first three

  void add(const std::string& name);
  /// "split train: 118 of 120 classes can be used; left out are 'a', 'b' (...)"; empty if nothing
  /// is. `what`: "classes"; `want`: what these do not have.
  std::string say(Split split, std::int64_t all, const std::string& what,
                  const std::string& want) const;
};

/// Whether an episode may have a sample: it has a sense in use, and all of the shards' if asked
/// for.
bool can_be_drawn(const SampleInfo& info, const EpisodeOptions& options);

/// All of a split, class by class.
std::vector<std::int64_t> samples_to_draw(const Dataset& data, Split split,
                                          const EpisodeOptions& options);

/// `count` of `from`, without replacement, in random order.
void draw(const std::vector<std::int64_t>& from, std::int64_t count, Random& random,
          std::vector<std::int64_t>& to);

/// Adds `shot` of these samples to the plan's support and `query` others to its query.
void draw_support_and_query(const std::vector<std::int64_t>& from, std::int64_t shot,
                            std::int64_t query, Random& random, EpisodePlan& plan);

/// What was added to the plan since the last class is of this one, and has the next label.
void label_class(std::int32_t class_id, EpisodePlan& plan);

}  // namespace cuttle
