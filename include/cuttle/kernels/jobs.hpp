#pragma once

#include <cstdint>

// What programs of small matrices ask of the inner loops, one job at a time: products,
// transpositions, the cells of an LSTM, layer norms. Rows of what is written are whole vectors of
// the instruction set.
namespace cuttle::kernels {

/// Two factors of a product: left[row * row_step + k * depth_step] * right[k * right_stride +
/// column].
template <class T>
struct Factors {
  const T* left;
  std::int64_t row_step, depth_step;
  const T* right;
  std::int64_t right_stride, depth;
};

/// to[row][column] = start[column] + sum over sources and k. A row of `to`, and of what belongs to
/// it, is `stride` values, whole vectors. For matrices that stay in the first caches.
template <class T>
struct Product {
  int sources;  ///< 1, or 2 for the sum of two products
  Factors<T> source[2];
  const T* start;  ///< null: zeros
  T* to;
  std::int64_t rows, stride;
  bool relu;
  const T* gate;             ///< as `to`; the result is 0 where it is not positive. Null: none
  bool adds = false;         ///< to what `to` has, in place of `start`
  std::int64_t columns = 0;  ///< of a row of `to`, whole vectors; 0: all
};

/// to[column][row] += rows[row] . columns[column], of rows that lie one after the other, `depth`
/// (whole vectors) long; the rest of a row of `to` (whole vectors) stays.
template <class T>
struct Dots {
  std::int64_t depth;
  const T* rows;
  std::int64_t row_count;
  const T* columns;
  std::int64_t column_count;
  T* to;
  std::int64_t to_stride;
};

/// to[column][row] = from[row][column]; the rest of a row of `to` (whole vectors) is 0.
template <class T>
struct Transposition {
  const T* from;
  std::int64_t rows, columns, stride;
  T* to;
  std::int64_t to_stride;
};

/// The cells of an LSTM over whole vectors. Forward with of_h null: next_h and next_c from the sums
/// `gates` ([4, size]: input, forget, cell, output) and c. Else the way back: the gradients of
/// those sums in their place, and that of c in next_c.
template <class T>
struct Cells {
  std::int64_t size;
  T* gates;
  const T *c, *of_h, *of_c;
  T *next_h, *next_c;
};

/// Rows of `columns` values, whole vectors: x, or sum = x + added, less its mean, over the root of
/// its variance + eps, times scale, plus shift ([columns]).
template <class T>
struct LayerNorm {
  std::int64_t rows, columns;
  const T *x, *added;  ///< added may be null
  T* sum;              ///< null where nothing is added; may be x
  const T *scale, *shift;
  T eps;
  T* to;     ///< may be sum
  T* units;  ///< [rows, 2]: mean, 1 / root. Null: not kept
};

/// From d, the gradient of what such a norm gave of x, those of x, scale and shift, added to what
/// is there.
template <class T>
struct LayerNormBack {
  std::int64_t rows, columns;
  const T *x, *units, *scale, *d;
  T *of_x, *of_scale, *of_shift;
};

/// So many columns in whole vectors.
template <class T>
std::int64_t padded(std::int64_t columns);

template <class T>
void run(const Product<T>& job);
template <class T>
void run(const Dots<T>& job);
template <class T>
void run(const Transposition<T>& job);
template <class T>
void run(const Cells<T>& job);
template <class T>
void run(const LayerNorm<T>& job);
template <class T>
void run(const LayerNormBack<T>& job);

}  // namespace cuttle::kernels
