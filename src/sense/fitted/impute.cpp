// Steps that fill holes.
#include <algorithm>
#include <cmath>
#include <utility>

#include "cuttle/core/error.hpp"
#include "sense/fitted/rows.hpp"

namespace cuttle {
namespace {

struct ImputeOptions {
  std::string by = "mean";
  void keys(Keys& keys) {
    keys.add("by", by, one_of({"mean", "median", "most_frequent"}),
             "of the column's known values in training; the least of several most frequent ones");
  }
};

double median(const std::vector<double>& sorted) {
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

double most_frequent(const std::vector<double>& sorted) {
  double found = sorted.front();
  std::size_t most = 0;
  for (std::size_t first = 0, next = 0; first < sorted.size(); first = next) {
    while (next < sorted.size() && sorted[next] == sorted[first]) ++next;
    if (next - first > most) found = sorted[first];
    most = std::max(most, next - first);
  }
  return found;
}

FittedNumbers fit_impute(const Section& section, const FittedSamples& rows) {
  const std::string by = options_of<ImputeOptions>(section).by;
  if (by == "mean") return {{"values", column_moments(rows).means}};
  FittedNumbers numbers;
  for (const std::vector<double>& column : sorted_columns(rows))
    numbers["values"].push_back(by == "median" ? median(column) : most_frequent(column));
  return numbers;
}

void apply_impute(const FittedNumbers& numbers, std::vector<double>& row) {
  const auto& values = numbers_of(numbers, "values", row.size());
  for (std::size_t c = 0; c < row.size(); ++c)
    if (std::isnan(row[c])) row[c] = values[c];
}

struct NearestOptions {
  std::int64_t neighbours = 5, rows = 500;
  void keys(Keys& keys) {
    keys.add("neighbours", neighbours, between(1, 1000),
             "rows whose mean fills a hole, among those that have a value there");
    keys.add("rows", rows, between(1, 100000),
             "of training that are kept, evenly spread over all that there are");
  }
};

/// Holes cannot be written as a number in JSON: a flag by value says which are known.
FittedNumbers fit_nearest(const Section& section, const FittedSamples& rows) {
  const auto options = options_of<NearestOptions>(section);
  const std::int64_t kept = std::min(options.rows, rows.rows());
  FittedNumbers numbers{{"neighbours", {static_cast<double>(options.neighbours)}},
                        {"means", column_moments(rows).means}};
  for (std::int64_t i = 0; i < kept; ++i)
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      const double value =
          rows.values[static_cast<std::size_t>(i * rows.rows() / kept * rows.columns + c)];
      numbers["known"].push_back(std::isnan(value) ? 0 : 1);
      numbers["rows"].push_back(std::isnan(value) ? 0 : value);
    }
  return numbers;
}

/// Mean square difference over the columns that both know, and the row, nearest first. Rows that
/// share no column are left out.
std::vector<std::pair<double, std::size_t>> by_distance(const FittedNumbers& numbers,
                                                        const std::vector<double>& row) {
  const auto& values = rows_of(numbers, "rows", row.size());
  const auto& known = numbers_of(numbers, "known", values.size());
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t first = 0; first < values.size(); first += row.size()) {
    double sum = 0, shared = 0;
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (known[first + c] == 0 || std::isnan(row[c])) continue;
      sum += (row[c] - values[first + c]) * (row[c] - values[first + c]);
      ++shared;
    }
    if (shared > 0) order.emplace_back(sum / shared, first);
  }
  std::sort(order.begin(), order.end());
  return order;
}

void apply_nearest(const FittedNumbers& numbers, std::vector<double>& row) {
  if (std::none_of(row.begin(), row.end(), [](double value) { return std::isnan(value); })) return;
  const auto& values = rows_of(numbers, "rows", row.size());
  const auto& known = numbers_of(numbers, "known", values.size());
  const auto& means = numbers_of(numbers, "means", row.size());
  const double most = numbers_of(numbers, "neighbours", 1)[0];
  const auto order = by_distance(numbers, row);
  std::vector<double> filled = row;
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (!std::isnan(row[c])) continue;
    double sum = 0, count = 0;
    for (const auto& [distance, first] : order) {
      if (count == most) break;
      if (known[first + c] == 0) continue;
      sum += values[first + c];
      ++count;
    }
    filled[c] = count > 0 ? sum / count : means[c];
  }
  row = std::move(filled);
}

FittedType filling(FittedType type) {
  type.fills_holes = true;
  return type;
}

}  // namespace

FittedType row_of_fitted_impute() {
  return filling(
      by_row({"holes (NaN) are filled with a value of their column", "", keys_of<ImputeOptions>()},
             fit_impute, apply_impute));
}
FittedType row_of_fitted_impute_nearest() {
  return filling(by_row(
      {"holes (NaN) are filled with the mean of the training rows that are nearest in what is "
       "known",
       "", keys_of<NearestOptions>()},
      fit_nearest, apply_nearest));
}

}  // namespace cuttle
