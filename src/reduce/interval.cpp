#include "cuttle/reduce/interval.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cuttle/core/error.hpp"
#include "cuttle/reduce/exact_sum.hpp"

namespace cuttle {
namespace {

// Counts the rows of all ranks, after all of them have found their values finite.
std::int64_t count_rows(Communicator& comm, std::string_view name,
                        Span<const std::vector<float>> rows) {
  together(comm, name, [&] {
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::size_t bad = first_nonfinite(rows[r]);
      CUTTLE_REQUIRE(bad == rows[r].size(),
                     "value {} of local row {} is {} (it would make the mean meaningless)", bad, r,
                     rows[r][bad]);
    }
  });
  const std::int64_t local = static_cast<std::int64_t>(rows.size());
  return comm.all_reduce(std::string(name) + " count", {local}, ReduceOp::kSum).wait()[0];
}

}  // namespace

std::vector<Interval> mean_intervals(Communicator& comm, std::string_view name,
                                     Span<const std::vector<float>> rows, std::size_t columns) {
  const std::int64_t count = count_rows(comm, name, rows);
  const double n = static_cast<double>(count);
  const std::vector<double> sums = exact_sum(comm, name, rows, columns, count);
  std::vector<Interval> result(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    result[c] = {count > 0 ? sums[c] / n : std::numeric_limits<double>::quiet_NaN(),
                 std::numeric_limits<double>::quiet_NaN(), count};
  }
  if (count < 2) return result;

  // Squares of deviations from the mean, which is the same everywhere, so these are exact inputs
  // again.
  constexpr double kLargest =
      std::numeric_limits<float>::max();  // deviations beyond 1e19 count as 1e19
  std::vector<std::vector<float>> squares(rows.begin(), rows.end());
  for (auto& row : squares) {
    for (std::size_t c = 0; c < columns; ++c) {
      const double deviation = row[c] - result[c].mean;
      row[c] = static_cast<float>(std::min(deviation * deviation, kLargest));
    }
  }
  const std::vector<double> spread = exact_sum(comm, name, squares, columns, count);
  for (std::size_t c = 0; c < columns; ++c) {
    result[c].half_width = 1.96 * std::sqrt(spread[c] / (n - 1.0) / n);
  }
  return result;
}

}  // namespace cuttle
