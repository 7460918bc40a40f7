// Statistics that come from another batch, and gradients of statistics that another batch uses:
// against central differences of sums written out, at fixed choices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "block_run.hpp"

namespace cuttle::kernels {
namespace {

/// Everything that the block's output depends on.
struct Point {
  reference::Inputs in;
  Values mean, variance;  ///< empty: the batch's own
};

Point moved_point(const Point& from, const Point& direction, double by) {
  return {{moved(from.in.x, direction.in.x, by), moved(from.in.weight, direction.in.weight, by),
           moved(from.in.gamma, direction.in.gamma, by), moved(from.in.beta, direction.in.beta, by),
           from.in.real},
          moved(from.mean, direction.mean, by),
          moved(from.variance, direction.variance, by)};
}

struct Sums {
  Values pooled, mean, variance;
};

/// The windows' values at given choices, and the statistics that made them.
Sums at_choices(const ConvBlockShape& s, const Point& at, const std::vector<std::uint8_t>& choice) {
  const auto f = reference::forward(s, at.in);
  Sums sums{Values(choice.size(), 0.0), at.mean, at.variance};
  if (at.mean.empty()) {
    sums.mean = f.mean;
    for (const double r : f.inv_std) sums.variance.push_back(1 / (r * r) - 1e-5);
  }
  for (std::size_t k = 0; k < choice.size(); ++k) {
    if (choice[k] == 255) continue;
    const auto o = static_cast<std::int64_t>(k) % s.out,
               window = static_cast<std::int64_t>(k) / s.out;
    const auto j = window % s.pooled_width(), i = window / s.pooled_width() % s.pooled_height();
    const auto n = window / s.pooled_width() / s.pooled_height();
    const auto h = i * s.pool_height + choice[k] / s.pool_width,
               w = j * s.pool_width + choice[k] % s.pool_width;
    const auto c = size_of(o);
    sums.pooled[k] =
        (f.y[reference::at((n * s.height + h) * s.width + w, s.out, o)] - sums.mean[c]) /
            std::sqrt(sums.variance[c] + 1e-5) * at.in.gamma[c] +
        at.in.beta[c];
  }
  return sums;
}

Point direction_of(const ConvBlockShape& s, const Point& like) {
  Point t{{s.input_gradient ? normal(s.pixels() * s.in, 11) : Values{},
           normal(s.weight_elements(), 12, 0.3),
           normal(s.out, 13),
           normal(s.out, 14),
           {}},
          {},
          {}};
  // Padding stays 0, as the kernels' inputs promise.
  for (std::size_t k = 0; k < t.in.x.size() && !like.in.real.empty(); ++k)
    t.in.x[k] *= like.in.real[k / size_of(s.in)];
  if (like.mean.empty()) return t;
  t.mean = normal(s.out, 15);
  t.variance = normal(s.out, 16, 0.3);
  return t;
}

Point with_given(const ConvBlockShape& s, bool masked) {
  Point point{random_inputs(s, masked), normal(s.out, 7, 0.5), normal(s.out, 8)};
  for (auto& v : point.variance) v = 0.3 + v * v;
  return point;
}

class KernelsGiven : public ::testing::TestWithParam<InstructionSet> {
 protected:
  void SetUp() override { select_instruction_set(GetParam()); }
  void TearDown() override { select_instruction_set(available_instruction_sets().back()); }
};
std::string set_name(const ::testing::TestParamInfo<InstructionSet>& set) {
  return std::to_string(static_cast<int>(set.param));
}
INSTANTIATE_TEST_SUITE_P(All, KernelsGiven, ::testing::ValuesIn(available_instruction_sets()),
                         set_name);

template <class T>
struct Gradients {
  std::vector<T> x, weight, gamma, beta, mean, variance;

  explicit Gradients(const BlockRun<T>& run)
      : x(run.shape.input_gradient ? run.x.size() : 0),
        weight(run.weight.size()),
        gamma(run.gamma.size()),
        beta(run.gamma.size()),
        mean(run.gamma.size()),
        variance(run.gamma.size()) {}
  BlockGradients<T> pointers() {
    return {x.empty() ? nullptr : x.data(),
            weight.data(),
            gamma.data(),
            beta.data(),
            mean.data(),
            variance.data()};
  }
  double along(const Point& t) const {
    return dot(to_double(x), t.in.x) + dot(to_double(weight), t.in.weight) +
           dot(to_double(gamma), t.in.gamma) + dot(to_double(beta), t.in.beta) +
           dot(to_double(mean), t.mean) + dot(to_double(variance), t.variance);
  }
};

template <class T>
void expect_given(const Case& c, double value_tolerance, double tolerance) {
  SCOPED_TRACE(c.name);
  const Point at = with_given(c.shape, c.masked);
  BlockRun<T> run(c.shape, at.in);
  const auto mean = as<T>(at.mean), variance = as<T>(at.variance);
  auto inputs = run.inputs();
  inputs.mean = mean.data();
  inputs.variance = variance.data();
  inputs.moments = nullptr;  // nobody needs them here
  kernels::forward(c.shape, inputs, run.saved(), run.pooled.data());
  EXPECT_LT(difference(to_double(run.pooled), at_choices(c.shape, at, run.choice).pooled),
            value_tolerance);
  EXPECT_LT(difference(to_double(run.mean), at.mean), value_tolerance);
  // Choices are the largest of each window: of the plain loops' own, but for ties by rounding.
  const auto d = normal(c.shape.pooled_elements(), 5);
  Gradients<T> got(run);
  kernels::backward(c.shape, inputs, run.saved(), as<T>(d).data(), got.pointers());
  constexpr double kStep = 1e-5;
  const Point t = direction_of(c.shape, at);
  const double plus = dot(d, at_choices(c.shape, moved_point(at, t, kStep), run.choice).pooled),
               minus = dot(d, at_choices(c.shape, moved_point(at, t, -kStep), run.choice).pooled);
  const double want = (plus - minus) / (2 * kStep);
  EXPECT_NEAR(got.along(t), want, tolerance * (1 + std::abs(want)));
}

TEST_P(KernelsGiven, StatisticsAndTheirGradientsInDouble) {
  for (const auto& c : cases()) expect_given<double>(c, 1e-11, 1e-6);
}
TEST_P(KernelsGiven, StatisticsAndTheirGradientsInFloat) {
  for (const auto& c : cases()) expect_given<float>(c, 2e-5, 1e-3);
}

/// The batch's own statistics, given back to it, give its own output; each direction's gradient is
/// then that of the batch's own plus what its statistics give.
TEST_P(KernelsGiven, OwnStatisticsGivenChangeNothing) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(c.name);
    Point at{random_inputs(c.shape, c.masked), {}, {}};
    BlockRun<double> own(c.shape, at.in), given(c.shape, at.in);
    own.forward();
    auto inputs = given.inputs();
    std::vector<double> variance;
    for (const double r : own.inv_std) variance.push_back(1 / (r * r) - 1e-5);
    inputs.mean = own.mean.data();
    inputs.variance = variance.data();
    kernels::forward(c.shape, inputs, given.saved(), given.pooled.data());
    EXPECT_LT(difference(given.pooled, own.pooled), 1e-9);
    const auto d = normal(c.shape.pooled_elements(), 5);
    Gradients<double> of_given(given), whole(own), none(own);
    kernels::backward(c.shape, inputs, given.saved(), d.data(), of_given.pointers());
    // d pooled of the statistics, and what they depend on: the pass's own gradient.
    const Values zero(d.size(), 0.0);
    kernels::backward(c.shape, own.inputs(), own.saved(), zero.data(), none.pointers(),
                      {of_given.mean.data(), of_given.variance.data()});
    kernels::backward(c.shape, own.inputs(), own.saved(), d.data(), whole.pointers());
    EXPECT_LT(difference(moved(of_given.weight, none.weight, 1), whole.weight), 1e-8);
    EXPECT_LT(difference(moved(of_given.x, none.x, 1), whole.x), 1e-8);
    EXPECT_LT(difference(of_given.gamma, whole.gamma), 1e-8);
  }
}

/// Gradients of the output and of the statistics add up.
TEST_P(KernelsGiven, StatisticsThatAnotherBatchUsesSendTheirGradientsBack) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(c.name);
    const Point at{random_inputs(c.shape, c.masked), {}, {}};
    BlockRun<double> run(c.shape, at.in);
    run.forward();
    const auto d = normal(c.shape.pooled_elements(), 5), of_mean = normal(c.shape.out, 17),
               of_variance = normal(c.shape.out, 18);
    Gradients<double> got(run);
    kernels::backward(c.shape, run.inputs(), run.saved(), d.data(), got.pointers(),
                      {of_mean.data(), of_variance.data()});
    constexpr double kStep = 1e-5;
    const Point t = direction_of(c.shape, at);
    const auto value = [&](double by) {
      const auto sums = at_choices(c.shape, moved_point(at, t, by), run.choice);
      return dot(d, sums.pooled) + dot(of_mean, sums.mean) + dot(of_variance, sums.variance);
    };
    const double want = (value(kStep) - value(-kStep)) / (2 * kStep);
    EXPECT_NEAR(got.along(t), want, 2e-6 * (1 + std::abs(want)));
  }
}

TEST(KernelsGivenInterface, RefusesWhatItCannotDo) {
  const ConvBlockShape s{2, 4, 4, 1, 2};
  BlockRun<float> run(s, random_inputs(s, false));
  auto inputs = run.inputs();
  inputs.mean = run.gamma.data();
  inputs.variance = run.gamma.data();
  kernels::forward(s, inputs, run.saved(), run.pooled.data());
  const std::vector<float> d(run.pooled.size());
  Gradients<float> to(run);
  auto pointers = to.pointers();
  pointers.mean = nullptr;
  EXPECT_THROW(kernels::backward(s, inputs, run.saved(), d.data(), pointers),
               std::invalid_argument);
  EXPECT_THROW(kernels::double_backward(s, inputs, run.saved(), d.data(), {}, {}),
               std::invalid_argument);
}

}  // namespace
}  // namespace cuttle::kernels
