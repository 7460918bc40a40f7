#pragma once

#include <torch/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cuttle/task/task_kind.hpp"

namespace cuttle {

/// Of kinds that estimate values.
struct UnitsOptions {
  std::string units = "own";
  void keys(Keys& keys) {
    keys.add("units", units, one_of({"own", "training"}),
             "in which values are learned; training: less the mean of the training classes' "
             "samples, by their standard deviation, so that the loss is in these; figures and "
             "answers are in the values' own");
  }
  bool training() const { return units == "training"; }
};

/// Mean absolute error, root of the mean squared one, and the share of the targets' variance in an
/// episode that is explained (r_squared: below 0 where the episode's mean would be nearer).
std::vector<Figure> figures_of_values();

/// Terms of these for estimates of values [n, values], then of each value by itself, where there
/// are at most kMostTargetsTold.
std::vector<FigureTerm> terms_of_values(const torch::Tensor& estimates,
                                        const torch::Tensor& targets);

/// Of a number that an episode may have: a mean over those that have one.
FigureTerm term_of(const std::optional<double>& value);

/// "NAME 0.1234 +- 0.0056", or without what is not known.
std::string say_number(std::string_view name, double mean, std::optional<double> half_width);
/// The same of a share, "NAME 12.34 +- 0.56 %".
std::string say_share(std::string_view name, double mean, std::optional<double> half_width);

/// Terms of any figures, `add(column, terms)` giving those of each column.
template <class Add>
std::vector<FigureTerm> terms_by_target(std::size_t figures, std::int64_t targets, const Add& add) {
  std::vector<FigureTerm> terms(figures);
  for (std::int64_t t = 0; t < targets; ++t) {
    const std::vector<FigureTerm> of_target = add(t);
    for (std::size_t f = 0; f < figures; ++f) {
      terms[f].sum += of_target[f].sum;
      terms[f].of += of_target[f].of;
    }
    if (targets <= kMostTargetsTold) terms.insert(terms.end(), of_target.begin(), of_target.end());
  }
  return terms;
}

}  // namespace cuttle
