// Steps that bring columns, or rows, to one scale.
#include <algorithm>
#include <cmath>

#include "sense/fitted/rows.hpp"

namespace cuttle {
namespace {

struct ClipOptions {
  double deviations = 3;
  void keys(Keys& keys) {
    keys.add("deviations", deviations, between(1e-3, 1e6),
             "most that a value may lie from its column's mean, in standard deviations");
  }
};

/// What each column's values are to lie within.
FittedNumbers fit_clip(const Section& section, const FittedSamples& rows) {
  const double most = options_of<ClipOptions>(section).deviations;
  const ColumnMoments of = column_moments(rows);
  FittedNumbers numbers;
  for (std::size_t c = 0; c < of.means.size(); ++c) {
    numbers["least"].push_back(of.means[c] - most * of.deviations[c]);
    numbers["most"].push_back(of.means[c] + most * of.deviations[c]);
  }
  return numbers;
}

void apply_clip(const FittedNumbers& numbers, std::vector<double>& row) {
  const auto& least = numbers_of(numbers, "least", row.size());
  const auto& most = numbers_of(numbers, "most", row.size());
  for (std::size_t c = 0; c < row.size(); ++c)  // a hole stays one
    row[c] = row[c] < least[c] ? least[c] : row[c] > most[c] ? most[c] : row[c];
}

/// (x - shift) / scale, by column.
void apply_scale(const FittedNumbers& numbers, std::vector<double>& row) {
  const auto& shift = numbers_of(numbers, "shift", row.size());
  const auto& scale = numbers_of(numbers, "scale", row.size());
  for (std::size_t c = 0; c < row.size(); ++c) row[c] = (row[c] - shift[c]) / scale[c];
}

/// A column that does not vary says nothing of how far a value lies: it is only shifted.
std::vector<double> never_zero(std::vector<double> scales) {
  std::replace(scales.begin(), scales.end(), 0.0, 1.0);
  return scales;
}

FittedNumbers fit_standardise(const Section&, const FittedSamples& rows) {
  ColumnMoments of = column_moments(rows);
  return {{"shift", std::move(of.means)}, {"scale", never_zero(std::move(of.deviations))}};
}

FittedNumbers fit_min_max(const Section&, const FittedSamples& rows) {
  std::vector<double> least, range;
  for (const std::vector<double>& column : sorted_columns(rows)) {
    least.push_back(column.front());
    range.push_back(column.back() - column.front());
  }
  return {{"shift", std::move(least)}, {"scale", never_zero(std::move(range))}};
}

void apply_unit_length(const FittedNumbers&, std::vector<double>& row) {
  double squares = 0;
  for (const double value : row) squares += value * value;
  if (squares == 0) return;
  for (double& value : row) value /= std::sqrt(squares);
}

}  // namespace

FittedType row_of_fitted_clip() {
  return by_row(
      {"outliers are brought to a column's mean +- so many deviations", "", keys_of<ClipOptions>()},
      fit_clip, apply_clip);
}
FittedType row_of_fitted_standardise() {
  return by_row({"columns less their mean, divided by their standard deviation", ""},
                fit_standardise, apply_scale);
}
FittedType row_of_fitted_min_max() {
  return by_row({"columns from 0 (the least value seen in training) to 1 (the most)", ""},
                fit_min_max, apply_scale);
}
FittedType row_of_fitted_unit_length() {
  return by_row(
      {"rows of Euclidean length 1; a row of zeros stays", ""},
      [](const Section&, const FittedSamples&) { return FittedNumbers(); }, apply_unit_length);
}

}  // namespace cuttle
