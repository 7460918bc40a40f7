#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/span.hpp"

namespace cuttle {

/// How many standard errors the 95 % interval of a mean of `count` values reaches to either side:
/// 1.96 from 30 values on, as few-shot papers report it, Student's t for fewer (12.71 for two). NaN
/// for fewer than two.
double standard_errors(std::int64_t count);

/// Mean of `count` values with the half width of its 95 % interval. The half width is NaN for fewer
/// than two values, the mean for none.
struct Interval {
  double mean = 0.0;
  double half_width = 0.0;
  std::int64_t count = 0;
};

/// The half width, where there is one: a single value says nothing of the spread.
inline std::optional<double> margin_of(const Interval& interval) {
  return std::isnan(interval.half_width) ? std::nullopt : std::optional(interval.half_width);
}

/// One interval per column over the rows of all ranks (one row an episode: accuracy, loss,
/// differences...), the same bits at every world size. Collective; a rank may have no rows. Throws
/// the same Error on all ranks, naming rank and column, if a value is not finite. Evaluation and
/// validation call it.
std::vector<Interval> mean_intervals(Communicator& comm, std::string_view name,
                                     Span<const std::vector<float>> rows, std::size_t columns);

/// The same of quotients of sums: columns 2c and 2c + 1 of the rows are an episode's terms above
/// and below. `count` is of the rows with something below; without any the quotient is NaN. Half
/// widths by the delta method; of a mean, where all terms below are 1, as in mean_intervals.
std::vector<Interval> ratio_intervals(Communicator& comm, std::string_view name,
                                      Span<const std::vector<float>> rows, std::size_t quotients);

}  // namespace cuttle
