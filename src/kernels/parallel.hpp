#pragma once

#include <cstdint>
#ifdef _OPENMP
#include <omp.h>
#endif

namespace cuttle::kernels {

/// Into how many parts work of `count` items is cut: one a thread.
inline std::int64_t parts_of(std::int64_t count) {
#ifdef _OPENMP
  const std::int64_t threads = omp_get_max_threads();
#else
  const std::int64_t threads = 1;
#endif
  return count < threads ? (count > 0 ? count : 1) : threads;
}

/// Calls body(part, begin, end) for parts of 0..count, each on a thread of its own. Which items
/// make a part depends on the number of threads alone.
template <class Body>
void in_parts(std::int64_t count, const Body& body) {
  const std::int64_t parts = parts_of(count);
  if (parts == 1) return body(std::int64_t{0}, std::int64_t{0}, count);
#ifdef _OPENMP
#pragma omp parallel for schedule(static, 1) num_threads(static_cast<int>(parts))
#endif
  for (std::int64_t part = 0; part < parts; ++part) {
    body(part, part * count / parts, (part + 1) * count / parts);
  }
}

/// sums[0] += sums[1] + ..., `parts` arrays of `size` values one after the other: what threads or
/// groups of images summed apart, joined in a fixed order.
template <class T>
void join_parts(std::int64_t parts, std::int64_t size, T* sums) {
  for (std::int64_t part = 1; part < parts; ++part) {
    for (std::int64_t k = 0; k < size; ++k) sums[k] += sums[part * size + k];
  }
}

}  // namespace cuttle::kernels
