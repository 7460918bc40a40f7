// A mean is the quotient of the exact sum and the number of rows, rounded once: judged by
// expansions of doubles, which have nothing in common with integers, limbs and rounding to odd.

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "cuttle/reduce/meta_reducer.hpp"
#include "reduce/block_units.hpp"
#include "reduce/odd_quotient.hpp"
#include "reduce/rows.hpp"

namespace cuttle {
namespace {

using namespace testing_reduce;

/// The sign of what values sum to, less count * (a + b) / 2; without error.
int compare(std::vector<double> values, double count, float a, float b) {
  for (auto& value : values) value *= 2.0;
  values.push_back(-count * static_cast<double>(a));  // 24 and 26 bits
  values.push_back(-count * static_cast<double>(b));
  const double difference = reference_sum(values);
  return (difference > 0.0) - (difference < 0.0);
}

/// Whether `mean` is the float next to sum(values) / count; of two, the one with an even last bit.
bool is_nearest(float mean, const std::vector<double>& values, double count) {
  const float infinity = std::numeric_limits<float>::infinity();
  const bool odd = (testing_reduce::bits_of(mean) & 1) != 0;
  const float above = std::nextafter(mean, infinity), below = std::nextafter(mean, -infinity);
  const int to_above = std::isinf(above) ? -1 : compare(values, count, mean, above);
  const int to_below = std::isinf(below) ? 1 : compare(values, count, mean, below);
  return to_above <= 0 && to_below >= 0 && !(odd && (to_above == 0 || to_below == 0));
}

float mean_of(const std::vector<float>& values) {  // one column
  const auto comm = make_solo_communicator();
  MetaReducer reducer(*comm, 1, {});
  for (const float value : values) reducer.add(std::vector<float>{value}, {}, "task");
  return reducer.reduce(0).gradient[0];
}

/// What all columns come to; how many of them would differ if sum and quotient were rounded to
/// double before.
int expect_nearest(const Rows& rows) {
  const auto comm = make_solo_communicator();
  MetaReducer reducer(*comm, rows[0].size(), {});
  for (const auto& row : rows) reducer.add(row, {}, "task");
  const std::vector<float> means = reducer.reduce(0).gradient;
  const double count = static_cast<double>(rows.size());
  int rounded_twice = 0;
  for (std::size_t c = 0; c < rows[0].size(); ++c) {
    std::vector<double> values;
    for (const auto& row : rows) values.push_back(row[c]);
    EXPECT_TRUE(is_nearest(means[c], values, count)) << rows.size() << " rows, column " << c;
    rounded_twice += means[c] != static_cast<float>(reference_sum(values) / count);
  }
  return rounded_twice;
}

TEST(Mean, JudgeKnowsNeighbours) {
  EXPECT_TRUE(is_nearest(2.0f, {1.0, 3.0}, 2));
  EXPECT_FALSE(is_nearest(std::nextafter(2.0f, 3.0f), {1.0, 3.0}, 2));
  EXPECT_FALSE(is_nearest(std::nextafter(2.0f, 1.0f), {1.0, 3.0}, 2));
  EXPECT_TRUE(is_nearest(1.0f, {1.0, 1.0 + 0x1p-23}, 2));  // a tie
  EXPECT_FALSE(is_nearest(1.0f + 0x1p-23f, {1.0, 1.0 + 0x1p-23}, 2));
  EXPECT_FALSE(is_nearest(1.0f, {1.0, 1.0 + 0x1p-23, 0x1p-149}, 2));
}

TEST(Mean, WhatLiesBelowATieDecides) {
  // 1 + 2^-24 + 2^-62: rounded to double first it is a tie, and goes down.
  EXPECT_EQ(mean_of({2.0f, 2.0f + 0x1p-22f, 0x1p-60f, 0.0f}), 1.0f + 0x1p-23f);
  EXPECT_EQ(mean_of({2.0f, 2.0f + 0x1p-22f, 0.0f, 0.0f}), 1.0f);
  EXPECT_EQ(mean_of({2.0f, 2.0f + 0x1p-22f, -0x1p-60f, 0.0f}), 1.0f);
  EXPECT_EQ(mean_of({-2.0f, -2.0f - 0x1p-22f, -0x1p-149f, 0.0f}), -1.0f - 0x1p-23f);
  EXPECT_EQ(mean_of({0x1p-149f, 0.0f}), 0.0f);
  EXPECT_EQ(mean_of({0x3p-149f, 0.0f}), 0x1p-148f);
  EXPECT_EQ(mean_of({FLT_MAX, FLT_MAX, FLT_MAX}), FLT_MAX);
  EXPECT_EQ(mean_of({1e30f, 1.0f, -1e30f}), 1.0f / 3.0f);
  EXPECT_EQ(testing_reduce::bits_of(mean_of({5.0f, -5.0f})), 0u);
}

TEST(Mean, OverTwelveDecades) {
  for (const std::size_t rows : {1, 2, 3, 5, 6, 7, 11, 16, 17, 100, 600})
    expect_nearest(make_rows(rows, 2000, 12.0, rows));
}

TEST(Mean, OfAnyFloats) {
  Noise noise(7);
  for (int repeat = 0; repeat < 20; ++repeat) {
    Rows rows(1 + static_cast<std::size_t>(noise.below(40)), std::vector<float>(300));
    for (auto& row : rows) {
      for (auto& value : row) {
        const std::uint32_t bits = static_cast<std::uint32_t>(noise.bits() >> 16);
        std::memcpy(&value, &bits, sizeof value);
        if (!std::isfinite(value)) value = 0x1p-149f;
      }
    }
    expect_nearest(rows);
  }
}

// Means half way between floats, and beside that by as little as each width of sums can hold. Every
// column is a block of its own width, for its neighbours are zeros.
TEST(Mean, TiesAndTheirNeighbourhood) {
  Noise noise(3);
  int rounded_twice = 0;
  for (const int count : {3, 4, 5, 6, 7, 12, 100, 1000}) {
    Rows rows(static_cast<std::size_t>(count), std::vector<float>(500 * kBlockColumns, 0.0f));
    for (std::size_t c = 0; c < rows[0].size(); c += kBlockColumns) {
      const std::int64_t half = (std::int64_t{1} << 24) + 2 * noise.below(1 << 23) + 1;  // 25 bits
      const std::int64_t sum = half * count * (noise.below(2) ? 1 : -1);
      rows[0][c] = static_cast<float>(sum / 65536 * 65536);
      rows[1][c] = static_cast<float>(sum % 65536);
      const float beside = noise.below(2) ? 1.0f : -1.0f;
      rows[2][c] = noise.below(4) ? std::ldexp(beside, -noise.below(120)) : 0.0f;
    }
    rounded_twice += expect_nearest(rows);
  }
  EXPECT_GT(rounded_twice, 500);  // else the inputs would show nothing
}

TEST(Mean, AfterCancellation) {
  Rows rows = make_rows(5, 2000, 12.0, 5);
  const Rows copy = rows;
  for (auto row : copy) {
    for (auto& value : row) value = -value;
    rows.push_back(row);
  }
  for (const auto& rest : make_rows(3, 2000, 3.0, 6)) {
    rows.push_back(rest);
    for (auto& value : rows.back()) value *= 1e-15f;
  }
  expect_nearest(rows);
}

// The largest sums and numbers of rows that the arithmetic is made for.
TEST(Mean, OfSumsInUnitsByAnyNumberOfRows) {
  Noise noise(11);
  BlockRanges ranges(kBlockColumns);
  ranges.take(0, std::vector<float>(kBlockColumns, 1.0f));
  BlockUnit unit(ranges, 0, 0);
  for (const auto& [width, bits] :
       {std::pair{Width::kDouble, 51}, std::pair{Width::kInteger, 63}}) {
    unit.width = width;
    for (int repeat = 0; repeat < 20000; ++repeat) {
      std::int64_t rows = 1 + static_cast<std::int64_t>(noise.bits() >> (38 + noise.below(26)));
      if (repeat < 10) rows = kMostRows - repeat;
      std::int64_t sum = static_cast<std::int64_t>(noise.bits() >> (64 - bits + noise.below(bits)));
      if (noise.below(2)) {  // near a multiple of few bits
        const std::int64_t few = std::int64_t{1} + noise.below(1 << 25);
        const int shift = 63 - __builtin_clzll(static_cast<std::uint64_t>(few * rows));
        sum = (few * rows) << noise.below(std::max(1, bits - 1 - shift));
        sum += noise.below(3) - 1;
        if (sum >> bits) continue;
      }
      if (noise.below(2)) sum = -sum;
      float mean;
      means_from_units(&sum, 1, unit, rows, &mean);
      const double high = static_cast<double>(sum / 65536) * 65536.0;
      const std::vector<double> values{high * unit.unit,
                                       static_cast<double>(sum % 65536) * unit.unit};
      ASSERT_TRUE(is_nearest(mean, values, static_cast<double>(rows))) << sum << " / " << rows;
    }
  }
}

}  // namespace
}  // namespace cuttle
