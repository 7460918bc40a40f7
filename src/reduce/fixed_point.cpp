#include "reduce/fixed_point.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace cuttle {
namespace {

// Sign and magnitude: words of 32 bits, lowest first, after two that are always zero (so that the
// three highest words of any number exist). The last limb holds up to 63 bits, hence two words.
constexpr int kPadding = 2;
struct Magnitude {
  bool negative = false;
  std::array<std::uint32_t, kPadding + kFixedLimbs + 1> words{};
};

Magnitude carry(const std::int64_t* limbs) {
  std::array<std::int64_t, kFixedLimbs + 1> sums{};
  std::copy(limbs, limbs + kFixedLimbs, sums.begin());
  Magnitude result;
  for (int pass = 0; pass < 2; ++pass) {
    for (int i = 0; i < kFixedLimbs; ++i) {
      const std::int64_t low = sums[i] & 0xffffffff;
      sums[i + 1] += (sums[i] - low) / (std::int64_t{1} << 32);
      sums[i] = low;
    }
    if (sums[kFixedLimbs] >= 0) break;
    result.negative = true;  // negate and carry once more: then the highest limb is not negative
    for (auto& sum : sums) sum = -sum;
  }
  for (int i = 0; i <= kFixedLimbs; ++i) {
    result.words[kPadding + i] = static_cast<std::uint32_t>(sums[i]);
  }
  return result;
}

}  // namespace

void fixed_add(std::int64_t* limbs, std::uint32_t float_bits) {
  const std::uint32_t exponent = (float_bits >> 23) & 0xff;
  const std::uint64_t mantissa = (float_bits & 0x7fffff) | (exponent != 0 ? 0x800000 : 0);
  const std::uint32_t position = std::max(exponent, 1u) - 1;
  const std::uint64_t shifted = mantissa << (position % 32);
  const std::int64_t low = static_cast<std::int64_t>(shifted & 0xffffffff);
  const std::int64_t high = static_cast<std::int64_t>(shifted >> 32);
  const bool negative = (float_bits >> 31) != 0;
  limbs[position / 32] += negative ? -low : low;
  limbs[position / 32 + 1] += negative ? -high : high;
}

double fixed_value(const std::int64_t* limbs) {
  const Magnitude number = carry(limbs);
  const auto& words = number.words;
  int top = static_cast<int>(words.size()) - 1;
  while (top >= kPadding && words[top] == 0) --top;
  if (top < kPadding) return 0.0;
  const int shift = __builtin_clz(words[top]);
  std::uint64_t leading = (std::uint64_t{words[top]} << 32 | words[top - 1]) << shift;
  leading |= (std::uint64_t{words[top - 2]} << shift) >> 32;
  // What lies below the 64 leading bits only matters as "something": it decides ties when 64 bits
  // become 53.
  bool rest = static_cast<std::uint32_t>(std::uint64_t{words[top - 2]} << shift) != 0;
  for (int i = kPadding; i < top - 2; ++i) rest = rest || words[i] != 0;
  if (rest) leading |= 1;
  const double value =
      std::ldexp(static_cast<double>(leading), 32 * (top - kPadding - 1) - shift - 149);
  return number.negative ? -value : value;
}

}  // namespace cuttle
