#include <torch/types.h>

#include "task/rows.hpp"
#include "task/sources/from_shards.hpp"

namespace cuttle {

/// N-way K-shot, or samples of one class with their values.
SourceType row_of_episodes() {
  return type_of<PlannedEpisodes<EpisodePlanner>, SourceType>("episodes of the shards' classes",
                                                              "Vinyals et al. 2016");
}

}  // namespace cuttle
