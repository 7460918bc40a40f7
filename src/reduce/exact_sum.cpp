#include "cuttle/reduce/exact_sum.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "cuttle/core/error.hpp"
#include "reduce/fixed_point.hpp"

// A float is an integer of 24 bits times a power of two. If a column's exponents lie close enough
// together (over all rows of all ranks; almost always so), every value is an integer of the
// column's smallest unit and the sum fits into 63 bits: integer addition is exact and associative.
// The few wide columns are added in 9 limbs instead.
namespace cuttle {
namespace {

constexpr std::size_t kBlock = 2048;         // columns whose state stays in the L1 cache together
constexpr std::size_t kWideBlock = 1 << 16;  // wide columns in one collective: 5 MB of limbs

std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Per column the largest exponent and 255 - the smallest exponent of its non-zero values; 0 and 0
// if all are zero. Both are maxima, so one collective agrees on them. Denormals have exponent 1 and
// no implicit bit.
// (__restrict: bytes may alias anything, which would keep the loop from being vectorised.)
void widen_ranges(const float* __restrict row, std::size_t count, std::uint8_t* __restrict high,
                  std::uint8_t* __restrict low) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t magnitude = static_cast<std::int32_t>(bits_of(row[i]) & 0x7fffffffu);
    const std::int32_t exponent = (magnitude >> 23) + (magnitude < 0x800000);
    const std::int32_t mask = -(magnitude != 0);
    high[i] = std::max(high[i], static_cast<std::uint8_t>(exponent & mask));
    low[i] = std::max(low[i], static_cast<std::uint8_t>((255 - exponent) & mask));
  }
}

// sums += row in units of 2^(smallest exponent - 150). Unsigned, because wide columns may overflow
// here; their result is thrown away.
void add_in_units(const float* __restrict row, std::size_t count,
                  const std::uint8_t* __restrict low, std::uint64_t* __restrict sums) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = bits_of(row[i]);
    const std::uint32_t exponent = (bits >> 23) & 0xffu;
    const std::uint64_t mantissa = (bits & 0x7fffffu) | (exponent != 0 ? 0x800000u : 0u);
    // Masked, because it is any number where the mantissa is 0 or the column wide.
    const std::uint32_t shift = (std::max(exponent, 1u) + low[i] - 255u) & 63u;
    const std::uint64_t sign = 0 - static_cast<std::uint64_t>(bits >> 31);
    sums[i] += ((mantissa << shift) ^ sign) - sign;
  }
}

double unit_of(std::uint8_t low) {  // 2^(exponent - 150)
  const std::uint64_t bits = static_cast<std::uint64_t>(255 - low - 150 + 1023) << 52;
  double unit;
  std::memcpy(&unit, &bits, sizeof unit);
  return unit;
}

int bits_to_count(std::int64_t rows) {  // smallest n with 2^n >= rows
  int bits = 0;
  while ((std::int64_t{1} << bits) < rows) ++bits;
  return bits;
}

class ColumnSums {
 public:
  ColumnSums(Communicator& comm, std::string_view name, Span<const std::vector<float>> rows,
             std::size_t columns, std::int64_t total_rows)
      : comm_(comm),
        name_(name),
        rows_(rows),
        columns_(columns),
        span_allowed_(63 - 24 - bits_to_count(total_rows)) {}

  std::vector<double> run() {
    agree_on_ranges();
    std::vector<double> result = add_narrow();
    add_wide(result);
    return result;
  }

 private:
  bool is_wide(std::size_t i) const { return high(i) + low(i) - 255 > span_allowed_; }
  int high(std::size_t i) const { return ranges_[i]; }
  int low(std::size_t i) const { return ranges_[columns_ + i]; }

  template <class Body>  // body(first column, number of columns)
  void for_blocks(const Body& body) const {
    for (std::size_t first = 0; first < columns_; first += kBlock) {
      body(first, std::min(kBlock, columns_ - first));
    }
  }

  void agree_on_ranges() {
    ranges_.assign(2 * columns_, 0);
    for_blocks([&](std::size_t first, std::size_t count) {
      for (const auto& row : rows_) {
        widen_ranges(row.data() + first, count, ranges_.data() + first,
                     ranges_.data() + columns_ + first);
      }
    });
    ranges_ = comm_.all_reduce_max(name_ + " exponents", std::move(ranges_)).wait();
  }

  std::vector<double> add_narrow() {
    std::vector<std::int64_t> sums(columns_);
    for_blocks([&](std::size_t first, std::size_t count) {
      std::array<std::uint64_t, kBlock> block{};
      for (const auto& row : rows_) {
        add_in_units(row.data() + first, count, ranges_.data() + columns_ + first, block.data());
      }
      for (std::size_t i = 0; i < count; ++i) {
        sums[first + i] = is_wide(first + i) ? 0 : static_cast<std::int64_t>(block[i]);
      }
    });
    sums = comm_.all_reduce(name_ + " sum", std::move(sums), ReduceOp::kSum).wait();
    std::vector<double> result(columns_);
    const std::uint8_t* lows = ranges_.data() + columns_;
    for (std::size_t i = 0; i < columns_; ++i) {
      result[i] = static_cast<double>(sums[i]) * unit_of(lows[i]);
    }
    return result;
  }

  void add_wide(std::vector<double>& result) {
    std::vector<std::size_t> block;
    for (std::size_t i = 0; i < columns_; ++i) {
      if (is_wide(i)) block.push_back(i);
      if (block.size() == kWideBlock || (i + 1 == columns_ && !block.empty())) {
        add_wide_block(block, result);
        block.clear();
      }
    }
  }

  void add_wide_block(const std::vector<std::size_t>& block, std::vector<double>& result) {
    std::vector<std::int64_t> limbs(block.size() * kFixedLimbs, 0);
    for (const auto& row : rows_) {
      for (std::size_t k = 0; k < block.size(); ++k) {
        fixed_add(limbs.data() + k * kFixedLimbs, bits_of(row[block[k]]));
      }
    }
    limbs = comm_.all_reduce(name_ + " wide sum", std::move(limbs), ReduceOp::kSum).wait();
    for (std::size_t k = 0; k < block.size(); ++k) {
      result[block[k]] = fixed_value(limbs.data() + k * kFixedLimbs);
    }
  }

  Communicator& comm_;
  std::string name_;
  Span<const std::vector<float>> rows_;
  std::size_t columns_;
  int span_allowed_;  // exponents may differ by this much for 63 bits to hold the sum
  std::vector<std::uint8_t> ranges_;  // columns_ of high, then columns_ of low
};

}  // namespace

std::vector<double> exact_sum(Communicator& comm, std::string_view name,
                              Span<const std::vector<float>> rows, std::size_t columns,
                              std::int64_t total_rows) {
  CUTTLE_EXPECT(total_rows >= 0 && total_rows < (std::int64_t{1} << 31));
  for (const auto& row : rows) CUTTLE_EXPECT(row.size() == columns);
  return ColumnSums(comm, name, rows, columns, total_rows).run();
}

std::size_t first_nonfinite(Span<const float> values) {
  constexpr std::uint32_t kInfinity = 0x7f800000u;
  std::uint32_t largest = 0;  // as integers, magnitudes order like their values
  for (const float value : values) largest = std::max(largest, bits_of(value) & 0x7fffffffu);
  if (largest < kInfinity) return values.size();
  const auto bad =
      std::find_if_not(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  return static_cast<std::size_t>(bad - values.begin());
}

}  // namespace cuttle
