#pragma once

#include <string>
#include <vector>

namespace cuttle {

struct DataOptions {
  std::vector<std::string> shards;  ///< files or patterns, e.g. [.data/emoji/*.h5]
  std::vector<std::string>
      modalities;          ///< which modalities to use, in this order; empty: all in the shards
  bool in_memory = false;  ///< hold the samples in memory
  int prefetch = 4;        ///< planned micro-batches read ahead by the background thread; 0: none
  /// Of other data sets, whose validation or test classes take the place of the shards' own; empty:
  /// these.
  std::vector<std::string> validation_shards = {}, test_shards = {};
  /// Folder of features that runs share; auto: the user's; none: not kept.
  std::string feature_bank = "auto";
};

}  // namespace cuttle
