// Convolutions by Winograd's tiles against direct ones, pass by pass, whatever by_winograd would
// choose.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "kernels/dense_batch.hpp"

namespace cuttle::kernels {
namespace {

template <class T>
std::vector<T> normal(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> draw;
  std::vector<T> result(static_cast<std::size_t>(count));
  for (auto& v : result) v = static_cast<T>(draw(generator));
  return result;
}

using Values = std::vector<double>;

/// The convolution of two sources, its transpose and the gradient of the weight, of one group.
template <class T>
struct Passes {
  Values out, in, weight;

  Passes(ConvBlockShape s, bool winograd) {
    const BlockInputs<T> inputs;
    Batch<T> batch{s, inputs};
    batch.winograd = winograd;
    Scratch scratch;
    PixelPlan plan(s, s.images, scratch);
    const auto x = normal<T>(s.pixels() * s.in, 1), tx = normal<T>(s.pixels() * s.in, 2),
               w = normal<T>(s.weight_elements(), 3), tw = normal<T>(s.weight_elements(), 4),
               values = normal<T>(s.pixels() * s.out, 5);
    std::vector<T> dy(static_cast<std::size_t>(s.pixels() * batch.gradient_stride));
    for (std::int64_t k = 0; k < s.pixels() * s.out; ++k)
      dy[static_cast<std::size_t>(k / s.out * batch.gradient_stride + k % s.out)] =
          values[static_cast<std::size_t>(k)];
    const T* all_real = nullptr;
    const PanelLayout ahead = forward_layout(s, 2, batch.loops.lanes),
                      back = transposed_layout(s, 1, batch.loops.lanes);
    std::vector<T> y(values.size()), gx(x.size()), gw(w.size());
    convolve_group(batch, plan, s.images, all_real, ahead,
                   packed_weights<T>(batch, ahead, pack_forward, {w.data(), tw.data()}, scratch),
                   {{{tx.data(), s.in}, {x.data(), s.in}}}, y.data(), s.out);
    convolve_group(batch, plan, s.images, all_real, back,
                   packed_weights<T>(batch, back, pack_transposed, {w.data()}, scratch),
                   {{{dy.data(), batch.gradient_stride}, {}}}, gx.data(), s.in);
    const WeightSums<T> sums(batch, 1, scratch);
    GroupCorrelation<T> correlation(batch, scratch);
    correlation.add(s.images, x.data(), dy.data(), all_real, sums.part(0));
    sums.write(gw.data());
    out.assign(y.begin(), y.end());
    in.assign(gx.begin(), gx.end());
    weight.assign(gw.begin(), gw.end());
  }
};

/// Relative to the largest of `exact`.
double error(const Values& values, const Values& exact) {
  double most = 0, off = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    most = std::max(most, std::abs(exact[i]));
    off = std::max(off, std::abs(values[i] - exact[i]));
  }
  return off / most;
}

// The last two do not take this way by themselves.
const ConvBlockShape kShapes[] = {{2, 14, 14, 64, 64},
                                  {1, 42, 42, 32, 32},
                                  {1, 17, 21, 20, 50},
                                  {4, 7, 5, 3, 9},
                                  {3, 1, 2, 1, 1}};

class WinogradKernels : public ::testing::TestWithParam<InstructionSet> {
 protected:
  void SetUp() override { select_instruction_set(GetParam()); }
  void TearDown() override { select_instruction_set(available_instruction_sets().back()); }
};
INSTANTIATE_TEST_SUITE_P(All, WinogradKernels, ::testing::ValuesIn(available_instruction_sets()));

TEST_P(WinogradKernels, GiveTheDirectConvolutionInDouble) {
  for (const auto& shape : kShapes) {
    const Passes<double> direct(shape, false), winograd(shape, true);
    EXPECT_LT(error(winograd.out, direct.out), 1e-14);
    EXPECT_LT(error(winograd.in, direct.in), 1e-14);
    EXPECT_LT(error(winograd.weight, direct.weight), 1e-14);
  }
}

TEST_P(WinogradKernels, LoseLittleOfFloat) {
  for (const auto& shape : kShapes) {
    const Passes<double> exact(shape, false);
    const Passes<float> direct(shape, false), winograd(shape, true);
    const auto compare = [&](const char* what, Values Passes<float>::* pass, const Values& to) {
      const double theirs = error(direct.*pass, to), ours = error(winograd.*pass, to);
      EXPECT_LT(ours, 3 * theirs + 2e-7) << what;
      EXPECT_LT(ours, 1e-6) << what;
    };
    compare("out", &Passes<float>::out, exact.out);
    compare("in", &Passes<float>::in, exact.in);
    compare("weight", &Passes<float>::weight, exact.weight);
  }
}

TEST(WinogradRule, GoesByShapeAlone) {
  EXPECT_TRUE(by_winograd({75, 14, 14, 64, 64}));
  EXPECT_TRUE(by_winograd({5, 14, 14, 64, 64}));
  EXPECT_TRUE(by_winograd({75, 42, 42, 32, 32}));
  EXPECT_TRUE(by_winograd({25, 21, 21, 32, 32}));
  EXPECT_FALSE(by_winograd({75, 7, 7, 64, 64}));   // 16 tiles, half empty at two edges
  EXPECT_FALSE(by_winograd({75, 3, 3, 64, 64}));   // padding is most of the work: left out directly
  EXPECT_FALSE(by_winograd({75, 28, 28, 3, 64}));  // few channels: all time goes to transforms
  EXPECT_FALSE(by_winograd({75, 1, 28, 64, 64, 1, 1, 2}));
}

}  // namespace
}  // namespace cuttle::kernels
