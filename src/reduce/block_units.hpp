#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "cuttle/core/span.hpp"

namespace cuttle {

/// Neighbouring columns that share a unit. Few, so that their values are alike; in the flat buffer
/// of parameters every tensor begins at a multiple of it.
constexpr std::size_t kBlockColumns = 16;
/// Columns that are worked on together, because all that belongs to them stays in the L1 cache.
constexpr std::size_t kChunkColumns = 1024;

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// The exponents that a block's values have: the largest, and 255 - the smallest one of the values
/// that are not zero; 0 and 0 if all are. Both are maxima, so one collective agrees on all blocks.
/// Denormals have exponent 1.
class BlockRanges {
 public:
  explicit BlockRanges(std::size_t columns = 0) { clear(columns); }

  void clear(std::size_t columns);
  /// Takes in a row's columns from `first` on: whole blocks, but the row's last may be a part.
  /// False if one of them is not finite; the ranges are then of no use.
  bool take(std::size_t first, Span<const float> values);
  void take(const BlockRanges& other);  ///< of as many columns

  std::size_t blocks() const { return bytes_.size() / 2; }
  int high(std::size_t block) const { return bytes_[block]; }
  int low(std::size_t block) const { return bytes_[blocks() + block]; }
  /// All of it, to travel; the maxima of these over all ranks are the ranges of all rows.
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  void replace(std::vector<std::uint8_t> bytes) { bytes_ = std::move(bytes); }

 private:
  std::vector<std::uint8_t> bytes_;  // each block's high, then each one's low
};

/// How many bits the sums of a block need, in units of its smallest value's last bit.
enum class Width {
  kDouble,   ///< 51: doubles add exactly, and become integers and back without rounding
  kInteger,  ///< 63
  kWide      ///< more: nine limbs for each column
};

/// The block's unit and how to add in it, on which all ranks agree. `row_bits`: 2^row_bits is at
/// least the number of all rows.
struct BlockUnit {
  BlockUnit(const BlockRanges& ranges, std::size_t block, int row_bits)
      : unit(power_of_two(255 - ranges.low(block) - 150)),
        inverse(power_of_two(150 - 255 + ranges.low(block))) {
    const int bits = 24 + ranges.high(block) + ranges.low(block) - 255 + row_bits;
    width = bits <= 51 ? Width::kDouble : bits <= 63 ? Width::kInteger : Width::kWide;
  }

  double unit;     ///< 2^(smallest exponent - 150), which divides every value
  double inverse;  ///< 1 / unit
  Width width;

 private:
  static double power_of_two(int exponent) {
    const std::uint64_t bits = static_cast<std::uint64_t>(exponent + 1023) << 52;
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
};

/// sums = those of the rows' columns from `first` on, at most kChunkColumns of them, in their
/// blocks' units. Zeros for wide blocks.
void add_in_units(Span<const std::vector<float>> rows, std::size_t first, std::size_t count,
                  const BlockUnit* units, std::int64_t* sums);

/// The sums as numbers, each rounded once. At most kBlockColumns of them, of one block.
void from_units(const std::int64_t* sums, std::size_t count, const BlockUnit& unit, double* values);
/// The same, divided by `rows` (1 to kMostRows): each quotient rounded once, ties to even.
void means_from_units(const std::int64_t* sums, std::size_t count, const BlockUnit& unit,
                      std::int64_t rows, float* means);

}  // namespace cuttle
