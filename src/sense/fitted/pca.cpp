#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/matmul.h>
#include <torch/types.h>

#include <cmath>

#include "cuttle/core/error.hpp"
#include "sense/fitted/rows.hpp"

namespace cuttle {
namespace {

struct PcaOptions {
  std::int64_t columns = 0;
  bool whiten = false;
  void keys(Keys& keys) {
    keys.add("columns", columns, between(0, 65536),
             "that are left; 0: as many as there are directions in which training samples vary");
    keys.add("whiten", whiten, anything(), "each of them with deviation 1 over training samples");
  }
};

/// An eigenvector is one with either sign: its entry of the largest size (the first of several)
/// is positive.
double sign_of(const double* vector, std::int64_t size) {
  std::int64_t most = 0;
  for (std::int64_t i = 1; i < size; ++i)
    if (std::abs(vector[i]) > std::abs(vector[most])) most = i;
  return vector[most] < 0 ? -1 : 1;
}

/// Directions of most variance, one after the other, from the covariance (over n - 1).
FittedNumbers fit_pca(const Section& section, const FittedSamples& rows) {
  constexpr double kRounding = 1e-12;  // of the largest variance: none at all
  const auto options = options_of<PcaOptions>(section);
  for (const double value : rows.values)
    CUTTLE_VALIDATE(!std::isnan(value),
                    "pca: training samples have holes (a row with one has no place); put impute "
                    "before it");
  CUTTLE_VALIDATE(rows.rows() > 1,
                  "pca: there is one training sample (it has no direction); give more");
  CUTTLE_VALIDATE(options.columns <= std::min(rows.columns, rows.rows() - 1),
                  "pca: columns is {}, and {} training samples of {} columns vary in {} directions "
                  "at most; ask for that or fewer",
                  options.columns, rows.rows(), rows.columns,
                  std::min(rows.columns, rows.rows() - 1));
  const ColumnMoments of = column_moments(rows);
  const auto means = torch::tensor(of.means, torch::kFloat64);
  auto x = torch::from_blob(const_cast<double*>(rows.values.data()), {rows.rows(), rows.columns},
                            torch::kFloat64) -
           means;
  const auto covariance = at::matmul(x.t(), x) / static_cast<double>(rows.rows() - 1);
  const auto [ascending, vectors] = at::linalg_eigh(covariance);
  const auto variances = ascending.flip(0).contiguous(),
             directions = vectors.t().flip(0).contiguous();
  const double* variance = variances.const_data_ptr<double>();
  std::int64_t varying = 0;
  while (varying < rows.columns && variance[varying] > kRounding * variance[0]) ++varying;
  CUTTLE_VALIDATE(varying >= std::max<std::int64_t>(1, options.columns),
                  "pca: columns is {}, and training samples vary in {} directions; ask for that or "
                  "fewer",
                  options.columns, varying);
  FittedNumbers numbers{{"means", of.means}, {"directions", {}}};
  const std::int64_t kept = options.columns == 0 ? varying : options.columns;
  for (std::int64_t k = 0; k < kept; ++k) {
    const double* vector = directions.const_data_ptr<double>() + k * rows.columns;
    const double scale =
        sign_of(vector, rows.columns) / (options.whiten ? std::sqrt(variance[k]) : 1.0);
    for (std::int64_t c = 0; c < rows.columns; ++c)
      numbers["directions"].push_back(vector[c] * scale);
  }
  return numbers;
}

void apply_pca(const FittedNumbers& numbers, std::vector<double>& row) {
  const auto& means = numbers_of(numbers, "means", row.size());
  const auto& directions = rows_of(numbers, "directions", row.size());
  std::vector<double> places;
  for (std::size_t first = 0; first < directions.size(); first += row.size()) {
    double sum = 0;
    for (std::size_t c = 0; c < row.size(); ++c) sum += (row[c] - means[c]) * directions[first + c];
    places.push_back(sum);
  }
  row = std::move(places);
}

}  // namespace

FittedType row_of_fitted_pca() {
  return by_row({"places along the directions of most variance (principal components), in float64",
                 "Pearson 1901", keys_of<PcaOptions>()},
                fit_pca, apply_pca);
}

}  // namespace cuttle
