#include <algorithm>
#include <cmath>
#include <string>

#include "cuttle/core/error.hpp"
#include "sense/fitted/rows.hpp"

namespace cuttle {

std::vector<std::vector<double>> sorted_columns(const FittedSamples& rows) {
  std::vector<std::vector<double>> columns(static_cast<std::size_t>(rows.columns));
  for (std::size_t i = 0; i < rows.values.size(); ++i)
    if (!std::isnan(rows.values[i])) columns[i % columns.size()].push_back(rows.values[i]);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    CUTTLE_VALIDATE(!columns[c].empty(),
                    "column {} has no value in any training sample (there is nothing to go by); "
                    "leave it out of the data",
                    c < rows.names.size() ? rows.names[c] : std::to_string(c + 1));
    std::sort(columns[c].begin(), columns[c].end());
  }
  return columns;
}

ColumnMoments column_moments(const FittedSamples& rows) {
  ColumnMoments moments;
  for (const std::vector<double>& column : sorted_columns(rows)) {
    const double first = column.front(), count = static_cast<double>(column.size());
    double sum = 0, squares = 0;  // less the smallest: a column that does not vary has deviation 0
    for (const double value : column) sum += value - first;
    const double mean = sum / count;
    for (const double value : column) squares += (value - first - mean) * (value - first - mean);
    moments.means.push_back(first + mean);
    moments.deviations.push_back(std::sqrt(squares / count));
  }
  return moments;
}

const std::vector<double>& rows_of(const FittedNumbers& numbers, const char* name,
                                   std::size_t columns) {
  const auto found = numbers.find(name);
  CUTTLE_VALIDATE(found != numbers.end() && columns > 0 && !found->second.empty() &&
                      found->second.size() % columns == 0,
                  "the saved preprocessing has no {} of {} columns (the file is damaged); copy it "
                  "anew, or make it again",
                  name, columns);
  return found->second;
}

const std::vector<double>& numbers_of(const FittedNumbers& numbers, const char* name,
                                      std::size_t count) {
  const std::vector<double>& found = rows_of(numbers, name, count);
  CUTTLE_VALIDATE(found.size() == count,
                  "the saved preprocessing has {} {}, not {} (the file is damaged); copy it anew, "
                  "or make it again",
                  found.size(), name, count);
  return found;
}

}  // namespace cuttle
