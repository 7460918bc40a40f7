#include "cuttle/kernels/jobs.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "cuttle/kernels/conv_block.hpp"

namespace cuttle::kernels {
namespace {

template <class T>
std::vector<T> numbers(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(normal(random));
  return values;
}

/// With each instruction set that this machine has.
class Jobs : public testing::TestWithParam<InstructionSet> {
 protected:
  void SetUp() override { select_instruction_set(GetParam()); }
  void TearDown() override { select_instruction_set(available_instruction_sets().back()); }
};
INSTANTIATE_TEST_SUITE_P(All, Jobs, testing::ValuesIn(available_instruction_sets()),
                         [](const auto& set) { return std::string(to_string(set.param)); });

/// left [rows, depth], turned in memory or not, times right [depth, stride].
template <class T>
void expect_product(std::int64_t rows, std::int64_t depth, std::int64_t columns, bool turned,
                    bool adds, bool gated, double tolerance) {
  const std::int64_t stride = padded<T>(columns);
  ASSERT_GE(stride, columns);
  const auto left = numbers<T>(rows * depth, 1), right = numbers<T>(depth * stride, 2),
             before = numbers<T>(rows * stride, 3), gate = numbers<T>(rows * stride, 4);
  auto to = before;
  const Factors<T> factors{left.data(), turned ? 1 : depth, turned ? rows : 1, right.data(), stride,
                           depth};
  run(Product<T>{1,
                 {factors, {}},
                 nullptr,
                 to.data(),
                 rows,
                 stride,
                 false,
                 gated ? gate.data() : nullptr,
                 adds});
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < stride; ++c) {
      const auto at = static_cast<std::size_t>(r * stride + c);
      double sum = adds ? static_cast<double>(before[at]) : 0.0;
      for (std::int64_t k = 0; k < depth; ++k)
        sum += static_cast<double>(
                   left[static_cast<std::size_t>(turned ? k * rows + r : r * depth + k)]) *
               static_cast<double>(right[static_cast<std::size_t>(k * stride + c)]);
      if (gated && gate[at] <= 0) sum = 0;
      ASSERT_NEAR(static_cast<double>(to[at]), sum, tolerance) << r << " " << c;
    }
}

TEST_P(Jobs, ProductIsTheDefinition) {
  for (const bool turned : {false, true})
    for (const bool adds : {false, true})
      for (const bool gated : {false, true})
        for (const auto& [rows, depth, columns] :
             {std::tuple(1, 1, 1), {5, 64, 75}, {64, 5, 33}, {9, 0, 16}, {17, 3, 8}}) {
          expect_product<float>(rows, depth, columns, turned, adds, gated, 2e-5);
          expect_product<double>(rows, depth, columns, turned, adds, gated, 1e-13);
        }
}

/// Rows past a whole vector leave what is beyond them as it is.
template <class T>
void expect_dots(std::int64_t rows, std::int64_t columns, std::int64_t vectors, double tolerance) {
  const std::int64_t depth = vectors * padded<T>(1), stride = padded<T>(rows);
  const auto a = numbers<T>(rows * depth, 6), b = numbers<T>(columns * depth, 7),
             before = numbers<T>(columns * stride, 8);
  auto to = before;
  run(Dots<T>{depth, a.data(), rows, b.data(), columns, to.data(), stride});
  for (std::int64_t c = 0; c < columns; ++c)
    for (std::int64_t r = 0; r < stride; ++r) {
      const auto at = static_cast<std::size_t>(c * stride + r);
      double sum = static_cast<double>(before[at]);
      for (std::int64_t k = 0; r < rows && k < depth; ++k)
        sum += static_cast<double>(a[static_cast<std::size_t>(r * depth + k)]) *
               static_cast<double>(b[static_cast<std::size_t>(c * depth + k)]);
      ASSERT_NEAR(static_cast<double>(to[at]), sum, tolerance) << r << " " << c;
    }
}

TEST_P(Jobs, DotsAreTheDefinition) {
  for (const auto& [rows, columns, vectors] :
       {std::tuple(1, 1, 1), {64, 5, 3}, {75, 5, 2}, {3, 9, 1}, {9, 0, 1}}) {
    expect_dots<float>(rows, columns, vectors, 2e-5);
    expect_dots<double>(rows, columns, vectors, 1e-13);
  }
}

TEST_P(Jobs, TranspositionFillsUpWithZeros) {
  const std::int64_t rows = 21, columns = 13, stride = padded<float>(rows);
  const auto from = numbers<float>(rows * columns, 5);
  std::vector<float> to(static_cast<std::size_t>(columns * stride), 7.0F);
  run(Transposition<float>{from.data(), rows, columns, columns, to.data(), stride});
  for (std::int64_t c = 0; c < columns; ++c)
    for (std::int64_t r = 0; r < stride; ++r)
      ASSERT_EQ(to[static_cast<std::size_t>(c * stride + r)],
                r < rows ? from[static_cast<std::size_t>(r * columns + c)] : 0.0F);
}

}  // namespace
}  // namespace cuttle::kernels
