#pragma once

#include <cstdint>
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
  /// Senses that shall be missing, such as "text=0.35" for so many samples, classes or
  /// tasks (`missing_by`) of these splits, drawn by name, or a task's key, and seed: no sample
  /// loses two, nor the last that it has.
  std::vector<std::string> missing = {};
  std::string missing_by = "sample";
  std::vector<std::string> missing_splits = {"all"};
  std::uint64_t missing_seed = 0;
  /// "2/5": training and validation classes together are dealt into 5 folds by `fold_seed`, and
  /// those of the second are the validation classes; empty: the shards' own splits.
  std::string fold = {};
  std::uint64_t fold_seed = 0;
};

}  // namespace cuttle
