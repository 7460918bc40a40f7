#pragma once

#include "cuttle/sense/fitted.hpp"

// The registry of steps of preprocessing: one row a type. Its function stands in the type's file.
#define CUTTLE_FITTED(row)                                                                   \
  row(clip) row(difference) row(impute) row(impute_nearest) row(lower) row(min_max) row(pca) \
      row(seasonal) row(standardise) row(stem) row(stop_words) row(tf_idf) row(trim_silence) \
          row(unit_length) row(windows)

namespace cuttle {

#define CUTTLE_DECLARE(name) FittedType row_of_fitted_##name();
CUTTLE_FITTED(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE

/// Mean and population deviation of each column over what is no hole. UserError where a column has
/// holes alone.
struct ColumnMoments {
  std::vector<double> means, deviations;
};
ColumnMoments column_moments(const FittedSamples& rows);
/// The known values of each column, ascending. UserError where there is none.
std::vector<std::vector<double>> sorted_columns(const FittedSamples& rows);

// Numbers come from files, so their count is checked where they are used.

/// Those of this name. UserError unless there are `count`.
const std::vector<double>& numbers_of(const FittedNumbers& numbers, const char* name,
                                      std::size_t count);
/// The same; UserError unless they are whole rows, one at least.
const std::vector<double>& rows_of(const FittedNumbers& numbers, const char* name,
                                   std::size_t columns);

}  // namespace cuttle
