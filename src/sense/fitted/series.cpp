// Steps of series, over the moments of each.
#include <algorithm>
#include <cmath>

#include "cuttle/core/error.hpp"
#include "sense/fitted/rows.hpp"

namespace cuttle {
namespace {

void apply_difference(const FittedStep&, FittedSamples& sample) {
  const std::vector<double> values = std::move(sample.values);
  const auto columns = static_cast<std::size_t>(sample.columns);
  sample.values.assign(std::max(columns, values.size() - columns), 0.0);
  for (std::size_t i = columns; i < values.size(); ++i)
    sample.values[i - columns] = values[i] - values[i - columns];
}

struct SeasonalOptions {
  std::int64_t period = 0;
  void keys(Keys& keys) {
    keys.add("period", period, between(0, 1000000),
             "moments after which a season begins anew; has to be given");
  }
};

/// Means by moment of the season and column, over training series, each from its first moment on.
void fit_seasonal(const Section& section, const ModalitySpec&, const FittedSamples& training,
                  FittedStep& step) {
  const std::int64_t period = options_of<SeasonalOptions>(section).period;
  CUTTLE_VALIDATE(period > 1,
                  "seasonal: period is {} (a season has moments); give it, such as "
                  "\"seasonal period=24\"",
                  period);
  const auto columns = static_cast<std::size_t>(training.columns);
  const std::size_t season = static_cast<std::size_t>(period) * columns;
  std::vector<double> sums(season), counts(season);
  auto value = training.values.begin();
  for (const std::int64_t rows : training.lengths)
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows) * columns; ++i, ++value) {
      if (std::isnan(*value)) continue;
      sums[i % season] += *value;
      ++counts[i % season];
    }
  for (std::size_t i = 0; i < season; ++i) {
    CUTTLE_VALIDATE(counts[i] > 0,
                    "seasonal: no training series has a value at moment {} of {} (the longest may "
                    "be shorter than a season); give a shorter period",
                    i / columns + 1, period);
    sums[i] /= counts[i];
  }
  step.numbers["means"] = std::move(sums);
}

void apply_seasonal(const FittedStep& step, FittedSamples& sample) {
  const auto& means = rows_of(step.numbers, "means", static_cast<std::size_t>(sample.columns));
  for (std::size_t i = 0; i < sample.values.size(); ++i)
    sample.values[i] -= means[i % means.size()];
}

struct WindowOptions {
  std::int64_t length = 4, stride = 1;
  void keys(Keys& keys) {
    keys.add("length", length, between(2, 10000), "moments of a window");
    keys.add("stride", stride, between(1, 10000),
             "moments from one window to the next; what is left at the end and fills none is lost");
  }
};

void fit_windows(const Section& section, const ModalitySpec&, const FittedSamples&,
                 FittedStep& step) {
  const auto options = options_of<WindowOptions>(section);
  step.numbers = {{"length", {static_cast<double>(options.length)}},
                  {"stride", {static_cast<double>(options.stride)}}};
}

/// A series shorter than a window stays at its last moment until that is full.
void apply_windows(const FittedStep& step, FittedSamples& sample) {
  const auto length = static_cast<std::int64_t>(numbers_of(step.numbers, "length", 1)[0]);
  const auto stride = static_cast<std::int64_t>(numbers_of(step.numbers, "stride", 1)[0]);
  CUTTLE_VALIDATE(length > 0 && stride > 0,
                  "the saved preprocessing has windows of {} moments, {} apart (the file is "
                  "damaged); copy it anew, or make it again",
                  length, stride);
  const std::int64_t rows = sample.rows();
  std::vector<double> windows;
  for (std::int64_t start = 0; start == 0 || start + length <= rows; start += stride)
    for (std::int64_t r = start; r < start + length; ++r) {
      const auto row = sample.values.begin() + std::min(r, rows - 1) * sample.columns;
      windows.insert(windows.end(), row, row + sample.columns);
    }
  sample.columns *= length;
  sample.values = std::move(windows);
}

const std::vector<ModalityKind> kSeries{ModalityKind::kSeries};

}  // namespace

FittedType row_of_fitted_difference() {
  return {{"each moment less the one before it; a series of one moment is 0", ""},
          kSeries,
          [](const Section&, const ModalitySpec&, const FittedSamples&, FittedStep&) {},
          apply_difference,
          false};
}
FittedType row_of_fitted_seasonal() {
  return {{"values less the mean of their moment of the season", "", keys_of<SeasonalOptions>()},
          kSeries,
          fit_seasonal,
          apply_seasonal};
}
FittedType row_of_fitted_windows() {
  return {
      {"each moment with those after it side by side, as columns", "", keys_of<WindowOptions>()},
      kSeries,
      fit_windows,
      apply_windows,
      false};
}

}  // namespace cuttle
