#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/core/safetensors.hpp"

namespace cuttle {

/// All that a run needs to go on at `step` as if it had never stopped, on any number of ranks.
struct CheckpointContent {
  std::int64_t step = 0;  ///< outer steps done
  /// "parameters", "optimizer": NAME.safetensors.
  std::map<std::string, std::vector<NamedArray>> files;
  std::string state_json;                    ///< counters, best score, world sizes: state.json
  std::string config_yaml;                   ///< resolved config: config.yaml
  std::map<std::string, std::string> facts;  ///< data fingerprint, versions, threads: facts.json
};

struct CheckpointEntry {
  std::int64_t step = 0;
  std::string folder;
};

struct LatestCheckpoint {
  std::optional<CheckpointContent> content;  ///< the newest that verifies, if there is one
  std::string folder;                        ///< where it lies
  std::vector<std::string> refused;          ///< newer ones: folder and reason, newest first
};

// Rank 0 calls these, under the run's lock (run_lock.hpp), inside together() so that all ranks
// learn of a failure.

/// Writes RUN/checkpoints/step-00000123 all or nothing: temporary folder, every file fsynced,
/// manifest.json with sizes and SHA-256 last, rename, fsync. One of the same step is replaced. Then
/// removes what lies before it beyond the newest `keep` (1 or more) and is not step `best`, and
/// what killed writers left. Returns the folder. Throws Error, with all older checkpoints
/// untouched, if the disk is full or an F32 or F64 array is not finite (naming it).
std::string save_checkpoint(const std::string& run_folder, const CheckpointContent& content,
                            int keep, std::optional<std::int64_t> best);

/// The checkpoints of a run by name alone, not verified, oldest first; none if there is no such
/// folder.
std::vector<CheckpointEntry> list_checkpoints(const std::string& run_folder);

/// The newest checkpoint that verifies; says by name and reason which newer ones were refused.
LatestCheckpoint load_latest(const std::string& run_folder);

/// One checkpoint folder. Throws UserError naming file and reason unless version, names, sizes and
/// hashes all hold.
CheckpointContent load_checkpoint(const std::string& folder);

}  // namespace cuttle
