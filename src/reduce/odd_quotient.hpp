#pragma once

#include <cstdint>

namespace cuttle {

/// Most rows in one sum: the arithmetic of means wants their number in 26 bits.
constexpr std::int64_t kMostRows = std::int64_t{1} << 26;

/// (leading + rest) / rows / 2^11, `leading` having its highest bit set and the rest being in
/// [0, 1), not zero if `rest` says so; rounded to odd: what does not fit has an odd last bit. That
/// is at least 27 bits, so rounding it once more, to a float, is rounding the quotient once (Boldo
/// and Melquiond 2008, "Emulation of FMA and correctly rounded sums").
inline double odd_quotient(std::uint64_t leading, bool rest, std::int64_t rows) {
  const std::uint64_t divisor = static_cast<std::uint64_t>(rows);
  const std::uint64_t value = leading >> 11;
  const std::uint64_t quotient = value / divisor;
  const bool inexact = rest || (leading & 0x7ff) != 0 || quotient * divisor != value;
  return static_cast<double>(quotient | inexact);
}

}  // namespace cuttle
