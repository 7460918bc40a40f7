#include "reduce/fixed_point.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "reduce/odd_quotient.hpp"

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

// (bits + rest) * 2^exponent, the highest bit being set; what lies below the 64 leading bits only
// matters as "something": it decides ties when they become fewer. No bits: zero.
struct Leading {
  bool negative = false;
  std::uint64_t bits = 0;
  bool rest = false;
  int exponent = 0;
};

Leading leading_of(const Magnitude& number) {
  const auto& words = number.words;
  int top = static_cast<int>(words.size()) - 1;
  while (top >= kPadding && words[top] == 0) --top;
  if (top < kPadding) return {};
  const int shift = __builtin_clz(words[top]);
  Leading result{number.negative, (std::uint64_t{words[top]} << 32 | words[top - 1]) << shift,
                 static_cast<std::uint32_t>(std::uint64_t{words[top - 2]} << shift) != 0,
                 32 * (top - kPadding - 1) - shift - 149};
  result.bits |= (std::uint64_t{words[top - 2]} << shift) >> 32;
  for (int i = kPadding; i < top - 2; ++i) result.rest = result.rest || words[i] != 0;
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
  const Leading number = leading_of(carry(limbs));
  const double value = std::ldexp(static_cast<double>(number.bits | number.rest), number.exponent);
  return number.negative ? -value : value;
}

float fixed_mean(const std::int64_t* limbs, std::int64_t rows) {
  const Leading number = leading_of(carry(limbs));
  if (number.bits == 0) return 0.0f;
  const double mean =
      std::ldexp(odd_quotient(number.bits, number.rest, rows), number.exponent + 11);
  return static_cast<float>(number.negative ? -mean : mean);
}

}  // namespace cuttle
