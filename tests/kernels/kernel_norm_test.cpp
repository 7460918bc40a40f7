// The terms of batch norm's derivatives against finite differences of batch norm itself, and the
// moments of patches against their definition.

#include "kernels/norm_terms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "kernels/kernel_parts.hpp"
#include "kernels_reference.hpp"

namespace cuttle::kernels {
namespace {

using parts::dot;
using parts::size_of;
using reference::Values;

double mean_of(const Values& v) {
  return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
}
Values centered(Values v) {
  const double mean = mean_of(v);
  for (double& x : v) x -= mean;
  return v;
}

/// One channel: the output of a convolution, gamma and beta; also a direction of them.
struct Channel {
  Values y;
  double gamma, beta;
};
Channel moved(Channel from, const Channel& direction, double by) {
  for (std::size_t i = 0; i < from.y.size(); ++i) from.y[i] += by * direction.y[i];
  from.gamma += by * direction.gamma;
  from.beta += by * direction.beta;
  return from;
}

double inv_std_of(const Values& y) {
  const Values v = centered(y);
  return 1 / std::sqrt(dot(v, v) / static_cast<double>(y.size()) + 1e-5);
}
Values batch_norm(const Channel& at) {
  Values z = centered(at.y);
  const double inv_std = inv_std_of(at.y);
  for (double& v : z) v = v * inv_std * at.gamma + at.beta;
  return z;
}

/// The derivative of a function of one number at 0, with an error of the fourth order.
Values derivative(const std::function<Values(double)>& of, double step) {
  const Values a = of(-2 * step), b = of(-step), c = of(step), d = of(2 * step);
  Values result(a.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    result[i] = (a[i] - 8 * b[i] + 8 * c[i] - d[i]) / (12 * step);
  return result;
}

constexpr double kStep = 2e-3;

/// Gradients of <d, batch_norm> with respect to y (one a pixel) and then gamma.
Values gradients(const Channel& at, const Values& d) {
  Values result;
  for (std::size_t i = 0; i <= at.y.size(); ++i) {
    Channel direction{Values(at.y.size(), 0.0), 0, 0};
    (i < at.y.size() ? direction.y[i] : direction.gamma) = 1;
    const auto loss = [&](double by) {
      return Values{dot(d, batch_norm(moved(at, direction, by)))};
    };
    result.push_back(derivative(loss, kStep)[0]);
  }
  return result;
}

void expect_near(const Values& got, const Values& want, double tolerance) {
  EXPECT_THAT(got, testing::Pointwise(testing::DoubleNear(tolerance), want));
}

class NormTerms : public ::testing::Test {
 protected:
  const std::size_t n_ = 11;
  const Channel at_{parts::normal<double>(11, 1), 1.3, -0.4};
  const Channel direction_{parts::normal<double>(11, 2), 0.7, 0.9};
  const Values d_ = [this] {
    auto d = parts::normal<double>(11, 3);
    for (std::size_t i = 0; i < n_; i += 3) d[i] = 0;  // as where ReLU cuts
    return d;
  }();
  const Values y_ = centered(at_.y), tangent_ = centered(direction_.y);
  const NormSums sums_{static_cast<double>(n_), at_.gamma, inv_std_of(at_.y),
                       mean_of(d_) * static_cast<double>(n_), dot(d_, y_)};
};

TEST_F(NormTerms, FirstAreTheGradient) {
  const FirstTerms terms(sums_);
  Values got;
  for (std::size_t i = 0; i < n_; ++i) got.push_back(terms.a * d_[i] + terms.b + terms.c * y_[i]);
  got.push_back(sums_.dgamma());
  expect_near(got, gradients(at_, d_), 1e-8);
}

TEST_F(NormTerms, SecondAreTheTangentsOfTheGradientAndOfTheOutput) {
  const SecondTerms terms(sums_, {mean_of(direction_.y), dot(y_, direction_.y),
                                  dot(d_, direction_.y), direction_.gamma});
  Values gradient, output;
  for (std::size_t i = 0; i < n_; ++i) {
    gradient.push_back(terms.a * d_[i] + terms.b + terms.c * y_[i] + terms.e * tangent_[i]);
    output.push_back(terms.a * y_[i] + terms.of_tangent * tangent_[i] + direction_.beta);
  }
  gradient.push_back(terms.q);
  const auto along = [&](double by) { return moved(at_, direction_, by); };
  expect_near(gradient, derivative([&](double by) { return gradients(along(by), d_); }, kStep),
              1e-6);
  expect_near(output, derivative([&](double by) { return batch_norm(along(by)); }, kStep), 1e-8);
}

TEST_F(NormTerms, EpsilonIsBatchNorms) {
  EXPECT_EQ(kNormEpsilon, 1e-5);
}

/// Count, mean and covariance of the patches at real pixels, in the order row, column, channel.
template <class T>
Values plain_moments(const ConvBlockShape& s, const std::vector<T>& x, const std::vector<T>& real) {
  std::vector<Values> patches;
  for (std::int64_t p = 0; p < s.pixels(); ++p) {
    if (!real.empty() && real[size_of(p)] == 0) continue;
    Values patch(size_of(s.patch()), 0.0);
    parts::over_taps_inside(s, p, [&](std::int64_t tap, std::int64_t shift) {
      for (std::int64_t i = 0; i < s.in; ++i)
        patch[reference::at(tap, s.in, i)] = x[reference::at(p + shift, s.in, i)];
    });
    patches.push_back(patch);
  }
  const double count = static_cast<double>(patches.size()), divisor = std::max(count, 1.0);
  const std::size_t n = size_of(s.patch());
  Values result(1 + n + n * n, 0.0);
  result[0] = count;
  for (const Values& patch : patches) {
    for (std::size_t k = 0; k < n; ++k) result[1 + k] += patch[k] / divisor;
  }
  for (const Values& patch : patches) {
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t l = 0; l < n; ++l)
        result[1 + n + k * n + l] +=
            (patch[k] - result[1 + k]) * (patch[l] - result[1 + l]) / divisor;
    }
  }
  return result;
}

template <class T>
void expect_moments(const ConvBlockShape& shape, const std::vector<T>& x,
                    const std::vector<T>& real) {
  ASSERT_TRUE(shape.by_patches());
  Values got(size_of(shape.moment_elements()), 1e300);
  patch_moments(shape, x.data(), real.empty() ? nullptr : real.data(), got.data());
  // Of squares of up to 300^2 a double keeps 1e-11.
  expect_near(got, plain_moments(shape, x, real), 1e-10);
}

template <class T>
void expect_moments_of_all() {
  for (auto shape : {ConvBlockShape{1, 1, 1, 1, 2},
                     {5, 6, 5, 2, 4},
                     {3, 4, 7, 3, 4},
                     {4, 1, 9, 6, 4, 1},
                     {3, 1, 2, 10, 4, 1}}) {
    shape.input_gradient = false;
    SCOPED_TRACE(shape.patch());
    for (const float offset : {0.0f, 300.0f}) {
      auto x = parts::normal<T>(shape.pixels() * shape.in, 1);
      for (auto& v : x) v += static_cast<T>(offset);
      expect_moments<T>(shape, x, {});
      expect_moments<T>(shape, x, std::vector<T>(size_of(shape.pixels()), T{0}));
      const auto real = parts::random_mask<T>(shape.pixels(), 2);
      for (std::int64_t k = 0; k < shape.pixels() * shape.in; ++k)
        x[size_of(k)] *= real[size_of(k / shape.in)];
      expect_moments<T>(shape, x, real);
    }
  }
}

TEST(PatchMoments, AreCountMeanAndCovarianceOfThePatches) {
  for (const int threads : {1, 3}) {
    const parts::Threads scope(threads);
    parts::on_every_instruction_set([] {
      expect_moments_of_all<float>();
      expect_moments_of_all<double>();
    });
  }
}

}  // namespace
}  // namespace cuttle::kernels
