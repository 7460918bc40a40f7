#pragma once

#include <cstdint>
#include <vector>

namespace cuttle {

/// Divides the groups of a class between support and query. `counts` are the groups' sizes in the
/// order in which they are offered. Each group goes to support if that has fewer than `shot` groups
/// and the rest can still be divided so that support gets `shot` samples and query `query`; else to
/// query. Returns a flag per group, 1 for support; an empty list when there is no such division at
/// all.
std::vector<std::uint8_t> split_groups(const std::vector<std::int64_t>& counts, std::int64_t shot,
                                       std::int64_t query);

}  // namespace cuttle
