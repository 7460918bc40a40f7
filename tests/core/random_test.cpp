#include "cuttle/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using Block = std::array<std::uint32_t, 4>;

RandomKey key_of(std::uint64_t seed, Stream stream, std::uint64_t step, std::uint32_t slot) {
  RandomKey key;
  key.seed = seed;
  key.stream = stream;
  key.step = step;
  key.slot = slot;
  return key;
}

// Random123's tests/kat_vectors, the three lines "philox4x32 10".
TEST(Random, PhiloxMatchesThePublishedVectors) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, CounterLayoutIsTheDocumentedOne) {
  const auto key =
      key_of(0x1111111122222222, Stream::kModel, 0xabcd12345678, 9).with(Stream::kTest, 7);
  Random random(key);
  for (std::uint32_t block = 0; block < 3; ++block) {
    const auto expected =
        philox4x32({block, 9, 0x12345678, 0xabcd | 3u << 16 | 7u << 24}, {0x22222222, 0x11111111});
    for (const auto word : expected) EXPECT_EQ(random.bits(), word);
  }
}

TEST(Random, KeysThatDifferInOneFieldShareNoBlock) {
  const auto base = key_of(5, Stream::kTrain, 10, 3);
  std::vector<RandomKey> keys = {base, base.with(Stream::kModel), base.with(Stream::kModel, 1),
                                 base.with(Stream::kModel, 255), base.with(Stream::kTrain, 1)};
  keys.push_back(key_of(6, Stream::kTrain, 10, 3));
  keys.push_back(key_of(5, Stream::kTrain, 11, 3));
  keys.push_back(key_of(5, Stream::kTrain, 10 + (std::uint64_t{1} << 32), 3));
  keys.push_back(key_of(5, Stream::kTrain, 10, 4));
  keys.push_back(key_of(5 + (std::uint64_t{1} << 32), Stream::kTrain, 10, 3));
  std::set<Block> seen;
  for (const auto& key : keys) {
    Random random(key);
    for (int i = 0; i < 500; ++i) {
      Block block;
      for (auto& word : block) word = random.bits();
      EXPECT_TRUE(seen.insert(block).second);
    }
  }
}

TEST(Random, WithKeepsSeedStepAndSlot) {
  const auto key = key_of(1, Stream::kTrain, 2, 3).with(Stream::kModel, 4);
  EXPECT_EQ(key.seed, 1u);
  EXPECT_EQ(key.step, 2u);
  EXPECT_EQ(key.slot, 3u);
  EXPECT_EQ(key.stream, Stream::kModel);
  EXPECT_EQ(key.use, 4);
}

TEST(Random, StepsBeyondTheLayoutAreRefused) {
  Random last(key_of(0, Stream::kTrain, (std::uint64_t{1} << 48) - 1, 0));
  EXPECT_NO_THROW(last.bits());
  Random beyond(key_of(0, Stream::kTrain, std::uint64_t{1} << 48, 0));
  EXPECT_THROW(beyond.bits(), Error);
}

TEST(Random, CopiesContinueIndependently) {
  Random first(key_of(3, Stream::kTesting, 0, 0));
  first.bits();
  Random copy = first;
  std::vector<std::uint32_t> a, b;
  for (int i = 0; i < 9; ++i) a.push_back(first.bits());
  for (int i = 0; i < 9; ++i) b.push_back(copy.bits());
  EXPECT_EQ(a, b);
}

TEST(Random, BelowIsUniform) {
  Random random(key_of(1, Stream::kTesting, 0, 0));
  for (const std::uint64_t n : {std::uint64_t{7}, std::uint64_t{3} << 30, std::uint64_t{3} << 62}) {
    // Cells of equal probability; 7 cells, chi-square with 6 degrees of freedom: above 22.5 once in
    // 1000.
    std::array<int, 7> cells{};
    const int draws = 70000;
    for (int i = 0; i < draws; ++i) {
      const std::uint64_t value = random.below(n);
      ASSERT_LT(value, n);
      ++cells[static_cast<std::size_t>(static_cast<double>(value) / static_cast<double>(n) * 7)];
    }
    double chi_square = 0;
    for (const int count : cells) chi_square += (count - 10000.0) * (count - 10000.0) / 10000.0;
    EXPECT_LT(chi_square, 22.5) << n;
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(random.below(1), 0u);
  EXPECT_THROW(random.below(0), Error);
}

// With n = 3 * 2^30 a plain modulo of 32 bits would hit the lowest third twice as often.
TEST(Random, BelowHasNoModuloBias) {
  Random random(key_of(2, Stream::kTesting, 0, 0));
  int low = 0;
  for (int i = 0; i < 30000; ++i)
    low += random.below(std::uint64_t{3} << 30) < std::uint64_t{1} << 30;
  EXPECT_NEAR(low, 10000, 4 * std::sqrt(30000.0 * 2 / 9));
}

TEST(Random, UniformAndNormalMoments) {
  Random random(key_of(3, Stream::kTesting, 0, 0));
  const int n = 200000;
  double sum = 0, normal_sum = 0, squares = 0, fourth = 0, lowest = 1, highest = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    lowest = std::min(lowest, u);
    highest = std::max(highest, u);
    sum += u;
    const double z = random.normal();
    normal_sum += z;
    squares += z * z;
    fourth += z * z * z * z;
  }
  EXPECT_GE(lowest, 0.0);
  EXPECT_LT(highest, 1.0);
  EXPECT_LT(lowest, 1e-4);
  EXPECT_GT(highest, 1 - 1e-4);
  EXPECT_NEAR(sum / n, 0.5, 4 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(normal_sum / n, 0.0, 4 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1.0, 4 * std::sqrt(2.0 / n));
  EXPECT_NEAR(fourth / n, 3.0, 4 * std::sqrt(96.0 / n));
}

TEST(Random, SampleIsAFairPrefixOfAPermutation) {
  Random random(key_of(4, Stream::kTesting, 0, 0));
  std::map<std::vector<std::int64_t>, int> seen;
  const int draws = 12000;
  for (int i = 0; i < draws; ++i) ++seen[random.sample(4, 2)];
  EXPECT_EQ(seen.size(), 12u) << "ordered pairs of distinct numbers below 4";
  for (const auto& [pair, count] : seen) {
    EXPECT_NE(pair[0], pair[1]);
    EXPECT_NEAR(count, 1000, 5 * std::sqrt(1000.0));
  }
  auto all = random.sample(1000, 1000);
  std::sort(all.begin(), all.end());
  std::vector<std::int64_t> expected(1000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
}

TEST(Random, SampleEdges) {
  Random random(key_of(5, Stream::kTesting, 0, 0));
  EXPECT_TRUE(random.sample(0, 0).empty());
  EXPECT_TRUE(random.sample(10, 0).empty());
  const auto few = random.sample(std::int64_t{1} << 60, 3);  // memory of 3, not of 2^60
  EXPECT_EQ(std::set<std::int64_t>(few.begin(), few.end()).size(), 3u);
  EXPECT_THROW(random.sample(2, 3), Error);
  EXPECT_THROW(random.sample(2, -1), Error);
}

}  // namespace
}  // namespace cuttle
