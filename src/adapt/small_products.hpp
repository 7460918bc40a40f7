#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "adapt/plain_rows.hpp"
#include "cuttle/kernels/jobs.hpp"

// Products of small matrices on own kernels. Weights [out, in] multiply from the left as they lie
// in the parameters, turned or not, and nothing has to be packed; rows of the others are whole
// vectors.
namespace cuttle {

/// A matrix as a left factor; turned: its transpose.
template <class T>
struct Left {
  const T* at;
  std::int64_t row_step, depth_step = 1;
  Left turned() const { return {at, depth_step, row_step}; }
};

/// to [rows, stride] = left [rows, depth] right [depth, stride], or that much more.
template <class T>
void multiply(const Left<T>& left, std::int64_t depth, const T* right, std::int64_t rows,
              std::int64_t stride, T* to, bool adds = false, const T* gate = nullptr) {
  const kernels::Factors<T> factors{left.at, left.row_step, left.depth_step, right, stride, depth};
  kernels::run(kernels::Product<T>{1, {factors, {}}, nullptr, to, rows, stride, false, gate, adds});
}

/// to [columns, padded rows] = from [rows, columns] the other way round.
template <class T>
void turn(const T* from, std::int64_t rows, std::int64_t columns, std::int64_t stride, T* to) {
  kernels::run(
      kernels::Transposition<T>{from, rows, columns, stride, to, kernels::padded<T>(rows)});
}

/// The same of columns [width, stride], of which `size` count: them in rows.
template <class T>
std::vector<T> as_rows(const std::vector<T>& columns, std::int64_t width, std::int64_t size,
                       std::int64_t stride) {
  std::vector<T> rows(room(size * kernels::padded<T>(width)));
  turn(columns.data(), width, size, stride, rows.data());
  return rows;
}

template <class T>
void scale(T by, std::vector<T>& values) {
  for (T& value : values) value *= by;
}

/// to [rows] += the sums over the first `columns`.
template <class T>
void add_sums(std::int64_t rows, std::int64_t columns, std::int64_t stride, const T* from, T* to) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) to[r] += from[r * stride + c];
}

/// A matrix of the parameters as a right factor, in rows of whole vectors: in its place, if it has
/// such.
template <class T>
class RightRows {
 public:
  RightRows(const T* place, std::int64_t rows, std::int64_t columns) : place_(place) {
    const std::int64_t stride = kernels::padded<T>(columns);
    if (stride == columns) return;
    own_.resize(room(rows * stride));
    for (std::int64_t r = 0; r < rows; ++r)
      std::copy_n(place + r * columns, columns, &own_[room(r * stride)]);
  }
  const T* at() const { return own_.empty() ? place_ : own_.data(); }

 private:
  const T* place_;
  std::vector<T> own_;
};

/// A matrix of the parameters' gradient, zeros so far, in rows of whole vectors: in its place, if
/// it has such; `step`: between rows there. Null: none.
template <class T>
class GradientRows {
 public:
  GradientRows(T* place, std::int64_t rows, std::int64_t columns, std::int64_t step)
      : place_(place),
        rows_(rows),
        columns_(columns),
        step_(step),
        stride_(kernels::padded<T>(columns)),
        own_(room(stride_ == step ? 0 : rows * stride_)) {}
  T* at() { return own_.empty() ? place_ : own_.data(); }
  std::int64_t stride() const { return stride_; }
  /// At the end: to its place.
  void finish() {
    for (std::int64_t r = 0; place_ && !own_.empty() && r < rows_; ++r)
      std::copy_n(&own_[room(r * stride_)], columns_, place_ + r * step_);
  }

 private:
  T* place_;
  std::int64_t rows_, columns_, step_, stride_;
  std::vector<T> own_;
};

}  // namespace cuttle
