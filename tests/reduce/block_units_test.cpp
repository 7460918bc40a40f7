#include "reduce/block_units.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "reduce/rows.hpp"

namespace cuttle {
namespace {

using namespace testing_reduce;

int exponent_of(float value) {  // as the bits of the float say it; 1 for denormals
  return std::max(1, std::ilogb(value) + 127);
}

TEST(BlockRanges, AreThoseOfTheValuesThatAreNotZero) {
  const std::size_t columns = 2 * kChunkColumns + 3 * kBlockColumns + 5;  // ends within a block
  Rows rows = make_rows(3, columns, 30.0, 1);
  for (std::size_t c = 32; c < 48; ++c) rows[0][c] = rows[1][c] = rows[2][c] = c % 2 ? 0.0f : -0.0f;
  rows[1][7] = 0x1p-149f;
  rows[2][20] = -FLT_MAX;
  rows[0].back() = FLT_MIN;
  BlockRanges ranges(columns);
  for (const auto& row : rows) EXPECT_TRUE(ranges.take(0, row));
  ASSERT_EQ(ranges.blocks(), (columns + kBlockColumns - 1) / kBlockColumns);
  for (std::size_t b = 0; b < ranges.blocks(); ++b) {
    int high = 0, low = 0;
    for (const auto& row : rows) {
      for (std::size_t c = b * kBlockColumns; c < std::min(columns, (b + 1) * kBlockColumns); ++c) {
        if (row[c] == 0.0f) continue;
        high = std::max(high, exponent_of(row[c]));
        low = std::max(low, 255 - exponent_of(row[c]));
      }
    }
    ASSERT_EQ(ranges.high(b), high) << "block " << b;
    ASSERT_EQ(ranges.low(b), low) << "block " << b;
  }
}

TEST(BlockRanges, OfPartsAndOfOthersAreThoseOfTheWhole) {
  const Rows rows = make_rows(2, 100, 30.0, 2);
  BlockRanges whole(100), parts(100), other(100);
  whole.take(0, rows[0]);
  whole.take(0, rows[1]);
  parts.take(48, Span<const float>(rows[0].data() + 48, 52));
  parts.take(0, Span<const float>(rows[0].data(), 48));
  other.take(0, rows[1]);
  parts.take(other);
  EXPECT_EQ(parts.bytes(), whole.bytes());
  parts.clear(100);
  EXPECT_EQ(parts.bytes(), BlockRanges(100).bytes());
}

TEST(BlockRanges, SeeEveryValueThatIsNotFinite) {
  std::vector<float> row(kChunkColumns + 2 * kBlockColumns + 3, -FLT_MAX);
  EXPECT_TRUE(BlockRanges(row.size()).take(0, row));
  const float inf = std::numeric_limits<float>::infinity();
  for (const float bad : {inf, -inf, std::nanf("")}) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      row[c] = bad;
      EXPECT_FALSE(BlockRanges(row.size()).take(0, row)) << bad << " at " << c;
      row[c] = 0.0f;
    }
  }
}

// The largest sums of either sign at each width's limit, beside sums that go through limbs.
TEST(BlockUnits, SumsAtTheLimitOfEachWidth) {
  for (const auto& [bits, width] : {std::pair{51, Width::kDouble}, std::pair{52, Width::kInteger},
                                    std::pair{63, Width::kInteger}, std::pair{64, Width::kWide}}) {
    for (const float sign : {1.0f, -1.0f}) {
      const int span = bits - 24 - 3;
      const float full = sign * std::ldexp(std::nextafter(2.0f, 0.0f), span);
      Rows rows(8, std::vector<float>(kBlockColumns, full));
      rows[3][5] = sign;
      BlockRanges ranges(kBlockColumns);
      for (const auto& row : rows) ranges.take(0, row);
      const BlockUnit unit(ranges, 0, 3);
      ASSERT_EQ(unit.width, width) << bits;
      std::vector<std::int64_t> sums(kBlockColumns, 1);
      add_in_units(rows, 0, kBlockColumns, &unit, sums.data());
      if (width == Width::kWide) {
        EXPECT_EQ(sums, std::vector<std::int64_t>(kBlockColumns, 0));
        continue;
      }
      std::vector<double> values(kBlockColumns);
      from_units(sums.data(), kBlockColumns, unit, values.data());
      for (std::size_t c = 0; c < kBlockColumns; ++c) {
        EXPECT_EQ(values[c], reference_column(rows, c)) << bits << " bits, column " << c;
      }
    }
  }
}

}  // namespace
}  // namespace cuttle
