#pragma once

#include "kernels/isa.hpp"
#include "kernels/lanes.hpp"

/// The transforms of winograd.hpp, one vector of channels at a time: matrices of 0, 1, -1 and 1/2
/// applied to the columns and then to the rows of a small patch. As all channels of a pixel lie
/// side by side, they need no shuffles.
namespace cuttle::kernels {
namespace {

/// A step's matrix (Lavin and Gray 2016, section 4.1), the sizes of its patch before and after,
/// which side lies in the image, and where that side begins relative to the tile's first output.
struct InputStep {  // B^T
  static constexpr int kFrom = 4, kTo = 4, kOffset = -1;
  static constexpr bool kReadsImage = true;
  template <class V>
  CUTTLE_INLINE static void apply(const V (&d)[4], V (&to)[4]) {
    to[0] = d[0] - d[2];
    to[1] = d[1] + d[2];
    to[2] = d[2] - d[1];
    to[3] = d[1] - d[3];
  }
};
struct OutputStep {  // A^T
  static constexpr int kFrom = 4, kTo = 2, kOffset = 0;
  static constexpr bool kReadsImage = false;
  template <class V>
  CUTTLE_INLINE static void apply(const V (&m)[4], V (&to)[2]) {
    to[0] = m[0] + m[1] + m[2];
    to[1] = m[1] - m[2] - m[3];
  }
};
struct GradientStep {  // A
  static constexpr int kFrom = 2, kTo = 4, kOffset = 0;
  static constexpr bool kReadsImage = true;
  template <class V>
  CUTTLE_INLINE static void apply(const V (&y)[2], V (&to)[4]) {
    to[0] = y[0];
    to[1] = y[0] + y[1];
    to[2] = y[0] - y[1];
    to[3] = -y[1];
  }
};
struct KernelStep {  // G
  static constexpr int kFrom = 3, kTo = 4, kOffset = 0;
  static constexpr bool kReadsImage = true;
  template <class V>
  CUTTLE_INLINE static void apply(const V (&g)[3], V (&to)[4]) {
    const V ends = g[0] + g[2];
    to[0] = g[0];
    to[1] = (ends + g[1]) / 2;
    to[2] = (ends - g[1]) / 2;
    to[3] = g[2];
  }
};
struct KernelGradientStep {  // G^T
  static constexpr int kFrom = 4, kTo = 3, kOffset = 0;
  static constexpr bool kReadsImage = false;
  template <class V>
  CUTTLE_INLINE static void apply(const V (&s)[4], V (&to)[3]) {
    const V half = (s[1] + s[2]) / 2;
    to[0] = s[0] + half;
    to[1] = (s[1] - s[2]) / 2;
    to[2] = half + s[3];
  }
};

/// One vector of channels from one patch to the other.
template <class Step, class Vec, class T>
CUTTLE_INLINE void transform_patch(const T* const* from, T* const* to, std::int64_t channel) {
  constexpr int n = Step::kFrom, m = Step::kTo;
  Vec half[m][n];
#pragma GCC unroll 4
  for (int j = 0; j < n; ++j) {
    Vec column[n], result[m];
#pragma GCC unroll 4
    for (int i = 0; i < n; ++i) column[i] = load<Vec>(from[i * n + j] + channel);
    Step::apply(column, result);
#pragma GCC unroll 4
    for (int i = 0; i < m; ++i) half[i][j] = result[i];
  }
#pragma GCC unroll 4
  for (int i = 0; i < m; ++i) {
    Vec result[m];
    Step::apply(half[i], result);
#pragma GCC unroll 4
    for (int j = 0; j < m; ++j) store(to[i * m + j] + channel, result[j]);
  }
}

/// Where the pixels of a patch lie; `outside` for those that are not in the image.
template <int kSize, class T, class Value>
CUTTLE_INLINE void find_pixels(const WinogradTransform<T>& job, Value* base, Value* outside,
                               std::int64_t image, std::int64_t top, std::int64_t left,
                               Value** at) {
  std::int64_t pixel = (image * job.height + top) * job.width + left;
#pragma GCC unroll 4
  for (int i = 0; i < kSize; ++i, pixel += job.width) {
    const bool row_inside = top + i >= 0 && top + i < job.height;
#pragma GCC unroll 4
    for (int j = 0; j < kSize; ++j) {
      const bool inside = row_inside && left + j >= 0 && left + j < job.width;
      at[i * kSize + j] = inside ? base + (pixel + j) * job.pixel_stride : outside;
    }
  }
}

template <class Step, class T>
void transform_tiles(const WinogradTransform<T>& job) {
  const std::int64_t across = (job.width + 1) / 2, down = (job.height + 1) / 2;
  std::int64_t image = job.first / (across * down), h = job.first / across % down,
               w = job.first % across;
  for (std::int64_t t = 0; t < job.tiles; ++t) {
    const std::int64_t top = 2 * h + Step::kOffset, left = 2 * w + Step::kOffset;
    const T* from[Step::kFrom * Step::kFrom];
    T* to[Step::kTo * Step::kTo];
    if constexpr (Step::kReadsImage) {
      find_pixels<Step::kFrom>(job, job.from, static_cast<const T*>(job.outside), image, top, left,
                               from);
      for (int p = 0; p < kWinogradPositions; ++p)
        to[p] = job.to + p * job.position_stride + t * job.tile_stride;
    } else {
      for (int p = 0; p < kWinogradPositions; ++p)
        from[p] = job.from + p * job.position_stride + t * job.tile_stride;
      find_pixels<Step::kTo>(job, job.to, job.outside, image, top, left, to);
    }
    over_channels<T>(job.channels, [&](std::int64_t c, auto width) {
      transform_patch<Step, Lanes<T, decltype(width)::value>>(from, to, c);
    });
    if (++w < across) continue;
    w = 0;
    if (++h < down) continue;
    h = 0;
    ++image;
  }
}

template <class T>
void winograd(const WinogradTransform<T>& job) {
  switch (job.step) {
    case WinogradStep::kInput:
      return transform_tiles<InputStep>(job);
    case WinogradStep::kOutput:
      return transform_tiles<OutputStep>(job);
    case WinogradStep::kGradient:
      return transform_tiles<GradientStep>(job);
    case WinogradStep::kKernel:
      return transform_tiles<KernelStep>(job);
    case WinogradStep::kKernelGradient:
      return transform_tiles<KernelGradientStep>(job);
  }
}

}  // namespace
}  // namespace cuttle::kernels
