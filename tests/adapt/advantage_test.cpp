// What actions are credited with, against NumPy: generalised advantages summed by their definition,
// the linear baseline by numpy.linalg.lstsq.
#include "adapt/learners/advantage.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <vector>

#include "adapt/learners/policy_gradient.hpp"

namespace cuttle {
namespace {

constexpr double kDiscount = 0.9, kLambda = 0.6;

torch::Tensor numbers(std::vector<double> values, std::int64_t rows) {
  return torch::tensor(values, torch::kFloat64).view({rows, -1});
}

/// Three episodes of four steps that see two numbers, one of them beyond what the baseline looks
/// at.
const auto kSeen = numbers(
    {0.0,   3.075, -0.567, -2.477, 1.882, 2.895,  -1.5,   -1.154, 3.377, 2.09,   -1.884, 0.653,
     4.199, 0.974, -1.515, 2.577,  4.238, -0.057, -0.385, 4.22,   3.587, -0.629, 1.316,  12.0},
    12);
const auto kRewards = numbers(
    {1.0, -0.666, -0.112, 0.816, -0.975, 0.483, 0.331, -0.924, 0.901, -0.276, -0.533, 0.986}, 3);
// w = lstsq(F.T @ F + 1e-5 * eye(8), F.T @ returns)[0]; values = F @ w
const auto kLinear = numbers({0.244333706643, 0.655068875372, 0.164181128319, 0.093509660171,
                              0.138549092203, -0.092650705363, -0.122283589542, -0.232904244887,
                              0.103992235825, 0.142549760519, 0.19164658748, 0.936405285999},
                             3);
const auto kLinearAdvantages =
    numbers({0.769415593922, -1.06631979124, 0.198122349343, 0.722490339829, -0.983281767952,
             0.395653627922, -0.129521938617, -0.691095755113, 0.834678559871, -0.167822201428,
             0.144899315479, 0.049594714001},
            3);
const auto kOthers = numbers({-0.003061, 0.03771, -0.0731, 0.031, 0.922204, -0.03144, 0.4884, 0.901,
                              -0.020521, -0.03669, 0.0609, -0.054},
                             3);
const auto kOthersAdvantages = numbers({0.74187164, -0.546534, 0.4129, 0.785, -1.5071512, 0.77472,
                                        -0.332, -1.825, 0.76527956, -0.228186, -0.0809, 1.04},
                                       3);

double largest(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

TEST(Advantage, IsTheDiscountedSumOfSurprises) {
  EXPECT_LT(
      largest(generalised_advantages(kRewards, kLinear, kDiscount, kLambda) - kLinearAdvantages),
      1e-10);
  // Lambda 1: what came less what was expected; lambda 0: one step's surprise.
  const auto to_go = returns_to_go(kRewards, kDiscount);
  EXPECT_LT(largest(generalised_advantages(kRewards, kLinear, kDiscount, 1) - (to_go - kLinear)),
            1e-12);
  const auto next = torch::constant_pad_nd(kLinear.narrow(1, 1, 3), {0, 1});
  EXPECT_LT(largest(generalised_advantages(kRewards, kLinear, kDiscount, 0) -
                    (kRewards + kDiscount * next - kLinear)),
            1e-12);
}

TEST(Advantage, BaselinesAreNumPys) {
  const auto to_go = returns_to_go(kRewards, kDiscount);
  // The penalty is small: sums of squares have a condition number of 1e9.
  EXPECT_LT(largest(linear_baseline(kSeen, to_go) - kLinear), 1e-6);
  EXPECT_LT(largest(others_baseline(to_go) - kOthers), 1e-12);
  EXPECT_EQ(largest(others_baseline(to_go.narrow(0, 0, 1))), 0.0);
}

TEST(Advantage, OneHotStatesLeaveTheLinearBaselineDetermined) {
  const auto seen = torch::eye(4, torch::kFloat64).repeat({3, 1});
  const auto values = linear_baseline(seen, returns_to_go(kRewards, 1));
  // A state is a step here: nothing better than each step's mean.
  EXPECT_LT(largest(values - returns_to_go(kRewards, 1).mean(0, true)), 1e-4);
}

TEST(Advantage, IsWhatThePolicysLossWeighs) {
  const auto logs = -torch::rand({3, 4}, torch::kFloat64);
  const Rollout rollout{kSeen, torch::zeros({12}, torch::kInt64), kRewards};
  const auto loss = [&](const char* baseline) {
    return policy_loss(logs, rollout, {baseline, kDiscount, kLambda}).item<double>();
  };
  EXPECT_NEAR(loss("linear"), -(logs * kLinearAdvantages).sum().item<double>() / 3, 1e-5);
  EXPECT_NEAR(loss("others"), -(logs * kOthersAdvantages).sum().item<double>() / 3, 1e-9);
}

}  // namespace
}  // namespace cuttle
