#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "cuttle/kernels/conv_block.hpp"

/// What the tests of the kernels' parts share.
namespace cuttle::kernels::parts {

inline std::size_t size_of(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

/// Normally distributed numbers that float holds too.
template <class T>
std::vector<T> normal(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> draw;
  std::vector<T> result(size_of(count));
  for (auto& v : result) v = static_cast<T>(draw(generator));
  return result;
}

/// 1 at about two thirds of the pixels, 0 at the others.
template <class T>
std::vector<T> random_mask(std::int64_t pixels, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<T> result(size_of(pixels));
  for (auto& v : result) v = static_cast<T>(generator() % 3 == 0 ? 0 : 1);
  return result;
}

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Calls body(tap, displacement of its source) for the taps of a pixel whose source is in the
/// image.
template <class Body>
void over_taps_inside(const ConvBlockShape& s, std::int64_t pixel, const Body& body) {
  const std::int64_t h = pixel / s.width % s.height, w = pixel % s.width;
  for (std::int64_t a = 0; a < s.kernel_height; ++a) {
    for (std::int64_t b = 0; b < s.kernel_width; ++b) {
      const std::int64_t u = h + a - s.kernel_height / 2, v = w + b - s.kernel_width / 2;
      if (u < 0 || u >= s.height || v < 0 || v >= s.width) continue;
      body(a * s.kernel_width + b, (u * s.width + v) - (h * s.width + w));
    }
  }
}

/// Threads for the work of this scope.
class Threads {
 public:
  explicit Threads([[maybe_unused]] int count) {
#ifdef _OPENMP
    omp_set_num_threads(count);
#endif
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
#ifdef _OPENMP
  ~Threads() { omp_set_num_threads(before_); }

 private:
  int before_ = omp_get_max_threads();
#endif
};

/// Runs body with every instruction set of this machine.
template <class Body>
void on_every_instruction_set(const Body& body) {
  for (const InstructionSet set : available_instruction_sets()) {
    select_instruction_set(set);
    body();
  }
}

}  // namespace cuttle::kernels::parts
