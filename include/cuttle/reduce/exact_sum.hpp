#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/span.hpp"

namespace cuttle {

/// Column sums over all rows of all ranks, exact for any finite floats (denormals, 76 decades,
/// cancellation) and rounded once to double: the bits depend on the set of rows alone, not on their
/// order or on who holds which. An empty or cancelled column gives +0. `rows`: this rank's, each of
/// `columns` finite floats; there may be none. `total_rows`: their number over all ranks, below
/// 2^31. Collective: all ranks call it with equal columns and total. Memory besides the rows and
/// the result: 16 to 32 MB at most, and an eighth of a byte per column.
std::vector<double> exact_sum(Communicator& comm, std::string_view name,
                              Span<const std::vector<float>> rows, std::size_t columns,
                              std::int64_t total_rows);

/// Index of the first NaN or infinity, values.size() if there is none.
std::size_t first_nonfinite(Span<const float> values);

}  // namespace cuttle
