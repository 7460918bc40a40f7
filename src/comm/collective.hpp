#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cuttle/comm/communicator.hpp"

namespace cuttle {

/// What a rank believes that all ranks are doing. Two ranks are in the same collective exactly if
/// describe() is equal, so `shape` holds whatever must be equal: operation, length, element type,
/// root.
struct Collective {
  std::uint64_t sequence = 0;  ///< counted from 1 by each communicator
  std::string name;
  std::string shape;

  /// "'gradient' #12 (sum of 100 int64)"
  std::string describe() const;
  /// 64 bits of describe() (FNV-1a): cheap enough to travel with every collective.
  std::uint64_t hash() const;
};

std::string reduce_shape(ReduceOp op, std::size_t length);
std::string reduce_bytes_shape(std::size_t length);
std::string broadcast_shape(int root);
std::string gather_shape();

/// Why ranks that met are not in the same collective; `descriptions` by rank.
std::string mismatch_message(const std::vector<std::string>& descriptions);

}  // namespace cuttle
