#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "adapt/small_products.hpp"
#include "adapt/task_layers.hpp"

namespace cuttle {

/// Where R2D2's learned numbers are: outputs = exp(scale) X' W + shift, penalty exp(ridge).
struct R2d2Places {
  std::int64_t ridge, scale, shift;
};

/// R2D2 of a support without parts, as a layer on queries of weight exp(scale) W^T and bias shift.
/// With the dual solution A = K^-1 Y of K = X X^T + lambda I, and B = K^-1 X dW,
///   dX = A (dW - X^T B)^T - B W^T,  dlambda = -sum of A * B.
template <class T>
class RidgeLayer final : public MadeLayers<T> {
 public:
  RidgeLayer(const SampleRows<T>& support, T* layer, const R2d2Places& places)
      : support_(support),
        places_(places),
        ridge_(std::exp(*support.own(places.ridge))),
        scale_(std::exp(*support.own(places.scale))),
        x_(room(n_ * stride_)),
        factor_(room(n_ * columns_)),
        dual_(room(n_ * answers_)),
        weight_(room(way_ * stride_)) {
    for (std::int64_t i = 0; i < n_; ++i) {
      add_scaled(width_, root(i), support.row(i), &x_[room(i * stride_)]);
      for (std::int64_t c = 0; c < way_; ++c)
        dual_[room(i * answers_ + c)] = root(i) * support.answer(i, c);
    }
    kernels::run(kernels::Dots<T>{stride_, x_.data(), n_, x_.data(), n_, factor_.data(), columns_});
    for (std::int64_t i = 0; i < n_; ++i) factor_[room(i * columns_ + i)] += ridge_;
    cholesky(n_, columns_, factor_.data());
    cholesky_solve(n_, columns_, factor_.data(), answers_, dual_.data());
    multiply(Left<T>{dual_.data(), answers_}.turned(), n_, x_.data(), way_, stride_,
             weight_.data());
    for (std::int64_t c = 0; c < way_; ++c)
      for (std::int64_t w = 0; w < width_; ++w)
        layer[c * width_ + w] = scale_ * weight_[room(c * stride_ + w)];
    std::fill_n(layer + way_ * width_, way_, *support.own(places.shift));
  }

  void back(const T* of_layer) override {
    std::vector<T> slope(room(way_ * stride_)), b(dual_.size());
    for (std::int64_t c = 0; c < way_; ++c) {
      add_scaled(width_, scale_, of_layer + c * width_, &slope[room(c * stride_)]);
      *support_.of_own(places_.shift) += of_layer[way_ * width_ + c];
    }
    *support_.of_own(places_.scale) = dot(way_ * stride_, slope.data(), weight_.data());
    kernels::run(kernels::Dots<T>{stride_, slope.data(), way_, x_.data(), n_, b.data(), answers_});
    cholesky_solve(n_, columns_, factor_.data(), answers_, b.data());
    *support_.of_own(places_.ridge) = -ridge_ * dot(n_ * answers_, b.data(), dual_.data());
    scale(T{-1}, b);
    multiply(Left<T>{b.data(), answers_}.turned(), n_, x_.data(), way_, stride_, slope.data(),
             true);
    // What X is made of has the samples' weights.
    this->shared_ = {2 * way_, std::vector<T>(room(n_ * 2 * way_)), std::move(slope)};
    for (std::int64_t i = 0; i < n_; ++i) {
      T* to = &this->shared_.shares[room(i * 2 * way_)];
      add_scaled(way_, root(i), &dual_[room(i * answers_)], to);
      add_scaled(way_, root(i), &b[room(i * answers_)], to + way_);
    }
    auto& rows = this->shared_.rows;
    rows.insert(rows.end(), weight_.begin(), weight_.end());
  }

 private:
  /// Of what the sample's squared error counts.
  T root(std::int64_t sample) const { return std::sqrt(support_.weights[room(sample)]); }
  const SampleRows<T>& support_;
  R2d2Places places_;
  T ridge_, scale_;
  std::int64_t n_ = support_.size, way_ = support_.way, width_ = support_.width,
               stride_ = support_.stride;
  /// Rows of numbers by sample, and of answers.
  std::int64_t columns_ = kernels::padded<T>(n_), answers_ = kernels::padded<T>(way_);
  std::vector<T> x_, factor_, dual_, weight_;
};

}  // namespace cuttle
