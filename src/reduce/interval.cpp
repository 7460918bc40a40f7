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

// A square as an exact summand; of deviations beyond 1e19 that of 1e19.
float square_of(double deviation) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return static_cast<float>(std::min(deviation * deviation, kLargest));
}

}  // namespace

double standard_errors(std::int64_t count) {
  // Quantiles 0.975 of Student's t with 1, 2, ... 28 degrees of freedom.
  constexpr double kStudent[] = {
      12.7062047364, 4.3026527297, 3.1824463053, 2.7764451052, 2.5705818356, 2.4469118511,
      2.3646242516,  2.3060041352, 2.2621571628, 2.2281388520, 2.2009851601, 2.1788128297,
      2.1603686565,  2.1447866879, 2.1314495456, 2.1199052992, 2.1098155778, 2.1009220402,
      2.0930240544,  2.0859634473, 2.0796138447, 2.0738730679, 2.0686576104, 2.0638985616,
      2.0595385528,  2.0555294386, 2.0518305165, 2.0484071418};
  if (count < 2) return std::numeric_limits<double>::quiet_NaN();
  if (count >= 30) return 1.96;
  return kStudent[count - 2];
}

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
  std::vector<std::vector<float>> squares(rows.begin(), rows.end());
  for (auto& row : squares) {
    for (std::size_t c = 0; c < columns; ++c) row[c] = square_of(row[c] - result[c].mean);
  }
  const std::vector<double> spread = exact_sum(comm, name, squares, columns, count);
  for (std::size_t c = 0; c < columns; ++c) {
    result[c].half_width = standard_errors(count) * std::sqrt(spread[c] / (n - 1.0) / n);
  }
  return result;
}

std::vector<Interval> ratio_intervals(Communicator& comm, std::string_view name,
                                      Span<const std::vector<float>> rows, std::size_t quotients) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const std::int64_t total = count_rows(comm, name, rows);
  const std::vector<double> sums = exact_sum(comm, name, rows, 2 * quotients, total);
  std::vector<std::int64_t> counts(quotients, 0);
  for (const auto& row : rows)
    for (std::size_t c = 0; c < quotients; ++c) counts[c] += row[2 * c + 1] != 0;
  counts = comm.all_reduce(std::string(name) + " counts", std::move(counts), ReduceOp::kSum).wait();
  std::vector<Interval> result(quotients);
  for (std::size_t c = 0; c < quotients; ++c)
    result[c] = {counts[c] > 0 ? sums[2 * c] / sums[2 * c + 1] : kNone, kNone, counts[c]};

  std::vector<std::vector<float>> squares;
  for (const auto& row : rows) {
    squares.emplace_back();
    for (std::size_t c = 0; c < quotients; ++c)
      squares.back().push_back(
          counts[c] == 0 ? 0 : square_of(row[2 * c] - result[c].mean * row[2 * c + 1]));
  }
  const std::vector<double> spread = exact_sum(comm, name, squares, quotients, total);
  for (std::size_t c = 0; c < quotients; ++c) {
    const auto n = static_cast<double>(counts[c]);
    if (counts[c] >= 2)
      result[c].half_width = standard_errors(counts[c]) * std::sqrt(spread[c] * n / (n - 1.0)) /
                             std::abs(sums[2 * c + 1]);
  }
  return result;
}

}  // namespace cuttle
