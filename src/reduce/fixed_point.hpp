#pragma once

#include <cstdint>

namespace cuttle {

/// A fixed-point number in units of 2^-149 wide enough for every finite float: limbs of 32 bits,
/// lowest first, each kept in 64 bits so that 2^31 values can be added, limb by limb and in any
/// order, before a carry is needed.
constexpr int kFixedLimbs = 9;

/// limbs += the finite float with these bits.
void fixed_add(std::int64_t* limbs, std::uint32_t float_bits);

/// The number, rounded once to the nearest double (ties to even).
double fixed_value(const std::int64_t* limbs);
/// The number divided by `rows` (1 to kMostRows), rounded once to the nearest float.
float fixed_mean(const std::int64_t* limbs, std::int64_t rows);

}  // namespace cuttle
