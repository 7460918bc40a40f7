#include "cuttle/reduce/exact_sum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <limits>

#include "reduce/fixed_point.hpp"
#include "reduce/rows.hpp"

namespace cuttle {
namespace {

using namespace testing_reduce;

std::vector<double> solo_sum(const Rows& rows) {
  const auto comm = make_solo_communicator();
  return exact_sum(*comm, "test", rows, rows[0].size(), static_cast<std::int64_t>(rows.size()));
}

double sum_of(const std::vector<float>& values) {  // one column
  Rows rows;
  for (const float value : values) rows.push_back({value});
  return solo_sum(rows)[0];
}

void expect_exact(const Rows& rows) {
  const std::vector<double> sums = solo_sum(rows);
  for (std::size_t c = 0; c < sums.size(); ++c) {
    ASSERT_EQ(bits_of(sums[c]), bits_of(reference_column(rows, c) + 0.0)) << "column " << c;
  }
}

TEST(ExactSum, TwelveDecadesMatchAnIndependentExactSum) {
  for (const std::size_t rows : {1, 2, 3, 4, 5, 16, 17, 100}) {
    expect_exact(make_rows(rows, 5000, 12.0, rows));
  }
}

TEST(ExactSum, EveryFiniteFloatIncludingDenormals) {
  Noise noise(7);
  for (int repeat = 0; repeat < 20; ++repeat) {
    Rows rows(1 + static_cast<std::size_t>(noise.below(40)), std::vector<float>(500));
    for (auto& row : rows) {
      for (auto& value : row) {
        const std::uint32_t bits = static_cast<std::uint32_t>(noise.bits() >> 16);
        std::memcpy(&value, &bits, sizeof value);
        if (!std::isfinite(value)) value = 0x1p-149f;
      }
    }
    expect_exact(rows);
  }
}

TEST(ExactSum, NeverWorseThanAFloat64Sum) {
  const Rows rows = make_rows(16, 20000, 12.0, 3);
  const std::vector<double> sums = solo_sum(rows);
  int plain_differs = 0;
  for (std::size_t c = 0; c < sums.size(); ++c) {
    double plain = 0.0;
    for (const auto& row : rows) plain += row[c];
    const double exact = reference_column(rows, c);
    EXPECT_LE(std::fabs(sums[c] - exact), std::fabs(plain - exact));
    plain_differs += plain != exact;
  }
  EXPECT_GT(plain_differs, 100);  // else the inputs would show nothing
}

TEST(ExactSum, Cancellation) {
  EXPECT_EQ(sum_of({1e30f, 1.0f, -1e30f}), 1.0);
  EXPECT_EQ(sum_of({FLT_MAX, FLT_MAX, 0x1p-149f, -FLT_MAX, -FLT_MAX}), 0x1p-149);
  EXPECT_EQ(sum_of({1.0f, 0x1p-60f, 0x1p-80f, -1.0f, -0x1p-60f}), 0x1p-80);
  Rows rows = make_rows(8, 2000, 12.0, 5);
  const Rows copy = rows;
  for (auto row : copy) {
    for (auto& value : row) value = -value;
    rows.push_back(row);
  }
  rows.push_back(std::vector<float>(2000, 1e-11f));
  for (const double sum : solo_sum(rows)) ASSERT_EQ(sum, static_cast<double>(1e-11f));
}

TEST(ExactSum, ZerosHaveNoSignAndNoRange) {
  EXPECT_EQ(bits_of(sum_of({-0.0f, -0.0f})), 0u);
  EXPECT_EQ(bits_of(sum_of({0.0f, -0.0f})), 0u);
  EXPECT_EQ(bits_of(sum_of({5.0f, -5.0f})), 0u);
  EXPECT_EQ(bits_of(sum_of({1e20f, -1e20f, 1e-20f, -1e-20f})), 0u);
  EXPECT_EQ(sum_of({0.0f, 1e-40f, -0.0f}), static_cast<double>(1e-40f));
}

// The widest span that still goes into 63 bits, one less and one more, with all mantissas full and
// of one sign.
TEST(ExactSum, LimitsOfTheNarrowPath) {
  const float full = std::nextafter(2.0f, 0.0f);
  for (const int rows : {1, 2, 3, 4, 5, 8, 9, 16, 17, 1000}) {
    for (int span = 20; span <= 42; ++span) {
      for (const float sign : {1.0f, -1.0f}) {
        std::vector<float> values(static_cast<std::size_t>(rows), sign * std::ldexp(full, span));
        values.back() = sign * full;
        std::vector<double> doubles(values.begin(), values.end());
        ASSERT_EQ(sum_of(values), reference_sum(doubles)) << rows << " rows, span " << span;
      }
    }
  }
}

TEST(ExactSum, ManyWideColumnsGoInSeveralPieces) {
  const std::size_t columns = (1u << 17) + 77;  // more than two blocks of wide columns
  Rows rows(3, std::vector<float>(columns));
  for (std::size_t c = 0; c < columns; ++c) {
    rows[0][c] = 1e25f;
    rows[1][c] = static_cast<float>(c + 1) * 1e-15f;
    rows[2][c] = -1e25f;
  }
  const std::vector<double> sums = solo_sum(rows);
  for (std::size_t c = 0; c < columns; ++c) ASSERT_EQ(sums[c], static_cast<double>(rows[1][c]));
}

// Blocks of all widths side by side, in rows that go in three pieces of which the last ends within
// a block.
TEST(ExactSum, LongRowsGoInPieces) {
  const std::size_t columns = (2u << 20) + 37;
  Rows rows = make_rows(3, columns, 1.0, 13);
  for (std::size_t c = 0; c < columns; c += 5000) rows[c % 3][c] *= 1e-8f;
  for (std::size_t c = 0; c < columns; c += 70000) rows[c % 3][c] *= 1e-20f;
  rows[1].back() = 1e-30f;
  std::vector<double> alone = solo_sum(rows);
  for (std::size_t c = 0; c < columns; ++c) {
    ASSERT_EQ(alone[c], reference_column(rows, c)) << "column " << c;
  }
  run_thread_ranks(2, {}, [&](Communicator& comm) {
    const auto sums = exact_sum(comm, "test", share_of(rows, comm.rank(), 2), columns, 3);
    EXPECT_TRUE(sums == alone);
  });
}

TEST(ExactSum, SameBitsOnAnyNumberOfRanksInAnyOrder) {
  Rows rows = make_rows(23, 6000, 12.0, 11);  // narrow and wide columns
  for (std::size_t c = 0; c < 500; ++c) rows[4][c] *= 1e-20f;
  const std::vector<double> expected = solo_sum(rows);
  Rows shuffled = rows;
  std::reverse(shuffled.begin(), shuffled.end());
  std::swap(shuffled[3], shuffled[17]);
  for (const int ranks : {1, 2, 3, 4, 6}) {
    for (const Rows* order : {&rows, &shuffled}) {
      run_thread_ranks(ranks, {}, [&](Communicator& comm) {
        const Rows mine = share_of(*order, comm.rank(), comm.size());
        const auto sums = exact_sum(comm, "test", mine, 6000, 23);
        EXPECT_EQ(std::memcmp(sums.data(), expected.data(), sums.size() * sizeof(double)), 0);
      });
    }
  }
}

TEST(ExactSum, NoRowsAndNoColumns) {
  const auto comm = make_solo_communicator();
  EXPECT_EQ(exact_sum(*comm, "test", Rows{}, 3, 0), (std::vector<double>{0.0, 0.0, 0.0}));
  EXPECT_TRUE(exact_sum(*comm, "test", Rows{{}, {}}, 0, 2).empty());
}

TEST(FixedPoint, RoundsTiesToEvenAndSeesWhatLiesBelow) {
  const auto value_of = [](const std::vector<float>& values) {
    std::vector<std::int64_t> limbs(kFixedLimbs, 0);
    for (const float value : values)
      fixed_add(limbs.data(), static_cast<std::uint32_t>(bits_of(value)));
    return fixed_value(limbs.data());
  };
  EXPECT_EQ(value_of({1.0f, 0x1p-53f}), 1.0);
  EXPECT_EQ(value_of({1.0f, 0x1p-52f, 0x1p-53f}), 1.0 + 0x1p-51);
  EXPECT_EQ(value_of({1.0f, 0x1p-53f, 0x1p-149f}), 1.0 + 0x1p-52);
  EXPECT_EQ(value_of({1.0f, 0x1p-53f, -0x1p-149f}), 1.0);
  EXPECT_EQ(value_of({-1.0f, -0x1p-53f, -0x1p-149f}), -1.0 - 0x1p-52);
  EXPECT_EQ(value_of({0x1p-149f}), 0x1p-149);
}

TEST(FixedPoint, MillionsOfAdditionsBeforeACarry) {
  std::vector<std::int64_t> limbs(kFixedLimbs, 0);
  const auto bits = [](float value) { return static_cast<std::uint32_t>(bits_of(value)); };
  const int count = 1 << 22;
  for (int i = 0; i < count; ++i) fixed_add(limbs.data(), bits(-FLT_MAX));
  fixed_add(limbs.data(), bits(0x1p-149f));
  EXPECT_EQ(fixed_value(limbs.data()), -static_cast<double>(FLT_MAX) * count);
  for (int i = 0; i < count; ++i) fixed_add(limbs.data(), bits(FLT_MAX));
  EXPECT_EQ(fixed_value(limbs.data()), 0x1p-149);
}

TEST(FirstNonfinite, FindsTheFirst) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(first_nonfinite(std::vector<float>{1.0f, -FLT_MAX, 0.0f}), 3u);
  EXPECT_EQ(first_nonfinite(std::vector<float>{1.0f, -inf, nan}), 1u);
  EXPECT_EQ(first_nonfinite(std::vector<float>{-nan}), 0u);
  EXPECT_EQ(first_nonfinite(std::vector<float>{}), 0u);
}

}  // namespace
}  // namespace cuttle
