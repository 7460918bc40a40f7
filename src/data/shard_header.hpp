#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/data/sample.hpp"

namespace cuttle {

/// What the header of a shard says (FORMAT.md, "Header").
struct ShardHeader {
  std::string dataset;
  std::int64_t shard = 0, shards = 1;  ///< this is shard `shard` of `shards`
  std::vector<ModalitySpec> modalities;
  std::vector<std::string> targets;  ///< names of the target values; empty: there are none
};

/// Parses and checks the header text of the shard at `path`. UserError naming the shard and the
/// key.
ShardHeader parse_shard_header(const std::string& text, const std::string& path);

}  // namespace cuttle
