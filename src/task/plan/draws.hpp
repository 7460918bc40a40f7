#pragma once

#include <cstdint>
#include <vector>

#include "cuttle/core/random.hpp"
#include "cuttle/task/episode.hpp"

// What sources of episodes have in common.
namespace cuttle {

/// UserError where way, shot and query make no episode, or values are asked of data that have none.
void check_episodes(const Dataset& data, const EpisodeOptions& options);

/// Way and shot of an episode, as the options let them vary.
EpisodeSize draw_size(const EpisodeOptions& options, Random& random);

/// `count` of `from`, without replacement, in random order.
void draw(const std::vector<std::int64_t>& from, std::int64_t count, Random& random,
          std::vector<std::int64_t>& to);

}  // namespace cuttle
