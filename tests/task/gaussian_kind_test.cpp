// Values with standard deviations: the normal density, its measures and its slopes, against own
// sums in doubles.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/task/task_kind.hpp"

namespace cuttle {
namespace {

std::unique_ptr<const TaskKind> gaussian_kind(const std::string& least = "0.1") {
  const Section target("gaussian", {{"deviation_min", least}});
  return builtin_task_kinds().at("gaussian").make({target});
}

/// Three samples of two values. Of the six the second is 1.6 and the fifth 1.7 deviations off.
constexpr double kMeans[6] = {0.5, -1.0, 2.0, 0.0, 3.0, 0.25};
constexpr double kRaw[6] = {0.0, 1.0, -2.0, 3.0, -40.0, 0.5};
constexpr double kOff[6] = {0.3, 1.6, -0.2, 0.9, -1.7, 0.0};

double deviation_of(double raw, double least) {
  return least + (1 - least) * std::log1p(std::exp(raw));
}

torch::Tensor some_given() {
  const auto means = torch::tensor(std::vector<double>(kMeans, kMeans + 6), torch::kFloat64);
  const auto raw = torch::tensor(std::vector<double>(kRaw, kRaw + 6), torch::kFloat64);
  return torch::cat({means.view({3, 2}), raw.view({3, 2})}, 1);
}

Batch some_batch(double least) {
  std::vector<double> targets;
  for (int i = 0; i < 6; ++i) targets.push_back(kMeans[i] + kOff[i] * deviation_of(kRaw[i], least));
  Batch batch;
  batch.size = 3;
  batch.way = 2;
  batch.targets = torch::tensor(targets, torch::kFloat64).view({3, 2});
  return batch;
}

TEST(GaussianKind, IsTheLogDensityOfNormalValues) {
  for (const auto* text : {"0.1", "0.02"}) {
    const double least = std::stod(text);
    const auto kind = gaussian_kind(text);
    const Batch batch = some_batch(least);
    double density = 0, squared = 0;
    for (int i = 0; i < 6; ++i) {
      const double s = deviation_of(kRaw[i], least);
      density += std::log(std::exp(-kOff[i] * kOff[i] / 2) / (s * std::sqrt(2 * M_PI))) / 6;
      squared += kOff[i] * s * kOff[i] * s / 6;
    }
    const auto outputs = kind->outputs_of(some_given());
    EXPECT_NEAR(kind->loss(outputs, batch).item<double>(), -density, 1e-12);
    const auto measured = kind->measure(outputs.to(torch::kFloat32), batch);
    ASSERT_EQ(measured.size(), kind->metrics().size());
    EXPECT_NEAR(measured[0], density, 1e-5);
    EXPECT_NEAR(measured[1], squared, 1e-5);
    EXPECT_NEAR(measured[2], 5.0 / 6, 1e-12);
  }
}

TEST(GaussianKind, DeviationsStandBesideTheValuesAndNeverVanish) {
  const auto kind = gaussian_kind();
  const auto deviations = kind->deviations(kind->outputs_of(some_given()));
  ASSERT_EQ(deviations.sizes(), torch::IntArrayRef({3, 2}));
  for (int i = 0; i < 6; ++i)
    EXPECT_NEAR(deviations.flatten()[i].item<double>(), deviation_of(kRaw[i], 0.1), 1e-12);
  EXPECT_NEAR(deviations.min().item<double>(), 0.1, 1e-12);
  EXPECT_EQ(kind->outputs(1, 2), 4);
  EXPECT_EQ(kind->metrics()[kind->score_column() - 1], kind->score_name());
  EXPECT_TRUE(kind->uncertain() && kind->values() && kind->larger_is_better());
}

/// No unit is so small that the least deviation would be another share of it.
TEST(GaussianKind, OutputsTakeAnyUnit) {
  const auto kind = gaussian_kind();
  const auto outputs = kind->outputs_of(some_given());
  const auto row = [](double a, double b) { return torch::tensor({{a, b}}, torch::kFloat64); };
  const auto taken = kind->rescaled(outputs, row(3, -4), row(1e-4, 1e4));
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t c = 0; c < 2; ++c) {
      const double scale = c == 0 ? 1e-4 : 1e4, origin = c == 0 ? 3 : -4;
      EXPECT_DOUBLE_EQ(taken[i][c].item<double>(), kMeans[2 * i + c] * scale + origin);
      EXPECT_NEAR(kind->deviations(taken)[i][c].item<double>() / scale,
                  deviation_of(kRaw[2 * i + c], 0.1), 1e-12);
    }
}

TEST(GaussianKind, SlopesAreThoseOfDifferences) {
  const auto kind = gaussian_kind();
  const Batch batch = some_batch(0.1);
  const auto leaf = some_given().requires_grad_();
  const auto slopes = torch::autograd::grad({kind->loss(kind->outputs_of(leaf), batch)}, {leaf})[0];
  for (std::int64_t i = 0; i < 12; ++i) {
    const auto step = torch::zeros(12, torch::kFloat64);
    step[i] = 1e-5;
    const auto at = [&](double sign) {
      const auto moved = leaf.detach() + sign * step.view({3, 4});
      return kind->loss(kind->outputs_of(moved), batch).item<double>();
    };
    EXPECT_NEAR(slopes.flatten()[i].item<double>(), (at(1) - at(-1)) / 2e-5, 1e-8) << i;
  }
}

TEST(GaussianKind, SaysItsScore) {
  EXPECT_EQ(gaussian_kind()->say_score(-0.5, 0.25), "log-likelihood -0.5000 +- 0.2500");
  EXPECT_EQ(gaussian_kind()->say_score(-0.5, std::nullopt), "log-likelihood -0.5000");
  EXPECT_THROW(gaussian_kind("0"), UserError);
}

}  // namespace
}  // namespace cuttle
