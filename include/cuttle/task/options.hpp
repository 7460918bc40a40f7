#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/config/section.hpp"

namespace cuttle {

struct EpisodeOptions {
  Section source{"episodes"};  ///< where tasks come from (task/sources)
  Section target{"class"};     ///< what is learned (task/kinds)
  std::int64_t way = 5;        ///< classes in an episode
  std::int64_t shot = 1;       ///< support samples per class
  std::int64_t query = 15;     ///< query samples per class
  std::int64_t way_min = 0;    ///< variable way: uniform in [way_min, way]; 0: always `way`
  std::int64_t shot_min = 0;   ///< variable shot: uniform in [shot_min, shot]; 0: always `shot`
  bool uneven = false;         ///< variable shot: drawn for each class of an episode by itself
  std::string groups =
      "free";  ///< free | apart (a group of a class is in its support or in its query, never both)
  bool complete = false;  ///< only samples that have every modality of the shards, also those not
                          ///< in use: models of different senses then see the same episodes
  std::int64_t meta_batch_size = 16;  ///< tasks in an outer step, over all ranks
  std::int64_t micro_batch =
      1;  ///< tasks that are scheduled and read together; on a GPU computed so

  bool of_values = false;  ///< samples' values are what is learned: no key, but what the target's
                           ///< row says, when the config is read
};

/// One of several sources that a run draws its tasks from.
struct SourceOptions {
  Section source{"episodes"};
  double weight = 1.0;              ///< of its share among all; 0: left out
  std::vector<std::string> shards;  ///< its own, where it needs some
  std::vector<std::string> validation_shards = {}, test_shards = {};  ///< as in DataOptions
};

/// A loss beside the task's own.
struct ObjectiveOptions {
  Section objective{"contrastive"};
  double weight = 1.0;
  std::string where = "outer";  ///< inner | outer | both: the loops whose loss it joins
};

}  // namespace cuttle
