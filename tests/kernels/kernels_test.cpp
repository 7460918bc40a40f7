// The kernels against a plain reference in double, on every instruction set of this machine. All
// buffers have exactly the size that is promised, so that the address sanitizer sees a read beyond
// an end.

#include "cuttle/kernels/conv_block.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "block_run.hpp"

namespace cuttle::kernels {
namespace {

struct Directions {
  Values x, weight, gamma, beta, bias;  // empty: null
};

struct Second {
  Values pooled_gradient, x, weight, gamma, bias;
};

template <class T>
Second double_backward(BlockRun<T>& run, const Values& d, const Directions& t) {
  const auto tx = as<T>(t.x), tw = as<T>(t.weight), tg = as<T>(t.gamma), tb = as<T>(t.beta),
             tc = as<T>(t.bias), dd = as<T>(d);
  std::vector<T> gd(dd.size()), gx(run.shape.input_gradient ? run.x.size() : 0),
      gw(run.weight.size()), gg(run.gamma.size()), gc(run.bias.size());
  kernels::double_backward(run.shape, run.inputs(), run.saved(), dd.data(),
                           {some(tx), some(tw), some(tg), some(tb), some(tc)},
                           {gd.data(), some(gx), gw.data(), gg.data(), some(gc)});
  return {to_double(gd), to_double(gx), to_double(gw), to_double(gg), to_double(gc)};
}

class Kernels : public ::testing::TestWithParam<InstructionSet> {
 protected:
  void SetUp() override { select_instruction_set(GetParam()); }
  void TearDown() override { select_instruction_set(available_instruction_sets().back()); }
};

std::string isa_name(const ::testing::TestParamInfo<InstructionSet>& info) {
  return info.param == InstructionSet::kAvx512 ? "avx512"
         : info.param == InstructionSet::kAvx2 ? "avx2"
                                               : "generic";
}
INSTANTIATE_TEST_SUITE_P(All, Kernels, ::testing::ValuesIn(available_instruction_sets()), isa_name);

/// Of a channel by itself a bias cancels, and its gradient is rounding alone: measured beside the
/// gradient of beta, a sum of as many terms.
void expect_bias(const Values& got, const Values& want, const Values& beta, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  double scale = 1;
  for (const double b : beta) scale = std::max(scale, std::abs(b));
  for (std::size_t c = 0; c < got.size(); ++c)
    EXPECT_NEAR(got[c], want[c], tolerance * scale * 10) << "channel " << c;
}

template <class T>
void expect_first_order(const Case& c, double tolerance) {
  SCOPED_TRACE(c.name);
  const auto in = random_inputs(c.shape, c.masked);
  const auto d = normal(c.shape.pooled_elements(), 5);
  BlockRun<T> run(c.shape, in);
  run.forward();
  const auto expected = reference::forward(c.shape, in);
  EXPECT_LT(difference(to_double(run.pooled), expected.pooled), tolerance);
  // What is kept has no bias.
  auto mean = expected.mean, y = expected.y;
  for (std::size_t k = 0; k < mean.size() && !in.bias.empty(); ++k) {
    const bool empty = c.masked && k / in.bias.size() == 1;  // whose mean is nobody's
    mean[k] = empty ? static_cast<double>(run.mean[k]) : mean[k] - in.bias[k % in.bias.size()];
  }
  for (std::size_t k = 0; k < y.size(); ++k) {
    if (!in.bias.empty()) y[k] -= in.bias[k % in.bias.size()];
    if (c.masked) y[k] *= in.real[k / size_of(c.shape.out)];
  }
  EXPECT_LT(difference(to_double(run.mean), mean), tolerance);
  EXPECT_LT(difference(to_double(run.inv_std), expected.inv_std), tolerance);
  if (!c.shape.by_patches()) {
    EXPECT_LT(difference(to_double(run.y), y), tolerance);
  }
  // Rounding may prefer another of two nearly equal pixels: the derivative is compared at the
  // kernel's choices.
  auto chosen = expected;
  std::int64_t differ = 0;
  for (std::size_t k = 0; k < chosen.choice.size(); ++k)
    differ += chosen.choice[k] != run.choice[k];
  EXPECT_LE(differ, sizeof(T) == 4 ? 1 + c.shape.pooled_elements() / 1000 : 0);
  chosen.choice = run.choice;
  const auto got = run.backward(d), want = reference::backward(c.shape, in, chosen, d);
  EXPECT_LT(difference(got.x, c.shape.input_gradient ? want.x : Values{}), tolerance);
  EXPECT_LT(difference(got.weight, want.weight), tolerance);
  EXPECT_LT(difference(got.gamma, want.gamma), tolerance);
  EXPECT_LT(difference(got.beta, want.beta), tolerance);
  expect_bias(got.bias, in.bias.empty() ? Values{} : want.bias, want.beta, tolerance);
}

TEST_P(Kernels, FirstOrderInDouble) {
  for (const auto& c : all_cases()) expect_first_order<double>(c, 1e-11);
}
TEST_P(Kernels, FirstOrderInFloat) {
  for (const auto& c : all_cases()) expect_first_order<float>(c, 2e-5);
}

Directions directions(const ConvBlockShape& s) {
  return {s.input_gradient ? normal(s.pixels() * s.in, 11) : Values{},
          normal(s.weight_elements(), 12, 0.3), normal(s.out, 13), normal(s.out, 14),
          s.norm_groups > 0 ? normal(s.out, 15) : Values{}};
}

/// The reference's vjp at inputs moved along the direction, choices held fixed: central differences
/// of it are what double_backward gives, because second derivatives are symmetric.
reference::Backward moved_backward(const Case& c, const reference::Inputs& in, const Directions& t,
                                   double by, const std::vector<std::uint8_t>& choice,
                                   const Values& d) {
  auto at = in;
  at.x = moved(in.x, t.x, by);
  at.weight = moved(in.weight, t.weight, by);
  at.gamma = moved(in.gamma, t.gamma, by);
  at.beta = moved(in.beta, t.beta, by);
  at.bias = moved(in.bias, t.bias, by);
  auto f = reference::forward(c.shape, at);
  f.choice = choice;
  return reference::backward(c.shape, at, f, d);
}

Values central(const Values& plus, const Values& minus, double step) {
  Values result(plus.size());
  for (std::size_t i = 0; i < plus.size(); ++i) result[i] = (plus[i] - minus[i]) / (2 * step);
  return result;
}

TEST_P(Kernels, SecondOrderIsTheDerivativeOfTheFirst) {
  constexpr double kStep = 1e-5, kTolerance = 1e-6;
  for (const auto& c : all_cases()) {
    SCOPED_TRACE(c.name);
    const auto in = random_inputs(c.shape, c.masked);
    const auto d = normal(c.shape.pooled_elements(), 5);
    auto t = directions(c.shape);
    BlockRun<double> run(c.shape, in);
    run.forward();
    const auto got = double_backward(run, d, t);
    const auto plus = moved_backward(c, in, t, kStep, run.choice, d);
    const auto minus = moved_backward(c, in, t, -kStep, run.choice, d);
    EXPECT_LT(
        difference(got.x, c.shape.input_gradient ? central(plus.x, minus.x, kStep) : Values{}),
        kTolerance);
    EXPECT_LT(difference(got.weight, central(plus.weight, minus.weight, kStep)), kTolerance);
    EXPECT_LT(difference(got.gamma, central(plus.gamma, minus.gamma, kStep)), kTolerance);
    if (!in.bias.empty())
      expect_bias(got.bias, central(plus.bias, minus.bias, kStep), got.gamma, kTolerance);
    // backward is linear in d: its gradient in any direction of d is backward of that direction.
    const auto probe = normal(c.shape.pooled_elements(), 21);
    const auto linear = run.backward(probe);
    const double want = dot(linear.x, t.x) + dot(linear.weight, t.weight) +
                        dot(linear.gamma, t.gamma) + dot(linear.beta, t.beta) +
                        dot(linear.bias, t.bias);
    EXPECT_NEAR(dot(got.pooled_gradient, probe), want, 1e-9 * (1 + std::abs(want)));
  }
}

TEST_P(Kernels, SecondOrderInFloatFollowsDouble) {
  for (const auto& c : all_cases()) {
    SCOPED_TRACE(c.name);
    const auto in = random_inputs(c.shape, c.masked);
    const auto d = normal(c.shape.pooled_elements(), 5);
    const auto t = directions(c.shape);
    BlockRun<double> exact(c.shape, in);
    exact.forward();
    BlockRun<float> run(c.shape, in);
    run.forward();
    run.choice = exact.choice;
    const auto got = double_backward(run, d, t), want = double_backward(exact, d, t);
    constexpr double kTolerance = 5e-5;
    EXPECT_LT(difference(got.pooled_gradient, want.pooled_gradient), kTolerance);
    EXPECT_LT(difference(got.x, want.x), kTolerance);
    EXPECT_LT(difference(got.weight, want.weight), kTolerance);
    EXPECT_LT(difference(got.gamma, want.gamma), kTolerance);
    expect_bias(got.bias, want.bias, want.gamma, kTolerance);
  }
}

TEST_P(Kernels, ANullCotangentIsZero) {
  for (const auto& c : all_cases()) {
    SCOPED_TRACE(c.name);
    const auto in = random_inputs(c.shape, c.masked);
    const auto d = normal(c.shape.pooled_elements(), 5);
    BlockRun<double> run(c.shape, in);
    run.forward();
    const auto all = directions(c.shape);
    for (int which = 0; which < (in.bias.empty() ? 16 : 32); ++which) {
      Directions null = all, zero = all;
      const auto drop = [&](int bit, Values Directions::* member) {
        if (!(which & bit)) return;
        (null.*member).clear();
        std::fill((zero.*member).begin(), (zero.*member).end(), 0.0);
      };
      drop(1, &Directions::x);
      drop(2, &Directions::weight);
      drop(4, &Directions::gamma);
      drop(8, &Directions::beta);
      drop(16, &Directions::bias);
      const auto a = double_backward(run, d, null), b = double_backward(run, d, zero);
      const auto near = [](const Values& u, const Values& v) {
        for (std::size_t i = 0; i < u.size(); ++i) ASSERT_NEAR(u[i], v[i], 1e-10);
      };
      near(a.pooled_gradient, b.pooled_gradient);
      near(a.x, b.x);
      near(a.weight, b.weight);
      near(a.gamma, b.gamma);
      near(a.bias, b.bias);
    }
  }
}

TEST_P(Kernels, TheFirstOfEqualPixelsWinsAndReluCuts) {
  // Weight 1 at the centre: y = x. Mean 0.25, so a quarter of ones is positive after batch norm,
  // zeros negative.
  ConvBlockShape s{1, 4, 4, 1, 1};
  reference::Inputs in{Values(16, 0.0), Values(9, 0.0), {1.0}, {0.0}, {}};
  in.weight[4] = 1;
  in.x[0] = in.x[1] = in.x[4] = in.x[5] = 1;  // a tie of four in the first window
  BlockRun<float> run(s, in);
  run.forward();
  EXPECT_THAT(run.choice, ::testing::ElementsAre(0, 255, 255, 255));
  EXPECT_GT(run.pooled[0], 0.0f);
  EXPECT_THAT((std::vector<float>{run.pooled[1], run.pooled[2], run.pooled[3]}),
              ::testing::Each(0.0f));
}

TEST_P(Kernels, AConstantChannelAndDeadChannelsAreFinite) {
  for (const bool by_patches : {false, true}) {
    ConvBlockShape s{3, 6, 6, 2, 3};
    s.input_gradient = !by_patches;
    auto in = random_inputs(s, false);
    std::fill_n(in.weight.begin(), s.patch(), 0.0);  // channel 0: variance 0
    in.beta = {0.5, -100.0, 0.1};                    // channel 1: dead everywhere
    BlockRun<double> run(s, in);
    run.forward();
    EXPECT_DOUBLE_EQ(run.inv_std[0], 1 / std::sqrt(1e-5));
    EXPECT_DOUBLE_EQ(run.pooled[0], 0.5);
    EXPECT_DOUBLE_EQ(run.pooled[1], 0.0);
    EXPECT_EQ(run.choice[0], 0);
    EXPECT_EQ(run.choice[1], 255);
    const auto d = normal(s.pooled_elements(), 5);
    const auto first = run.backward(d);
    EXPECT_EQ(first.gamma[0], 0.0);
    EXPECT_EQ(first.beta[1], 0.0);
    const auto second = double_backward(run, d, directions(s));
    for (const auto& values :
         {first.x, first.weight, second.x, second.weight, second.gamma, second.pooled_gradient}) {
      EXPECT_TRUE(
          std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }));
    }
  }
}

TEST_P(Kernels, NotANumberReachesTheOutput) {
  for (const bool by_patches : {false, true}) {
    ConvBlockShape s{1, 4, 4, 1, 2};
    s.input_gradient = !by_patches;
    auto in = random_inputs(s, false);
    in.x[7] = std::numeric_limits<double>::quiet_NaN();
    BlockRun<float> run(s, in);
    run.forward();
    EXPECT_TRUE(
        std::all_of(run.pooled.begin(), run.pooled.end(), [](float v) { return std::isnan(v); }));
  }
}

TEST_P(Kernels, TheMeanOfAFarOffsetDoesNotSpoilTheVariance) {
  // Values around 1000 with deviation 1: the variance from sums of squares in float would be wrong
  // by its own size.
  ConvBlockShape s{8, 20, 20, 1, 1};
  reference::Inputs in{normal(s.pixels(), 1), Values(9, 0.0), {1.0}, {0.0}, {}};
  in.weight[4] = 1;
  for (auto& v : in.x) v = static_cast<float>(v + 1000);
  const double expected = reference::forward(s, in).inv_std[0];
  for (const bool by_patches : {false, true}) {
    s.input_gradient = !by_patches;
    BlockRun<float> run(s, in);
    run.forward();
    EXPECT_NEAR(run.inv_std[0] / expected, 1, 1e-5);
  }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

TEST_P(Kernels, TheSameBitsAtAnyAddressAndOnAnyThread) {
  for (const auto& c : all_cases()) {
    SCOPED_TRACE(c.name);
    const auto in = random_inputs(c.shape, c.masked);
    const auto d = normal(c.shape.pooled_elements(), 5);
    BlockRun<float> run(c.shape, in);
    run.forward();
    const auto backward = run.backward(d);
    const auto second = double_backward(run, d, directions(c.shape));
    std::thread([&] {
      BlockRun<float> again(c.shape, in);
      // x one element off from where it was, in a buffer that ends with it.
      std::vector<float> shifted(again.x.size() + 1);
      std::copy(again.x.begin(), again.x.end(), shifted.begin() + 1);
      std::vector<float> pooled(again.pooled.size() + 1);
      auto inputs = again.inputs();
      inputs.x = shifted.data() + 1;
      if (c.shape.by_patches())
        patch_moments(c.shape, inputs.x, again.mask(), again.moments.data());
      kernels::forward(c.shape, inputs, again.saved(), pooled.data() + 1);
      EXPECT_TRUE(same_bits(run.pooled, {pooled.begin() + 1, pooled.end()}));
      EXPECT_TRUE(same_bits(run.mean, again.mean));
      const auto b = again.backward(d);
      EXPECT_TRUE(same_bits(b.x, backward.x) && same_bits(b.weight, backward.weight));
      const auto s = double_backward(again, d, directions(c.shape));
      EXPECT_TRUE(same_bits(s.x, second.x) && same_bits(s.weight, second.weight));
      EXPECT_TRUE(same_bits(s.pooled_gradient, second.pooled_gradient) &&
                  same_bits(s.gamma, second.gamma));
    }).join();
  }
}

TEST(KernelsInterface, RefusesWhatItCannotDo) {
  ConvBlockShape s{1, 4, 4, 1, 2};
  s.input_gradient = false;
  BlockRun<float> run(s, random_inputs(s, false));
  run.forward();
  std::vector<float> gradient(run.x.size());
  const auto d = std::vector<float>(run.pooled.size());
  EXPECT_THROW(kernels::backward(s, run.inputs(), run.saved(), d.data(),
                                 {gradient.data(), nullptr, run.gamma.data(), run.beta.data()}),
               std::invalid_argument);
  auto without = run.inputs();
  without.moments = nullptr;
  EXPECT_THROW(kernels::forward(s, without, run.saved(), run.pooled.data()), std::invalid_argument);
  auto biased = run.inputs();
  biased.bias = run.beta.data();
  EXPECT_THROW(kernels::forward(s, biased, run.saved(), run.pooled.data()), std::invalid_argument);
  auto apart = s;
  apart.out = 3, apart.norm_groups = 2;  // channels do not fall into equal groups
  EXPECT_THROW(kernels::forward(apart, run.inputs(), run.saved(), run.pooled.data()),
               std::invalid_argument);
  apart.norm_groups = 1;
  auto given = run.inputs();
  given.mean = given.variance = run.mean.data();
  EXPECT_THROW(kernels::forward(apart, given, run.saved(), run.pooled.data()),
               std::invalid_argument);
  EXPECT_THROW(kernels::backward(apart, run.inputs(), run.saved(), d.data(),
                                 {nullptr, nullptr, run.gamma.data(), run.beta.data()},
                                 {run.mean.data(), nullptr}),
               std::invalid_argument);
  s.height = 1;  // no window fits
  EXPECT_THROW(kernels::forward(s, run.inputs(), run.saved(), run.pooled.data()),
               std::invalid_argument);
}

}  // namespace
}  // namespace cuttle::kernels
