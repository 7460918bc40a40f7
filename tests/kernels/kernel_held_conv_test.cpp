// Convolutions whose weights stay, beside the definition in float64.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "cuttle/kernels/conv_block.hpp"
#include "cuttle/kernels/held_conv.hpp"

namespace cuttle::kernels {
namespace {

constexpr float kOpen = std::numeric_limits<float>::infinity();

struct Case {
  HeldConvShape shape;
  std::int64_t height, width;
};

std::vector<float> normal(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw;
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(draw(random));
  return values;
}

/// TensorFlow's SAME: as many zeros as an output of ceil(n / stride) needs, the odd one at the end.
HeldConvPlace place_of(const Case& of) {
  const auto out = [&](std::int64_t n) { return (n + of.shape.stride - 1) / of.shape.stride; };
  const auto before = [&](std::int64_t n) {
    return std::max<std::int64_t>(0, (out(n) - 1) * of.shape.stride + of.shape.kernel - n) / 2;
  };
  return {of.height, of.width, before(of.height), before(of.width), out(of.height), out(of.width)};
}

double at(const Case& of, const HeldConvPlace& place, const float* weight, const float* bias,
          const float* x, std::int64_t row, std::int64_t column, std::int64_t o) {
  const auto& shape = of.shape;
  const std::int64_t depth = shape.by_channel ? 1 : shape.in;
  double sum = static_cast<double>(bias[o]);
  for (std::int64_t ky = 0; ky < shape.kernel; ++ky)
    for (std::int64_t kx = 0; kx < shape.kernel; ++kx)
      for (std::int64_t c = 0; c < depth; ++c) {
        const std::int64_t i = row * shape.stride - place.top + ky,
                           j = column * shape.stride - place.left + kx;
        if (i < 0 || j < 0 || i >= of.height || j >= of.width) continue;
        sum +=
            static_cast<double>(x[(i * of.width + j) * shape.in + (shape.by_channel ? o : c)]) *
            static_cast<double>(weight[((o * shape.kernel + ky) * shape.kernel + kx) * depth + c]);
      }
  if (!shape.relu) return sum;
  return std::min(std::max(sum, 0.0), static_cast<double>(shape.most));
}

class HeldConvTest : public testing::TestWithParam<Case> {};

TEST_P(HeldConvTest, IsTheDefinitionOnEveryInstructionSet) {
  const auto& shape = GetParam().shape;
  const HeldConvPlace place = place_of(GetParam());
  constexpr std::int64_t kPictures = 3;
  const std::int64_t depth = shape.kernel * shape.kernel * (shape.by_channel ? 1 : shape.in);
  const auto weight = normal(shape.out * depth, 1), bias = normal(shape.out, 2);
  const std::int64_t pixels = place.height * place.width, outs = place.out_height * place.out_width;
  const auto x = normal(kPictures * pixels * shape.in, 3);
  const InstructionSet usual = instruction_set();
  for (const InstructionSet set : available_instruction_sets()) {
    select_instruction_set(set);
    ASSERT_TRUE(HeldConv::fits(shape));
    const HeldConv conv(shape, weight.data(), bias.data());
    std::vector<float> y(static_cast<std::size_t>(kPictures * outs * shape.out), NAN), alone(y);
    conv.forward(kPictures, place, x.data(), y.data());
    for (std::int64_t n = 0; n < kPictures; ++n) {
      conv.forward(1, place, x.data() + n * pixels * shape.in, alone.data() + n * outs * shape.out);
      for (std::int64_t i = 0; i < outs * shape.out; ++i) {
        const double wanted =
            at(GetParam(), place, weight.data(), bias.data(), x.data() + n * pixels * shape.in,
               i / shape.out / place.out_width, i / shape.out % place.out_width, i % shape.out);
        ASSERT_NEAR(y[static_cast<std::size_t>(n * outs * shape.out + i)], wanted, 1e-4)
            << to_string(set) << " picture " << n << " value " << i;
      }
    }
    EXPECT_EQ(y, alone) << to_string(set);  // a picture's bits are its own
  }
  select_instruction_set(usual);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, HeldConvTest,
    testing::Values(Case{{3, 32, 3, 2, false, true, 6}, 17, 14},      // a stem
                    Case{{24, 40, 1, 1, false, false, kOpen}, 5, 7},  // half a vector at the end
                    Case{{9, 70, 1, 1, false, true, kOpen}, 9, 9},
                    Case{{8, 5, 1, 2, false, true, 1}, 7, 6},  // one by one, every other pixel
                    Case{{4, 16, 7, 2, false, true, kOpen}, 12, 80},
                    Case{{16, 16, 3, 1, true, true, 6}, 1, 3},  // narrower than the kernel
                    Case{{16, 16, 3, 1, true, true, 6}, 4, 9},  // four at once end where a row does
                    Case{{48, 48, 3, 2, true, true, 1}, 9, 23},
                    Case{{32, 32, 5, 1, true, false, kOpen}, 6, 13},
                    Case{{32, 32, 5, 2, true, true, 6}, 14, 14}));

TEST(HeldConv, ChannelsAloneAreWholeVectors) {
  EXPECT_FALSE(HeldConv::fits({24, 24, 3, 1, true, true, 6}));
  EXPECT_TRUE(HeldConv::fits({24, 24, 3, 1, false, true, 6}));
}

TEST(HeldConv, WhatIsNoNumberStaysNone) {
  const std::vector<float> weight{1}, bias{0}, x{NAN, 9, -9, 2};
  const HeldConv conv({1, 1, 1, 1, false, true, 6}, weight.data(), bias.data());
  std::vector<float> y(4);
  conv.forward(1, {2, 2, 0, 0, 2, 2}, x.data(), y.data());
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(std::vector<float>(y.begin() + 1, y.end()), (std::vector<float>{6, 0, 2}));
}

}  // namespace
}  // namespace cuttle::kernels
