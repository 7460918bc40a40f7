#pragma once

#include "kernels/tiles.hpp"

/// Products of small matrices on the register tiles of tiles.hpp, and transpositions.
namespace cuttle::kernels {
namespace {

/// R rows x V vectors of columns.
template <class T, int R, int V>
void product_tile(const Product<T>& job, std::int64_t first_row, std::int64_t column) {
  using Vec = Lanes<T, kLanes<T>>;
  Vec sum[R][V];
  clear(sum);
  if (job.start) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const Vec start = load<Vec>(job.start + column + v * kLanes<T>);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[r][v] = start;
    }
  }
  if (job.adds) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v)
        sum[r][v] = load<Vec>(job.to + (first_row + r) * job.stride + column + v * kLanes<T>);
    }
  }
  for (int s = 0; s < job.sources; ++s) {
    const Factors<T>& from = job.source[s];
    const T* left[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) left[r] = from.left + (first_row + r) * from.row_step;
    const T* right = from.right + column;
    for (std::int64_t k = 0; k < from.depth; ++k, right += from.right_stride) {
      const std::int64_t at = k * from.depth_step;
      accumulate<T, R, V>(sum, right, [&](int r) { return left[r][at]; });
    }
  }
  if (job.relu || job.gate) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const std::int64_t at = (first_row + r) * job.stride + column;
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        // Not "> 0 ? sum : 0", which would turn a NaN into a sound value.
        if (job.relu) sum[r][v] = sum[r][v] <= 0 ? Vec{} : sum[r][v];
        if (job.gate) sum[r][v] = load<Vec>(job.gate + at + v * kLanes<T>) <= 0 ? Vec{} : sum[r][v];
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    T* to = job.to + (first_row + r) * job.stride + column;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(to + v * kLanes<T>, sum[r][v]);
  }
}

template <class T>
using ProductTile = void (*)(const Product<T>&, std::int64_t, std::int64_t);
template <class T>
constexpr ProductTile<T> kProductTile[3][kRows] = {
    CUTTLE_ROWS(product_tile, 1), CUTTLE_ROWS(product_tile, 2), CUTTLE_ROWS(product_tile, 3)};

/// Two vectors at a time; an odd one at the end joins them in lower tiles, since alone it would be
/// as slow as two.
template <class T>
void product(const Product<T>& job) {
  const std::int64_t columns = job.columns > 0 ? job.columns : job.stride;
  for (std::int64_t column = 0; column < columns;) {
    const std::int64_t left = (columns - column) / kLanes<T>;
    const std::int64_t vectors = left == 3 || left == 1 ? left : 2;
    const auto& tiles = kProductTile<T>[vectors - 1];
    over_tiles(
        job.rows, [&](std::int64_t row, std::int64_t high) { tiles[high - 1](job, row, column); },
        vectors == 3 ? kRows * 2 / 3 : kRows);
    column += vectors * kLanes<T>;
  }
}

/// One stage of a square's transposition: swaps the off-diagonal blocks of all 2 kHalf x 2 kHalf
/// blocks (Eklundh, "A fast computer method for matrix transposing", 1972).
template <class T, int kHalf>
CUTTLE_INLINE void swap_blocks(Lanes<T, kLanes<T>> (&row)[kLanes<T>]) {
  if constexpr (kHalf >= 1) {
    Lanes<Mask<T>, kLanes<T>> low{}, high{};
    for (int j = 0; j < kLanes<T>; ++j) {
      low[j] = j & kHalf ? kLanes<T> + j - kHalf : j;
      high[j] = j & kHalf ? kLanes<T> + j : j + kHalf;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; ++i) {
      if (i & kHalf) continue;
      const auto upper = row[i], lower = row[i + kHalf];
      row[i] = __builtin_shuffle(upper, lower, low);
      row[i + kHalf] = __builtin_shuffle(upper, lower, high);
    }
    swap_blocks<T, kHalf / 2>(row);
  }
}

template <class T>
void transpose(const Transposition<T>& job) {
  using Vec = Lanes<T, kLanes<T>>;
  constexpr int N = kLanes<T>;
  for (std::int64_t r = 0; r < job.to_stride; r += N) {
    std::int64_t c = 0;
    for (; r + N <= job.rows && c + N <= job.columns; c += N) {
      Vec row[N];
#pragma GCC unroll 16
      for (int i = 0; i < N; ++i) row[i] = load<Vec>(job.from + (r + i) * job.stride + c);
      swap_blocks<T, N / 2>(row);
#pragma GCC unroll 16
      for (int i = 0; i < N; ++i) store(job.to + (c + i) * job.to_stride + r, row[i]);
    }
    for (; c < job.columns; ++c)
      for (std::int64_t i = r; i < r + N; ++i)
        job.to[c * job.to_stride + i] = i < job.rows ? job.from[i * job.stride + c] : T{};
  }
}

/// A stage of adding up all values of vectors: the sums of two halves of all 2 kHalf places, those
/// of `b` after those of `a`.
template <class T, int kHalf>
CUTTLE_INLINE Lanes<T, kLanes<T>> halves_added(Lanes<T, kLanes<T>> a, Lanes<T, kLanes<T>> b) {
  Lanes<Mask<T>, kLanes<T>> low{}, high{};
  for (int j = 0; j < kLanes<T>; ++j) {
    low[j] = j & kHalf ? kLanes<T> + j - kHalf : j;
    high[j] = j & kHalf ? kLanes<T> + j : j + kHalf;
  }
  return __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
}
template <class T, int kHalf>
CUTTLE_INLINE void add_up(Lanes<T, kLanes<T>>* row) {
  if constexpr (kHalf >= 1) {
#pragma GCC unroll 8
    for (int i = 0; i < kHalf; ++i) row[i] = halves_added<T, kHalf>(row[i], row[i + kHalf]);
    add_up<T, kHalf / 2>(row);
  }
}

/// Half a vector of rows with C columns: to[c] has their sums over the first half of places, then
/// over the second.
template <class T, int C>
CUTTLE_INLINE void half_dots(const T* const* row, const T* column, std::int64_t depth,
                             Lanes<T, kLanes<T>> (&to)[C]) {
  using Vec = Lanes<T, kLanes<T>>;
  constexpr int R = kLanes<T> / 2;
  Vec sum[C][R];
  clear(sum);
  for (std::int64_t k = 0; k < depth; k += kLanes<T>) {
    Vec values[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) values[c] = load<Vec>(column + c * depth + k);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec value = load<Vec>(row[r] + k);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) sum[c][r] += value * values[c];
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < C; ++c) {
    add_up<T, R / 2>(sum[c]);
    to[c] = sum[c][0];
  }
}

/// A vector of rows with C columns; the first `high` of them count.
template <class T, int C>
void dots_tile(const Dots<T>& job, const T* const* row, std::int64_t high, const T* column, T* to) {
  using Vec = Lanes<T, kLanes<T>>;
  constexpr int N = kLanes<T>;
  Vec upper[C], lower[C];
  half_dots<T, C>(row, column, job.depth, upper);
  half_dots<T, C>(row + N / 2, column, job.depth, lower);
#pragma GCC unroll 4
  for (int c = 0; c < C; ++c, to += job.to_stride) {
    Vec sums = halves_added<T, N / 2>(upper[c], lower[c]);
    for (std::int64_t i = high; i < N; ++i) sums[i] = 0;
    store(to, load<Vec>(to) + sums);
  }
}

template <class T>
void dots(const Dots<T>& job) {
  constexpr int N = kLanes<T>;
  constexpr decltype(&dots_tile<T, 1>) kTile[] = {dots_tile<T, 1>, dots_tile<T, 2>,
                                                  dots_tile<T, 3>};
  for (std::int64_t first = 0; first < job.row_count; first += N) {
    const std::int64_t high = job.row_count - first < N ? job.row_count - first : N;
    const T* row[N];  // past the end: the last one once more
    for (int i = 0; i < N; ++i) row[i] = job.rows + (first + (i < high ? i : high - 1)) * job.depth;
    over_tiles(
        job.column_count,
        [&](std::int64_t c, std::int64_t columns) {
          kTile[columns - 1](job, row, high, job.columns + c * job.depth,
                             job.to + c * job.to_stride + first);
        },
        3);
  }
}

}  // namespace
}  // namespace cuttle::kernels
