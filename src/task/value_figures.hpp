#pragma once

#include <torch/types.h>

#include <vector>

#include "cuttle/task/task_kind.hpp"

namespace cuttle {

/// Mean absolute error, root of the mean squared one, and the share of the targets' variance in an
/// episode that is explained (r_squared: below 0 where the episode's mean would be nearer).
std::vector<Figure> figures_of_values();

/// Terms of these for estimates of values [n, values], then of each value by itself, where there
/// are at most kMostTargetsTold.
std::vector<FigureTerm> terms_of_values(const torch::Tensor& estimates,
                                        const torch::Tensor& targets);

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
