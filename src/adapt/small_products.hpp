#pragma once

#include <cstdint>
#include <vector>

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

}  // namespace cuttle
