#pragma once

#include <cstddef>
#include <vector>

#include "cuttle/data/options.hpp"
#include "shard_index.hpp"

namespace cuttle {

/// Shards that belong together, and which of their modalities are in use.
struct ShardSet {
  std::vector<ShardIndex> shards;        ///< by path
  std::vector<ModalitySpec> modalities;  ///< those in use, in the order asked for
  std::vector<std::size_t> columns;      ///< their places in each shard's header
};

/// Finds and reads the shards that the options name and checks that they fit together. UserError
/// naming the shard, the pattern or the modality.
ShardSet open_shards(const DataOptions& options);

}  // namespace cuttle
