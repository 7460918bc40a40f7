#pragma once

#include "kernels/tiles.hpp"

/// Convolutions whose weights stay, a row of pixels at a time.
namespace cuttle::kernels {
namespace {

/// At the two ends of what a gate lets through. Not "> 0 ? x : 0", which would turn a NaN into a
/// sound value.
template <class T, class Vec>
CUTTLE_INLINE Vec gated(const Gate<T>& gate, Vec x) {
  if (!gate.closes) return x;
  x = x <= 0 ? Vec{} : x;
  return x >= gate.most ? Vec{} + gate.most : x;
}

/// R pixels x V vectors of output channels.
template <class T, int R, int V>
void mix_tile(const Mix<T>& job, std::int64_t pixel, std::int64_t column, const T* panel) {
  using Vec = Lanes<T, kLanes<T>>;
  Vec sum[R][V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const Vec start = job.bias ? load<Vec>(job.bias + column + v * kLanes<T>) : Vec{};
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[r][v] = start;
  }
  const T* from[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) from[r] = job.in + (pixel + r) * job.in_stride;
  for (std::int64_t k = 0; k < job.channels; ++k, panel += V * kLanes<T>)
    accumulate<T, R, V>(sum, panel, [&](int r) { return from[r][k]; });
  T* to[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    to[r] = job.out + (pixel + r) * job.columns + column;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[r][v] = gated(job.gate, sum[r][v]);
  }
  put<false, T, R, V>(sum, to, job.columns - column);
}

template <class T>
using MixTile = void (*)(const Mix<T>&, std::int64_t, std::int64_t, const T*);
template <class T>
constexpr MixTile<T> kMixTile[2][kRows] = {CUTTLE_ROWS(mix_tile, 1), CUTTLE_ROWS(mix_tile, 2)};

template <class T>
void mix(const Mix<T>& job) {
  for (std::int64_t column = 0; column < job.columns; column += kPanel<T>) {
    const int vectors = job.columns - column > kLanes<T> ? 2 : 1;
    over_tiles(job.pixels, [&](std::int64_t pixel, std::int64_t high) {
      kMixTile<T>[vectors - 1][high - 1](job, pixel, column, job.weights + column * job.channels);
    });
  }
}

/// X outputs side by side that see the same columns of the kernel, one vector of channels.
template <class T, int X>
CUTTLE_INLINE void by_channel_tile(const ByChannel<T>& job, std::int64_t c, std::int64_t x,
                                   std::int64_t first, std::int64_t last) {
  using Vec = Lanes<T, kLanes<T>>;
  Vec sum[X];
#pragma GCC unroll 8
  for (int i = 0; i < X; ++i) sum[i] = load<Vec>(job.bias + c);
  const std::int64_t step = job.stride * job.channels;
  for (std::int64_t ky = 0; ky < job.kernel; ++ky) {
    if (job.rows[ky] == nullptr) continue;
    const T* weight = job.weights + (ky * job.kernel + first) * job.channels + c;
    const T* from = job.rows[ky] + (x * job.stride - job.left + first) * job.channels + c;
    for (std::int64_t kx = first; kx < last; ++kx) {
      const Vec factor = load<Vec>(weight);
#pragma GCC unroll 8
      for (int i = 0; i < X; ++i) sum[i] += load<Vec>(from + i * step) * factor;
      weight += job.channels;
      from += job.channels;
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < X; ++i) store(job.out + (x + i) * job.channels + c, gated(job.gate, sum[i]));
}

template <class T>
void by_channel(const ByChannel<T>& job) {
  constexpr int kWide = 4;
  for (std::int64_t c = 0; c < job.channels; c += kLanes<T>)
    for (std::int64_t x = 0; x < job.out_width;) {
      const std::int64_t at = x * job.stride - job.left;  // what the kernel's first column sees
      const std::int64_t first = at < 0 ? -at : 0;
      const std::int64_t last = job.width - at < job.kernel ? job.width - at : job.kernel;
      const bool whole = first == 0 && x + kWide <= job.out_width &&
                         at + (kWide - 1) * job.stride + job.kernel <= job.width;
      if (whole)
        by_channel_tile<T, kWide>(job, c, x, 0, job.kernel);
      else
        by_channel_tile<T, 1>(job, c, x, first, last);
      x += whole ? kWide : 1;
    }
}

}  // namespace
}  // namespace cuttle::kernels
