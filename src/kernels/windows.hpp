#pragma once

#include "kernels/isa.hpp"
#include "kernels/lanes.hpp"

/// Passes over batch norm, ReLU and max-pool: each reads its arrays once, in the order in which
/// they lie in memory.
namespace cuttle::kernels {
namespace {

/// Calls body(window, first pixel's row and column, pixels high, pixels wide) for all windows.
template <class Body>
CUTTLE_INLINE void over_windows(const Grid& g, const Body& body) {
  for (std::int64_t i = 0; i < g.pooled_height; ++i) {
    const std::int64_t row = i * g.window_height;
    const std::int64_t high = row + g.window_height <= g.height ? g.window_height : g.height - row;
    for (std::int64_t j = 0; j < g.pooled_width; ++j) {
      const std::int64_t column = j * g.window_width;
      const std::int64_t wide =
          column + g.window_width <= g.width ? g.window_width : g.width - column;
      body(i * g.pooled_width + j, row, column, high, wide);
    }
  }
}

/// Offsets of a window's pixels, and their places as choices name them: row * window width +
/// column.
struct WindowPixels {
  int count = 0;
  std::int64_t offset[4];
  std::int64_t pixel[4];
  int place[4];
};
CUTTLE_INLINE WindowPixels pixels_of(const Grid& g, std::int64_t row, std::int64_t column,
                                     std::int64_t high, std::int64_t wide) {
  WindowPixels result;
  for (std::int64_t r = 0; r < high; ++r) {
    for (std::int64_t c = 0; c < wide; ++c) {
      result.offset[result.count] = (row + r) * g.row_stride + (column + c) * g.pixel_stride;
      result.pixel[result.count] = (row + r) * g.width + column + c;
      result.place[result.count] = static_cast<int>(r * g.window_width + c);
      ++result.count;
    }
  }
  return result;
}

template <class T, int kCount, bool kMasked, bool kRelu>
CUTTLE_INLINE void pool_window(const Pool<T>& job, const WindowPixels& w, std::int64_t window) {
  const std::int64_t channels = job.grid.channels;
  over_channels<T>(channels, [&](std::int64_t c, auto width) {
    constexpr int N = decltype(width)::value;
    using Vec = Lanes<T, N>;
    using Choice = Lanes<Mask<T>, N>;
    const Vec mean = load<Vec>(job.mean + c), scale = load<Vec>(job.scale + c),
              shift = load<Vec>(job.shift + c);
    Vec most{};
    Choice choice{};
#pragma GCC unroll 4
    for (int q = 0; q < kCount; ++q) {
      Vec z = (load<Vec>(job.y + w.offset[q] + c) - mean) * scale + shift;
      if (kMasked) z *= job.real[w.pixel[q]];
      if (q == 0) {
        most = z;
        choice += static_cast<Mask<T>>(w.place[0]);
      } else {
        const auto better = z > most;
        most = better ? z : most;
        choice = better ? Choice{} + static_cast<Mask<T>>(w.place[q]) : choice;
      }
    }
    // A NaN is neither dead nor cut to 0: it must reach the loss, where it is looked for.
    if (kRelu) {
      const auto dead = most <= Vec{};
      most = dead ? Vec{} : most;
      choice = dead ? Choice{} + static_cast<Mask<T>>(kDead) : choice;
    }
    store(job.pooled + window * channels + c, most);
    store_choice<T, N>(job.choice + window * channels + c, choice);
  });
}

template <class T, bool kMasked, bool kRelu>
void pool_all(const Pool<T>& job) {
  over_windows(job.grid, [&](auto window, auto row, auto column, auto high, auto wide) {
    const WindowPixels w = pixels_of(job.grid, row, column, high, wide);
    if (w.count == 4) return pool_window<T, 4, kMasked, kRelu>(job, w, window);
    if (w.count == 2) return pool_window<T, 2, kMasked, kRelu>(job, w, window);
    return pool_window<T, 1, kMasked, kRelu>(job, w, window);
  });
}
template <class T>
void pool(const Pool<T>& job) {
  if (job.relu) return job.real ? pool_all<T, true, true>(job) : pool_all<T, false, true>(job);
  job.real ? pool_all<T, true, false>(job) : pool_all<T, false, false>(job);
}

/// The value at the choice, 0 where dead.
template <class T, int N>
CUTTLE_INLINE Lanes<T, N> chosen(const T* values, const WindowPixels& w, std::int64_t channel,
                                 Lanes<Mask<T>, N> choice) {
  using Vec = Lanes<T, N>;
  Vec result{};
  for (int q = 0; q < w.count; ++q) {
    result = choice == w.place[q] ? load<Vec>(values + w.offset[q] + channel) : result;
  }
  return result;
}

template <class T, bool kTangent>
void select_all(const Select<T>& job) {
  const std::int64_t channels = job.grid.channels;
  over_windows(job.grid, [&](auto window, auto row, auto column, auto high, auto wide) {
    const WindowPixels w = pixels_of(job.grid, row, column, high, wide);
    over_channels<T>(channels, [&](std::int64_t c, auto width) {
      constexpr int N = decltype(width)::value;
      using Vec = Lanes<T, N>;
      const auto choice = load_choice<T, N>(job.choice + window * channels + c);
      Vec value =
          (chosen<T, N>(job.y, w, c, choice) - load<Vec>(job.mean + c)) * load<Vec>(job.scale + c) +
          load<Vec>(job.shift + c);
      if (kTangent)
        value += (chosen<T, N>(job.tangent, w, c, choice) - load<Vec>(job.tangent_mean + c)) *
                 load<Vec>(job.tangent_scale + c);
      store(job.pooled + window * channels + c,
            choice == static_cast<Mask<T>>(kDead) ? Vec{} : value);
    });
  });
}
template <class T>
void select(const Select<T>& job) {
  job.tangent ? select_all<T, true>(job) : select_all<T, false>(job);
}

/// Adds a row's sums to the totals and clears them.
template <class T>
CUTTLE_INLINE void flush_row(T* row, double* total, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) total[c] += static_cast<double>(row[c]);
  for (std::int64_t c = 0; c < channels; ++c) row[c] = 0;
}

/// Sums of a row of windows are taken in T, rows are added in double.
template <class T, bool kTangent>
void window_sums_all(const WindowSums<T>& job) {
  const std::int64_t channels = job.grid.channels;
  T *plain = job.scratch, *centered = plain + channels, *with_tangent = centered + channels;
  for (std::int64_t c = 0; c < 3 * channels; ++c) job.scratch[c] = 0;
  over_windows(job.grid, [&](auto window, auto row, auto column, auto high, auto wide) {
    const WindowPixels w = pixels_of(job.grid, row, column, high, wide);
    over_channels<T>(channels, [&](std::int64_t c, auto width) {
      constexpr int N = decltype(width)::value;
      using Vec = Lanes<T, N>;
      const auto choice = load_choice<T, N>(job.choice + window * channels + c);
      const Vec all = load<Vec>(job.gradient + window * channels + c);
      const Vec d = choice == static_cast<Mask<T>>(kDead) ? Vec{} : all;
      store(plain + c, load<Vec>(plain + c) + d);
      const Vec value = chosen<T, N>(job.y, w, c, choice) - load<Vec>(job.mean + c);
      store(centered + c, load<Vec>(centered + c) + d * value);
      if (kTangent) {
        const Vec tangent = chosen<T, N>(job.tangent, w, c, choice);
        store(with_tangent + c, load<Vec>(with_tangent + c) + d * tangent);
      }
    });
    if ((window + 1) % job.grid.pooled_width != 0) return;
    flush_row(plain, job.plain, channels);
    flush_row(centered, job.centered, channels);
    if (kTangent) flush_row(with_tangent, job.with_tangent, channels);
  });
}
template <class T>
void window_sums(const WindowSums<T>& job) {
  job.tangent ? window_sums_all<T, true>(job) : window_sums_all<T, false>(job);
}

template <class T>
void spread(const Spread<T>& job) {
  const std::int64_t channels = job.grid.channels;
  for (std::int64_t c = 0; c < channels; ++c) job.scratch[c] = 0;
  over_windows(job.grid, [&](auto window, auto row, auto column, auto high, auto wide) {
    const WindowPixels w = pixels_of(job.grid, row, column, high, wide);
    over_channels<T>(channels, [&](std::int64_t c, auto width) {
      constexpr int N = decltype(width)::value;
      using Vec = Lanes<T, N>;
      const auto choice = load_choice<T, N>(job.choice + window * channels + c);
      const Vec d = load<Vec>(job.gradient + window * channels + c);
      for (int q = 0; q < w.count; ++q)
        store(job.out + w.offset[q] + c, choice == w.place[q] ? d : Vec{});
      store(job.scratch + c,
            load<Vec>(job.scratch + c) + (choice == static_cast<Mask<T>>(kDead) ? Vec{} : d));
    });
    if ((window + 1) % job.grid.pooled_width == 0) flush_row(job.scratch, job.plain, channels);
  });
}

template <class T, bool kTangent>
void gradient_all(const Gradient<T>& job) {
  const Grid& g = job.grid;
  for (std::int64_t row = 0; row < g.height; ++row) {
    for (std::int64_t column = 0; column < g.width; ++column) {
      const std::int64_t i = row / g.window_height, j = column / g.window_width;
      const bool covered = i < g.pooled_height && j < g.pooled_width;
      const std::int64_t window = covered ? (i * g.pooled_width + j) * g.channels : 0;
      const auto place = covered
                             ? static_cast<Mask<T>>((row - i * g.window_height) * g.window_width +
                                                    column - j * g.window_width)
                             : Mask<T>{-1};
      const std::int64_t from = row * g.row_stride + column * g.pixel_stride;
      T* out = job.out + row * job.out_row_stride + column * job.out_pixel_stride;
      const T real = job.real ? job.real[row * g.width + column] : T{1};
      over_channels<T>(g.channels, [&](std::int64_t c, auto width) {
        constexpr int N = decltype(width)::value;
        using Vec = Lanes<T, N>;
        const auto choice = load_choice<T, N>(job.choice + window + c);
        Vec d = choice == place ? load<Vec>(job.gradient + window + c) : Vec{};
        d = d * load<Vec>(job.a + c) + load<Vec>(job.b + c) +
            load<Vec>(job.c + c) * (load<Vec>(job.y + from + c) - load<Vec>(job.mean + c));
        if (kTangent)
          d += load<Vec>(job.e + c) *
               (load<Vec>(job.tangent + from + c) - load<Vec>(job.tangent_mean + c));
        store(out + c, d * real);
      });
    }
  }
}
template <class T>
void gradient(const Gradient<T>& job) {
  job.tangent ? gradient_all<T, true>(job) : gradient_all<T, false>(job);
}

constexpr std::int64_t kSumBlock =
    64;  ///< pixels that are summed in T before they are added in double

/// Calls add(pixel, channel, sum so far) over blocks of pixels and adds each block's sums to total
/// in double.
template <class T, class Add>
CUTTLE_INLINE void sum_pixels(std::int64_t pixels, std::int64_t channels, double* total,
                              const Add& add) {
  for (std::int64_t first = 0; first < pixels; first += kSumBlock) {
    const std::int64_t last = first + kSumBlock < pixels ? first + kSumBlock : pixels;
    over_channels<T>(channels, [&](std::int64_t c, auto width) {
      constexpr int N = decltype(width)::value;
      // Two chains of additions hide their latency and halve the rounding.
      Lanes<T, N> even{}, odd{};
      std::int64_t p = first;
      for (; p + 2 <= last; p += 2) {
        even += add(p, c, width);
        odd += add(p + 1, c, width);
      }
      if (p < last) even += add(p, c, width);
      even += odd;
      for (int l = 0; l < N; ++l) total[c + l] += static_cast<double>(even[l]);
    });
  }
}

template <class T>
void moments(const Moments<T>& job) {
  const std::int64_t n = job.channels;
  for (std::int64_t c = 0; c < n; ++c) job.mean[c] = job.deviation[c] = 0;
  sum_pixels<T>(job.pixels, n, job.mean, [&](std::int64_t p, std::int64_t c, auto width) {
    return load<Lanes<T, decltype(width)::value>>(job.y + p * n + c);
  });
  const double count = job.count > 0 ? job.count : 1;
  for (std::int64_t c = 0; c < n; ++c) {
    job.mean[c] /= count;
    job.scratch[c] = static_cast<T>(job.mean[c]);
  }
  // Around the mean as T holds it; what that rounds off is subtracted at the end.
  sum_pixels<T>(job.pixels, n, job.deviation, [&](std::int64_t p, std::int64_t c, auto width) {
    using Vec = Lanes<T, decltype(width)::value>;
    Vec centered = load<Vec>(job.y + p * n + c) - load<Vec>(job.scratch + c);
    if (job.real) centered *= job.real[p];
    return centered * centered;
  });
  for (std::int64_t c = 0; c < n; ++c) {
    const double rounded = job.mean[c] - static_cast<double>(job.scratch[c]);
    job.deviation[c] -= job.count * rounded * rounded;
  }
}

template <class T>
void products(const Products<T>& job) {
  const std::int64_t n = job.channels;
  sum_pixels<T>(job.pixels, n, job.plain, [&](std::int64_t p, std::int64_t c, auto width) {
    return load<Lanes<T, decltype(width)::value>>(job.tangent + p * n + c);
  });
  sum_pixels<T>(job.pixels, n, job.centered, [&](std::int64_t p, std::int64_t c, auto width) {
    using Vec = Lanes<T, decltype(width)::value>;
    return (load<Vec>(job.y + p * n + c) - load<Vec>(job.mean + c)) *
           load<Vec>(job.tangent + p * n + c);
  });
}

}  // namespace
}  // namespace cuttle::kernels
