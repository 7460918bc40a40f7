#pragma once

#include <cstddef>
#include <vector>

namespace cuttle {

/// The dual of a support vector machine of several classes (Crammer and Singer 2001): over A [way,
/// n], a column for each sample,
///   minimise 1/2 tr(A K A^T) - sum_n A[y_n, n],  each column of A summing to 0,  A <= caps.
/// `kernel` K [n, n] is positive definite, so there is one optimum. `caps` [way, n]: what a sample
/// may weigh (C) at its own class, 0 elsewhere; a column of zeros leaves the sample out. Row-major.
class SvmDual {
 public:
  using Numbers = std::vector<double>;
  SvmDual(Numbers kernel, Numbers caps, std::size_t samples);

  /// In turns: one sample after the other goes to its own best while the others stand, which finds
  /// out what is at its cap, and all that is below goes to its best together. Ends where the
  /// conditions of optimality hold; the same arguments have the same bits.
  Numbers optimum() const;
  /// What the optimum moves by when `push` [way, n] is taken from the gradient of the objective:
  /// the conditions of optimality hold on, with the same at their caps. Linear and symmetric.
  Numbers moved(const Numbers& optimum, const Numbers& push) const;

 private:
  Numbers kernel_, caps_;
  std::size_t samples_, way_;

  Numbers times_kernel(const Numbers& x) const;
  Numbers slope(const Numbers& at) const;
  double value(const Numbers& at) const;
  void project(Numbers& at, std::size_t sample) const;
  void make_tangent(const Numbers& at, Numbers& direction) const;
  Numbers newton(const Numbers& at, const Numbers& push, double share) const;
  void sweep(Numbers& at) const;
  void descend(Numbers& at) const;
  bool optimal(const Numbers& at) const;
};

}  // namespace cuttle
