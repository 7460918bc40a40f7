#pragma once

#include <cstdint>
#include <string>

namespace cuttle {

struct EpisodeOptions {
  std::string target = "class";  ///< class | value (regression: an episode is samples of one
                                 ///< class, such as one function or patient, with target values)
  std::int64_t way = 5;          ///< classes in an episode
  std::int64_t shot = 1;         ///< support samples per class
  std::int64_t query = 15;       ///< query samples per class
  std::int64_t way_min = 0;      ///< variable way: uniform in [way_min, way]; 0: always `way`
  std::int64_t shot_min = 0;     ///< variable shot: uniform in [shot_min, shot]; 0: always `shot`
  std::string groups =
      "free";  ///< free | apart (a group of a class is in its support or in its query, never both)
  bool complete = false;  ///< only samples that have every modality of the shards, also those not
                          ///< in use: models of different senses then see the same episodes
  std::int64_t meta_batch_size = 16;  ///< tasks in an outer step, over all ranks
  std::int64_t micro_batch =
      1;  ///< tasks that are scheduled and read together; on a GPU computed so

  bool values() const { return target == "value"; }
};

}  // namespace cuttle
