#include "cuttle/reduce/interval.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cuttle/core/error.hpp"
#include "reduce/rows.hpp"

namespace cuttle {
namespace {

using namespace testing_reduce;

TEST(MeanIntervals, KnownValues) {
  const auto comm = make_solo_communicator();
  // 0 1 2 5: mean 2, sample variance (4 + 1 + 0 + 9) / 3; a constant column has no spread.
  const auto result = mean_intervals(*comm, "test", Rows{{0, 7}, {1, 7}, {2, 7}, {5, 7}}, 2);
  EXPECT_EQ(result[0].mean, 2.0);
  EXPECT_NEAR(result[0].half_width, 3.1824463 * std::sqrt(14.0 / 3.0 / 4.0), 1e-6);
  EXPECT_EQ(result[0].count, 4);
  EXPECT_EQ(result[1].mean, 7.0);
  EXPECT_EQ(result[1].half_width, 0.0);
}

/// The chance that Student's t with so many degrees of freedom is below `t`: half, and the integral
/// of its density from 0 by Simpson's rule.
double student_below(double t, int freedom) {
  const double v = freedom;
  const auto density = [&](double x) { return std::pow(1 + x * x / v, -(v + 1) / 2); };
  constexpr int kPieces = 20000;
  double sum = density(0) + density(t);
  for (int i = 1; i < kPieces; ++i) sum += (i % 2 == 1 ? 4 : 2) * density(t * i / kPieces);
  const double scale =
      std::exp(std::lgamma((v + 1) / 2) - std::lgamma(v / 2)) / std::sqrt(v * std::acos(-1.0));
  return 0.5 + scale * sum * t / kPieces / 3;
}

TEST(StandardErrors, AreStudentsQuantilesUnderThirtyValues) {
  for (int count = 2; count < 30; ++count)
    EXPECT_NEAR(student_below(standard_errors(count), count - 1), 0.975, 1e-9) << count;
  EXPECT_EQ(standard_errors(30), 1.96);
  EXPECT_EQ(standard_errors(600), 1.96);
  EXPECT_TRUE(std::isnan(standard_errors(1)) && std::isnan(standard_errors(0)));
}

TEST(MeanIntervals, SmallSpreadAroundALargeMeanKeepsItsDigits) {
  Rows rows;
  Noise noise(3);
  for (int i = 0; i < 600; ++i)
    rows.push_back({1000.0f + static_cast<float>(noise.below(16)) * 0x1p-13f});
  std::vector<double> values;
  for (const auto& row : rows) values.push_back(row[0]);
  const double mean = reference_sum(values) / 600.0;
  for (auto& value : values) value = (value - mean) * (value - mean);
  const double expected = 1.96 * std::sqrt(reference_sum(values) / 599.0 / 600.0);
  const auto comm = make_solo_communicator();
  EXPECT_NEAR(mean_intervals(*comm, "test", rows, 1)[0].half_width, expected, 1e-6 * expected);
}

TEST(MeanIntervals, SameBitsOnAnyNumberOfRanks) {
  const Rows rows = make_rows(601, 3, 3.0, 9);
  const auto solo = make_solo_communicator();
  const auto expected = mean_intervals(*solo, "test", rows, 3);
  for (const int ranks : {2, 3, 4, 6}) {
    run_thread_ranks(ranks, {}, [&](Communicator& comm) {
      const auto mine = mean_intervals(comm, "test", share_of(rows, comm.rank(), ranks), 3);
      for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_EQ(bits_of(mine[c].mean), bits_of(expected[c].mean));
        EXPECT_EQ(bits_of(mine[c].half_width), bits_of(expected[c].half_width));
        EXPECT_EQ(mine[c].count, 601);
      }
    });
  }
}

TEST(MeanIntervals, TooFewValuesAreSaidSo) {
  const auto comm = make_solo_communicator();
  const auto one = mean_intervals(*comm, "test", Rows{{0.5f}}, 1);
  EXPECT_EQ(one[0].mean, 0.5);
  EXPECT_TRUE(std::isnan(one[0].half_width));
  const auto none = mean_intervals(*comm, "test", Rows{}, 1);
  EXPECT_TRUE(std::isnan(none[0].mean));
  EXPECT_EQ(none[0].count, 0);
}

TEST(MeanIntervals, AValueThatIsNotFiniteIsNamedOnAllRanks) {
  run_thread_ranks(2, {}, [](Communicator& comm) {
    const float bad = comm.rank() == 1 ? std::numeric_limits<float>::quiet_NaN() : 1.0f;
    try {
      (void)mean_intervals(comm, "validation accuracy", Rows{{1.0f, 1.0f}, {1.0f, bad}}, 2);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("value 1 of local row 1 is nan"));
      EXPECT_THAT(error.what(), ::testing::ContainsRegex("rank +1"));
    }
  });
}

TEST(RatioIntervals, OfMeansAreThoseOfTheRowsThatHaveOne) {
  const auto comm = make_solo_communicator();
  // 0 1 2 5 as above, and two rows without; of the second column nobody has any.
  const Rows rows{{0, 1, 0, 0}, {0, 0, 0, 0}, {1, 1, 0, 0},
                  {2, 1, 0, 0}, {0, 0, 0, 0}, {5, 1, 0, 0}};
  const auto result = ratio_intervals(*comm, "test", rows, 2);
  EXPECT_EQ(result[0].mean, 2.0);
  EXPECT_NEAR(result[0].half_width, 3.1824463 * std::sqrt(14.0 / 3.0 / 4.0), 1e-6);
  EXPECT_EQ(result[0].count, 4);
  EXPECT_TRUE(std::isnan(result[1].mean) && std::isnan(result[1].half_width));
  EXPECT_EQ(result[1].count, 0);
}

TEST(RatioIntervals, ReachAsFarAsQuotientsSpread) {
  // Quotients of sums of 40 pairs, drawn 2000 times: 95 % of their intervals hold the true one.
  const auto comm = make_solo_communicator();
  Noise noise(5);
  const auto draw = [&] { return static_cast<float>(noise.below(1000)) / 1000; };
  int held = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    Rows rows;
    for (int i = 0; i < 40; ++i) {
      const float of = 1 + 9 * draw();
      rows.push_back({of * draw() + draw(), of});  // means 5.5 * 0.5 + 0.5 and 5.5
    }
    const auto found = ratio_intervals(*comm, "test", rows, 1)[0];
    held += std::abs(found.mean - 3.25 / 5.5) <= found.half_width;
  }
  EXPECT_NEAR(held / 2000.0, 0.95, 0.02);
}

TEST(RatioIntervals, SameBitsOnAnyNumberOfRanks) {
  const Rows rows = make_rows(101, 6, 3.0, 9);
  const auto solo = make_solo_communicator();
  const auto expected = ratio_intervals(*solo, "test", rows, 3);
  for (const int ranks : {2, 3, 4})
    run_thread_ranks(ranks, {}, [&](Communicator& comm) {
      const auto mine = ratio_intervals(comm, "test", share_of(rows, comm.rank(), ranks), 3);
      for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_EQ(bits_of(mine[c].mean), bits_of(expected[c].mean));
        EXPECT_EQ(bits_of(mine[c].half_width), bits_of(expected[c].half_width));
        EXPECT_EQ(mine[c].count, expected[c].count);
      }
    });
}

}  // namespace
}  // namespace cuttle
