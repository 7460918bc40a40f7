#include "cuttle/reduce/exact_sum.hpp"

#include <algorithm>
#include <cmath>

#include "cuttle/core/error.hpp"
#include "reduce/column_sums.hpp"

namespace cuttle {

std::vector<double> exact_sum(Communicator& comm, std::string_view name,
                              Span<const std::vector<float>> rows, std::size_t columns,
                              std::int64_t total_rows) {
  CUTTLE_EXPECT(total_rows >= 0 && total_rows < (std::int64_t{1} << 31));
  BlockRanges ranges(columns);
  for (const auto& row : rows) {
    CUTTLE_EXPECT(row.size() == columns);
    ranges.take(0, row);
  }
  return ColumnSums(comm).run(name, rows, 0, columns, ranges, total_rows).sums;
}

std::size_t first_nonfinite(Span<const float> values) {
  constexpr std::uint32_t kInfinity = 0x7f800000u;
  std::uint32_t largest = 0;  // as integers, magnitudes order like their values
  for (const float value : values) largest = std::max(largest, bits_of(value) & 0x7fffffffu);
  if (largest < kInfinity) return values.size();
  const auto bad =
      std::find_if_not(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  return static_cast<std::size_t>(bad - values.begin());
}

}  // namespace cuttle
