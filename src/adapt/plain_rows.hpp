#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

// Rows of numbers, for tasks so small that loops are done before a library has dispatched an
// operation.
namespace cuttle {

/// A count as containers take it.
inline std::size_t room(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

/// to += scale * from.
template <class T>
void add_scaled(std::int64_t count, T scale, const T* from, T* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] += scale * from[i];
}

/// In as many sums as the compiler can keep in vectors.
template <class T>
T dot(std::int64_t count, const T* a, const T* b) {
  constexpr std::int64_t kSums = 8;
  T sums[kSums] = {};
  std::int64_t i = 0;
  for (; i + kSums <= count; i += kSums)
    for (std::int64_t s = 0; s < kSums; ++s) sums[s] += a[i + s] * b[i + s];
  for (; i < count; ++i) sums[i % kSums] += a[i] * b[i];
  T sum = 0;
  for (const T value : sums) sum += value;
  return sum;
}

/// Of a row, in its place.
template <class T>
void softmax(std::int64_t count, T* row) {
  const T most = *std::max_element(row, row + count);
  T sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += row[i] = std::exp(row[i] - most);
  for (std::int64_t i = 0; i < count; ++i) row[i] /= sum;
}

/// y [columns] += x a, of a [rows, columns].
template <class T>
void add_times_rows(std::int64_t rows, std::int64_t columns, const T* x, const T* a, T* y) {
  constexpr std::int64_t kRows = 4;
  std::int64_t r = 0;
  for (; r + kRows <= rows; r += kRows, a += kRows * columns)
    for (std::int64_t i = 0; i < columns; ++i)
      y[i] += x[r] * a[i] + x[r + 1] * a[columns + i] + x[r + 2] * a[2 * columns + i] +
              x[r + 3] * a[3 * columns + i];
  for (; r < rows; ++r, a += columns) add_scaled(columns, x[r], a, y);
}

/// to [n, m] += a b, of a [n, k] and b [k, m].
template <class T>
void add_product(std::int64_t n, std::int64_t k, std::int64_t m, const T* a, const T* b, T* to) {
  for (std::int64_t i = 0; i < n; ++i) add_times_rows(k, m, a + i * k, b, to + i * m);
}

/// to [n, m] += a b^T, of a [n, k] and b [m, k].
template <class T>
void add_product_turned(std::int64_t n, std::int64_t k, std::int64_t m, const T* a, const T* b,
                        T* to) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < m; ++j) to[i * m + j] += dot(k, a + i * k, b + j * k);
}

/// Of a [n, n], symmetric and positive definite, in rows of `stride`, the lower triangle becomes
/// its Cholesky factor.
template <class T>
void cholesky(std::int64_t n, std::int64_t stride, T* a) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j <= i; ++j) {
      T& value = a[i * stride + j];
      value -= dot(j, a + i * stride, a + j * stride);
      value = i == j ? std::sqrt(value) : value / a[j * stride + j];
    }
}

/// x [n, columns] becomes A^-1 x, by A's factor.
template <class T>
void cholesky_solve(std::int64_t n, std::int64_t stride, const T* factor, std::int64_t columns,
                    T* x) {
  std::vector<T> by(room(n)), known(room(columns));
  // Row i of x, less what `count` rows that are done make of it.
  const auto solve_row = [&](std::int64_t i, std::int64_t count, const T* done) {
    std::fill(known.begin(), known.end(), T{});
    add_times_rows(count, columns, by.data(), done, known.data());
    for (std::int64_t c = 0; c < columns; ++c)
      x[i * columns + c] = (x[i * columns + c] - known[room(c)]) / factor[i * stride + i];
  };
  for (std::int64_t i = 0; i < n; ++i) {
    std::copy_n(factor + i * stride, i, by.data());
    solve_row(i, i, x);
  }
  for (std::int64_t i = n; i-- > 0;) {
    for (std::int64_t j = i + 1; j < n; ++j) by[room(j - i - 1)] = factor[j * stride + i];
    solve_row(i, n - 1 - i, x + (i + 1) * columns);
  }
}

}  // namespace cuttle
