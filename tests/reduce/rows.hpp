#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace cuttle::testing_reduce {

using Rows = std::vector<std::vector<float>>;

/// Deterministic noise for inputs of tests, unrelated to cuttle's own generator.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) : state_(seed * 2654435761u + 1) {}
  std::uint64_t bits() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  int below(int n) { return static_cast<int>(bits() % static_cast<std::uint64_t>(n)); }

 private:
  std::uint64_t state_;
};

/// Values of both signs whose magnitudes spread evenly over `decades` powers of ten below 1.
inline Rows make_rows(std::size_t rows, std::size_t columns, double decades, std::uint64_t seed) {
  Noise noise(seed);
  Rows result(rows, std::vector<float>(columns));
  for (auto& row : result) {
    for (auto& value : row) {
      const double magnitude = std::pow(10.0, -decades * noise.uniform());
      value = static_cast<float>(noise.below(2) ? magnitude : -magnitude);
    }
  }
  return result;
}

/// Exact sum rounded once to double, by Shewchuk's expansions of non-overlapping doubles (as
/// Python's math.fsum): nothing in common with integers and limbs.
inline double reference_sum(const std::vector<double>& values) {
  std::vector<double> partials;
  for (double x : values) {
    std::size_t kept = 0;
    for (double y : partials) {
      if (std::fabs(x) < std::fabs(y)) std::swap(x, y);
      const double high = x + y;
      const double low = y - (high - x);
      if (low != 0.0) partials[kept++] = low;
      x = high;
    }
    partials.resize(kept);
    partials.push_back(x);
  }
  double high = 0.0;
  double low = 0.0;
  while (!partials.empty() && low == 0.0) {
    const double x = high;
    const double y = partials.back();
    partials.pop_back();
    high = x + y;
    low = y - (high - x);
  }
  if (!partials.empty() &&
      ((low < 0.0 && partials.back() < 0.0) || (low > 0.0 && partials.back() > 0.0))) {
    const double twice = low * 2.0;  // a tie that is none, seen from the partials below
    const double rounded = high + twice;
    if (twice == rounded - high) high = rounded;
  }
  return high;
}

inline double reference_column(const Rows& rows, std::size_t column) {
  std::vector<double> values;
  for (const auto& row : rows) values.push_back(row[column]);
  return reference_sum(values);
}

template <class T>
std::uint64_t bits_of(T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

/// Which rows a rank has. Uneven on purpose: rank 1 of three or more has none, the last rank has a
/// double share.
inline Rows share_of(const Rows& rows, int rank, int ranks) {
  Rows mine;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    int owner = static_cast<int>(r) % (ranks + 1);
    if (owner >= ranks) owner = ranks - 1;
    if (ranks > 2 && owner == 1) owner = 0;
    if (owner == rank) mine.push_back(rows[r]);
  }
  return mine;
}

}  // namespace cuttle::testing_reduce
