#pragma once

#include "kernels/isa.hpp"
#include "kernels/lanes.hpp"

/// Register-tiled products. A tile holds up to kRows x 2 vectors of sums in registers (6 x 16
/// floats with AVX2, the shape of the BLIS kernels for that machine: Van Zee and van de Geijn, ACM
/// TOMS 41(3), 2015): each step loads two vectors, broadcasts one value per row and needs no store.
/// Rows are split evenly over tiles, so that none is so low that the latency of its few chains of
/// additions shows.
namespace cuttle::kernels {
namespace {

/// Calls body(first row, rows) for tiles that differ in height by at most one row.
template <class Body>
CUTTLE_INLINE void over_tiles(std::int64_t rows, const Body& body, std::int64_t most = kRows) {
  const std::int64_t tiles = (rows + most - 1) / most;
  if (tiles == 0) return;
  const std::int64_t low = rows / tiles, higher = rows % tiles;
  for (std::int64_t i = 0, first = 0; i < tiles; ++i) {
    const std::int64_t high = low + (i < higher ? 1 : 0);
    body(first, high);
    first += high;
  }
}

template <class Vec, int R, int V>
CUTTLE_INLINE void clear(Vec (&sum)[R][V]) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[r][v] = Vec{};
  }
}

/// Writes or adds the first `columns` sums of each row.
template <bool kAdd, class T, int R, int V>
CUTTLE_INLINE void put(const Lanes<T, kLanes<T>> (&sum)[R][V], T* const (&to)[R],
                       std::int64_t columns) {
  using Vec = Lanes<T, kLanes<T>>;
  if (columns >= V * kLanes<T>) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        T* at = to[r] + v * kLanes<T>;
        store(at, kAdd ? load<Vec>(at) + sum[r][v] : sum[r][v]);
      }
    }
    return;
  }
  // Unrolled as well, or the sums would have to live in memory from the start.
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    T row[V * kLanes<T>];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(row + v * kLanes<T>, sum[r][v]);
    for (std::int64_t c = 0; c < columns; ++c) to[r][c] = kAdd ? to[r][c] + row[c] : row[c];
  }
}

/// One step of a product: a row of V vectors times one value for each of the R rows.
template <class T, int R, int V, class Value>
CUTTLE_INLINE void accumulate(Lanes<T, kLanes<T>> (&sum)[R][V], const T* row, const Value& value) {
  using Vec = Lanes<T, kLanes<T>>;
  Vec vectors[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) vectors[v] = load<Vec>(row + v * kLanes<T>);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const T factor = value(r);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[r][v] += vectors[v] * factor;
  }
}

/// Writes the sums of R pixels.
template <class T, int R, int V>
CUTTLE_INLINE void put_pixels(const Convolution<T>& job, const std::int32_t* order,
                              const Lanes<T, kLanes<T>> (&sum)[R][V], T* out,
                              std::int64_t columns) {
  T* to[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) to[r] = out + order[r] * job.out_stride;
  put<false, T, R, V>(sum, to, columns);
}

/// R pixels x V vectors of output channels.
template <class T, int R, int V>
void convolve_tile(const Convolution<T>& job, const PixelClass& pixels, const std::int32_t* order,
                   const T* panel, T* out, std::int64_t columns) {
  using Vec = Lanes<T, kLanes<T>>;
  constexpr std::int64_t width = V * kLanes<T>;
  Vec sum[R][V];
  clear(sum);
  for (int s = 0; s < job.sources; ++s) {
    const T* base[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) base[r] = job.source[s] + order[r] * job.stride[s];
    for (int t = 0; t < pixels.taps; ++t) {
      const T* weight = panel + (s * job.taps + pixels.tap[t]) * job.channels * width;
      const std::int64_t shift = pixels.shift[t] * job.stride[s];
      const T* at[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) at[r] = base[r] + shift;
      for (std::int64_t c = 0; c < job.channels; ++c, weight += width)
        accumulate<T, R, V>(sum, weight, [&](int r) { return at[r][c]; });
    }
  }
  put_pixels<T, R, V>(job, order, sum, out, columns);
}

/// The same with Convolution::offsets.
template <class T, int R, int V>
void convolve_patches_tile(const Convolution<T>& job, const PixelClass&, const std::int32_t* order,
                           const T* panel, T* out, std::int64_t columns) {
  using Vec = Lanes<T, kLanes<T>>;
  constexpr std::int64_t width = V * kLanes<T>;
  Vec sum[R][V];
  clear(sum);
  const T* base[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) base[r] = job.source[0] + order[r] * job.stride[0];
  const std::int64_t depth = job.taps * job.channels;
  for (std::int64_t k = 0; k < depth; ++k) {
    const std::int64_t at = job.offsets[k];
    accumulate<T, R, V>(sum, panel + k * width, [&](int r) { return base[r][at]; });
  }
  put_pixels<T, R, V>(job, order, sum, out, columns);
}

/// R rows x V vectors of columns, summed over the listed pixels.
template <class T, int R, int V>
void outer_tile(const T* const* rows, std::int64_t pitch, const T* columns, std::int64_t stride,
                const std::int32_t* pixels, std::int64_t count, T* sum_at,
                std::int64_t sum_stride) {
  using Vec = Lanes<T, kLanes<T>>;
  Vec sum[R][V];
  clear(sum);
  const T* row[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) row[r] = rows[r];
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t at = pixels[i] * pitch;
    accumulate<T, R, V>(sum, columns + pixels[i] * stride, [&](int r) { return row[r][at]; });
  }
  T* to[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) to[r] = sum_at + r * sum_stride;
  put<true, T, R, V>(sum, to, V * kLanes<T>);
}

template <class T>
using ConvolveTile = void (*)(const Convolution<T>&, const PixelClass&, const std::int32_t*,
                              const T*, T*, std::int64_t);
template <class T>
using OuterTile = void (*)(const T* const*, std::int64_t, const T*, std::int64_t,
                           const std::int32_t*, std::int64_t, T*, std::int64_t);

/// Tables of a tile's instances: k...Tile[vectors - 1][rows - 1].
#if CUTTLE_TILE_ROWS == 8
#define CUTTLE_ROWS(tile, V)                                   \
  {tile<T, 1, V>, tile<T, 2, V>, tile<T, 3, V>, tile<T, 4, V>, \
   tile<T, 5, V>, tile<T, 6, V>, tile<T, 7, V>, tile<T, 8, V>}
#else
#define CUTTLE_ROWS(tile, V) \
  {tile<T, 1, V>, tile<T, 2, V>, tile<T, 3, V>, tile<T, 4, V>, tile<T, 5, V>, tile<T, 6, V>}
#endif
template <class T>
constexpr ConvolveTile<T> kConvolveTile[2][kRows] = {CUTTLE_ROWS(convolve_tile, 1),
                                                     CUTTLE_ROWS(convolve_tile, 2)};
template <class T>
constexpr ConvolveTile<T> kPatchesTile[2][kRows] = {CUTTLE_ROWS(convolve_patches_tile, 1),
                                                    CUTTLE_ROWS(convolve_patches_tile, 2)};
template <class T>
constexpr OuterTile<T> kOuterTile[2][kRows] = {CUTTLE_ROWS(outer_tile, 1),
                                               CUTTLE_ROWS(outer_tile, 2)};

template <class T>
void convolve(const Convolution<T>& job) {
  const std::int64_t depth = job.sources * job.taps * job.channels;
  const auto& tile = job.offsets ? kPatchesTile<T> : kConvolveTile<T>;
  for (std::int64_t first = 0; first < job.columns; first += kPanel<T>) {
    const std::int64_t columns = job.columns - first;
    const int vectors = columns > kLanes<T> ? 2 : 1;
    for (std::int64_t k = 0; k < job.class_count; ++k) {
      const PixelClass& pixels = job.classes[k];
      over_tiles(pixels.end - pixels.begin, [&](std::int64_t begin, std::int64_t high) {
        tile[vectors - 1][high - 1](job, pixels, job.order + pixels.begin + begin,
                                    job.weights + first * depth, job.out + first, columns);
      });
    }
  }
}

template <class T>
void outer(const Outer<T>& job) {
  for (std::int64_t first = 0; first < job.column_count; first += kPanel<T>) {
    const int vectors = job.column_count - first > kLanes<T> ? 2 : 1;
    over_tiles(job.row_count, [&](std::int64_t begin, std::int64_t high) {
      if (job.upper && first + kPanel<T> <= begin) return;
      kOuterTile<T>[vectors - 1][high - 1](
          job.rows + begin, job.pitch, job.columns + first, job.stride, job.pixels, job.pixel_count,
          job.sum + begin * job.sum_stride + first, job.sum_stride);
    });
  }
}

template <class T>
void correlate(const Correlation<T>& job) {
  const std::int64_t pixels = job.last - job.first;
  // A tile's rows side by side, pixel after pixel: what one tile reads then stays in the
  // first-level cache.
  over_tiles(job.rows, [&](std::int64_t begin, std::int64_t high) {
    T* to = job.packed + begin * pixels;
    const T* from = job.x + job.first * job.x_stride + begin;
    for (std::int64_t p = 0; p < pixels; ++p, to += high, from += job.x_stride) {
      for (std::int64_t r = 0; r < high; ++r) to[r] = from[r];
    }
  });
  for (std::int64_t column = 0; column < job.columns; column += kPanel<T>) {
    const int vectors = job.columns - column > kLanes<T> ? 2 : 1;
    over_tiles(job.rows, [&](std::int64_t begin, std::int64_t high) {
      for (int t = 0; t < job.taps; ++t) {
        const T* rows[kRows];
        for (std::int64_t r = 0; r < high; ++r)
          rows[r] = job.packed + begin * pixels + (job.shift[t] - job.first) * high + r;
        kOuterTile<T>[vectors - 1][high - 1](
            rows, high, job.dy + column, job.dy_stride, job.pixels[t], job.pixel_count[t],
            job.sum + (t * job.rows + begin) * job.sum_stride + column, job.sum_stride);
      }
    });
  }
}

}  // namespace
}  // namespace cuttle::kernels
