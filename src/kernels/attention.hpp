#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "cuttle/kernels/jobs.hpp"
#include "kernels/paths.hpp"
#include "kernels/workspace.hpp"

// Attention of one sequence to itself, forth and back.
namespace cuttle::kernels {

/// Whether the sizes of a transformer's layer are whole vectors of every instruction set.
inline bool are_whole_vectors(std::int64_t width, std::int64_t heads, std::int64_t inner) {
  constexpr std::int64_t kWidest = 16;  // values of float in the widest vector
  return width % kWidest == 0 && inner % kWidest == 0 && width % heads == 0 &&
         width / heads % kWidest == 0;
}

/// Sizes, and the tokens that are there (null: all).
template <class T>
struct Attention {
  std::int64_t length, heads, head;  ///< head: columns of one
  const T* mask;

  std::int64_t width() const { return heads * head; }
  std::int64_t stride() const { return padded<T>(length); }
  T scale() const { return T{1} / std::sqrt(static_cast<T>(head)); }
  bool lacks(std::int64_t token) const { return mask && mask[token] == 0; }
  /// Without any token all are looked at alike, which is no number less.
  bool lacks_all() const {
    return mask && std::all_of(mask, mask + length, [](T there) { return there == 0; });
  }
};

/// A product whose result lies in rows of `stride`, of which it is `columns`.
template <class T>
void multiply(const Factors<T>& factors, T* to, std::int64_t rows, std::int64_t stride,
              std::int64_t columns) {
  isa<T>().product({1, {factors, {}}, nullptr, to, rows, stride, false, nullptr, false, columns});
}

/// Rows of queries, keys and values, [length, 3 width], give a head's shares [length, stride] and
/// its columns of mixed [length, width].
template <class T>
void attend_with_head(const Attention<T>& of, std::int64_t h, const T* all, T* shares, T* mixed) {
  const std::int64_t n = of.length, head = of.head, width = of.width(), stride = of.stride();
  Scratch scratch;
  T* turned = scratch.take<T>(head * stride);
  const T *queries = all + h * head, *keys = queries + width, *values = keys + width;
  isa<T>().transpose({keys, n, head, 3 * width, turned, stride});
  multiply<T>({queries, 3 * width, 1, turned, stride, head}, shares, n, stride, stride);
  const auto set_absent = [&](T to) {
    for (std::int64_t s = 0; s < n; ++s)
      for (std::int64_t t = 0; of.lacks(s) && t < n; ++t) shares[t * stride + s] = to;
  };
  set_absent(T{-1e30});
  isa<T>().rows_of({RowStep::kSoftmax, shares, n, n, stride, of.scale()});
  if (!of.lacks_all()) set_absent(T{0});
  multiply<T>({shares, stride, 1, values, 3 * width, n}, mixed + h * head, n, width, head);
}

/// All heads: shares [heads, length, stride].
template <class T>
void attend(const Attention<T>& of, const T* all, T* shares, T* mixed) {
  for (std::int64_t h = 0; h < of.heads; ++h, shares += of.length * of.stride())
    attend_with_head(of, h, all, shares, mixed);
}

/// From of_mixed the gradient of `all`.
template <class T>
void attend_back(const Attention<T>& of, const T* all, const T* shares, const T* of_mixed,
                 T* of_all) {
  const std::int64_t n = of.length, head = of.head, width = of.width(), stride = of.stride();
  Scratch scratch;
  T* turned = scratch.take<T>(head * stride);
  T* slopes = scratch.take<T>(n * stride);
  const bool lacks_all = of.lacks_all();
  for (std::int64_t h = 0; h < of.heads; ++h, shares += n * stride) {
    const T *queries = all + h * head, *keys = queries + width, *values = keys + width;
    const T* d = of_mixed + h * head;
    T *of_queries = of_all + h * head, *of_keys = of_queries + width, *of_values = of_keys + width;
    multiply<T>({shares, 1, stride, d, width, n}, of_values, n, 3 * width, head);
    isa<T>().transpose({values, n, head, 3 * width, turned, stride});
    multiply<T>({d, width, 1, turned, stride, head}, slopes, n, stride, stride);
    if (lacks_all)
      std::fill_n(slopes, n * stride, T{});
    else
      isa<T>().rows_of({RowStep::kSoftmaxBack, slopes, n, n, stride, of.scale(), shares});
    multiply<T>({slopes, stride, 1, keys, 3 * width, n}, of_queries, n, 3 * width, head);
    multiply<T>({slopes, 1, stride, queries, 3 * width, n}, of_keys, n, 3 * width, head);
  }
}

}  // namespace cuttle::kernels
