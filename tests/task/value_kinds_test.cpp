// Values, their quantiles, and levels in an order: losses against own sums in doubles, slopes and
// curvature against differences, figures against their definitions.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/task/task_kind.hpp"

namespace cuttle {
namespace {

using Texts = std::map<std::string, std::string>;

std::unique_ptr<const TaskKind> kind_with(const std::string& name, const Texts& keys) {
  return builtin_task_kinds().at(name).make({Section(name, keys)});
}

torch::Tensor rows_of(std::vector<double> flat, std::int64_t columns) {
  return torch::tensor(std::move(flat), torch::kFloat64).view({-1, columns});
}

Batch with_targets(const torch::Tensor& targets) {
  Batch batch;
  batch.targets = targets;
  batch.size = targets.size(0);
  batch.way = targets.size(1);
  return batch;
}

/// Along one direction, away from where a loss has corners.
void expect_derivatives(const TaskKind& kind, const torch::Tensor& outputs, const Batch& batch) {
  const auto direction = torch::linspace(-1, 1, outputs.numel(), torch::kFloat64).view_as(outputs);
  const auto slopes = [&](const torch::Tensor& at, bool graph) {
    return torch::autograd::grad({kind.loss(at, batch)}, {at}, {}, true, graph, true)[0];
  };
  const auto leaf = outputs.detach().clone().requires_grad_();
  const auto slope = slopes(leaf, true);
  auto bend = torch::zeros_like(outputs);
  if (slope.requires_grad()) {
    const auto found =
        torch::autograd::grad({(slope * direction).sum()}, {leaf}, {}, false, false, true)[0];
    if (found.defined()) bend = found;
  }
  constexpr double kStep = 1e-6;
  const auto moved = [&](double sign) {
    return (leaf.detach() + sign * kStep * direction).requires_grad_();
  };
  const auto difference = (slopes(moved(1), false) - slopes(moved(-1), false)) / (2 * kStep);
  EXPECT_TRUE(torch::allclose(bend, difference, 1e-5, 1e-8));
  const double rise = (kind.loss(moved(1), batch) - kind.loss(moved(-1), batch)).item<double>();
  EXPECT_NEAR((slope * direction).sum().item<double>(), rise / (2 * kStep), 1e-8);
}

void expect_terms(const TaskKind& kind, const torch::Tensor& outputs, const Batch& batch,
                  const std::vector<FigureTerm>& expected) {
  const auto terms = kind.terms(outputs, batch);
  const std::size_t all = kind.figures().size(), each = kind.figures_by_target().size();
  ASSERT_EQ(terms.size(), all + each * static_cast<std::size_t>(batch.way));
  ASSERT_EQ(expected.size(), terms.size());
  for (std::size_t i = 0; i < terms.size(); ++i) {
    EXPECT_NEAR(terms[i].sum, expected[i].sum, 1e-12) << i;
    EXPECT_NEAR(terms[i].of, expected[i].of, 1e-12) << i;
  }
}

TEST(ValueKind, HuberIsSquaresUpToItsBoundAndEvenBeyond) {
  const auto kind = kind_with("value", {{"huber_at", "0.5"}});
  const auto outputs = rows_of({0.25, -3, 0.5, 2}, 2), targets = rows_of({0, 0, 0.25, 0.125}, 2);
  const Batch batch = with_targets(targets);
  const double expected = 0.0625 + (2 * 0.5 * 3 - 0.25) + 0.0625 + (2 * 0.5 * 1.875 - 0.25);
  EXPECT_NEAR(kind->loss(outputs, batch).item<double>(), expected / 4, 1e-12);
  expect_derivatives(*kind, outputs, batch);
  const auto plain = kind_with("value", {});
  EXPECT_NEAR(plain->loss(outputs, batch).item<double>(), (0.0625 + 9 + 0.0625 + 1.875 * 1.875) / 4,
              1e-12);
  EXPECT_TRUE(plain->simple_loss() && !kind->simple_loss());
  EXPECT_EQ(kind->say_score(0.5, 0.25), "Huber loss 0.5000 +- 0.2500");
  EXPECT_EQ(plain->say_score(0.5, std::nullopt), "mean squared error 0.5000");
  EXPECT_THROW(kind_with("value", {{"huber_at", "-1"}}), UserError);
}

TEST(ValueKind, FiguresAreSumsOfErrorsAndOfSpread) {
  // Errors 1, -1, 0 and 0, 2, 4; targets 0 1 5 about 2, and 1 1 1.
  const auto outputs = rows_of({1, 1, 0, 3, 5, 5}, 2), targets = rows_of({0, 1, 1, 1, 5, 1}, 2);
  for (const char* name : {"value", "quantile", "gaussian"}) {
    const auto kind = kind_with(name, {});
    const std::int64_t parts = kind->outputs(1, 2) / 2;
    const auto terms = kind->terms(outputs.repeat({1, parts}), with_targets(targets));
    const std::size_t each = kind->figures_by_target().size(), all = kind->figures().size();
    const std::vector<FigureTerm> expected = {{8, 6}, {22, 6}, {14 - 22, 14}},
                                  first = {{2, 3}, {2, 3}, {12, 14}},
                                  second = {{6, 3}, {20, 3}, {-20, 0}};
    for (std::size_t i = 0; i < 3; ++i)
      for (const auto& [at, wanted] : {std::pair(i, expected[i]), std::pair(all + i, first[i]),
                                       std::pair(all + each + i, second[i])}) {
        EXPECT_NEAR(terms[at].sum, wanted.sum, 1e-12) << name << at;
        EXPECT_NEAR(terms[at].of, wanted.of, 1e-12) << name << at;
      }
    EXPECT_EQ(kind->figures()[1].root, true);
    EXPECT_EQ(kind->figures()[2].name, "r_squared");
  }
}

TEST(QuantileKind, IsLeastAtTheQuantiles) {
  const auto kind = kind_with("quantile", {{"quantile_low", "0.2"}, {"quantile_high", "0.9"}});
  std::vector<double> numbers;
  for (int i = 1; i <= 101; ++i) numbers.push_back(i * i);
  const Batch batch = with_targets(rows_of(numbers, 1));
  const auto cost = [&](double median, double low, double high) {
    return kind->loss(rows_of({median, low, high}, 3).expand({101, 3}), batch).item<double>();
  };
  // The 51st, the 21st and the 91st of 101.
  const double least = cost(51 * 51, 21 * 21, 91 * 91);
  for (const double off : {-30.0, -1.0, 1.0, 30.0}) {
    EXPECT_GT(cost(51 * 51 + off, 21 * 21, 91 * 91), least);
    EXPECT_GT(cost(51 * 51, 21 * 21 + off, 91 * 91), least);
    EXPECT_GT(cost(51 * 51, 21 * 21, 91 * 91 + off), least);
  }
}

TEST(QuantileKind, LossAndFiguresAreThoseOfTheirDefinitions) {
  const auto kind = kind_with("quantile", {});
  // Medians of two values, lower bounds, upper bounds.
  const auto outputs = rows_of({1, 2, 0, 1, 3, 4, -1, 5, -2, 4, 0, 6}, 6);
  const auto targets = rows_of({3.5, 2.5, -0.5, 4.75}, 2);
  const Batch batch = with_targets(targets);
  const double median = 0.5 * (2.5 + 0.5 + 0.5 + 0.25);
  const double low = 0.05 * (3.5 + 1.5 + 1.5 + 0.75);
  const double high = 0.95 * 0.5 + 0.05 * (1.5 + 0.5 + 1.25);
  EXPECT_NEAR(kind->loss(outputs, batch).item<double>(), (median + low + high) / 4 / 3, 1e-12);
  expect_derivatives(*kind, outputs, batch);
  const auto terms = kind->terms(outputs, batch);
  const std::size_t coverage = 3, width = 4;
  EXPECT_EQ(kind->figures()[coverage].name, "coverage");
  EXPECT_EQ(terms[coverage].sum, 3);
  EXPECT_EQ(terms[coverage].of, 4);
  EXPECT_EQ(terms[width].sum, 3 + 3 + 2 + 2);
  EXPECT_EQ(terms[5 + coverage].sum, 1);
  EXPECT_EQ(terms[10 + coverage].sum, 2);
  EXPECT_TRUE(torch::equal(kind->told(outputs, 2), outputs.narrow(1, 0, 2)));
  EXPECT_TRUE(torch::equal(kind->told_beside(outputs)[0], outputs.narrow(1, 2, 2)));
  EXPECT_TRUE(torch::equal(kind->told_beside(outputs)[1], outputs.narrow(1, 4, 2)));
  const auto scaled = kind->rescaled(outputs, rows_of({1, -1}, 2), rows_of({2, 10}, 2));
  // Upper, lower, median: told in order, whatever the loss says of them.
  const auto crossed = rows_of({5, 1, 2, 1, 2, 5}, 3);
  EXPECT_TRUE(torch::equal(kind->told(crossed, 1), rows_of({2, 2}, 1)));
  EXPECT_TRUE(torch::equal(kind->told_beside(crossed)[0], rows_of({1, 1}, 1)));
  EXPECT_TRUE(torch::equal(kind->told_beside(crossed)[1], rows_of({5, 5}, 1)));
  EXPECT_EQ(kind->terms(crossed, with_targets(rows_of({4, 0}, 1)))[coverage].sum, 1);
  EXPECT_EQ(scaled[0][4].item<double>(), 3 * 2 + 1);
  EXPECT_EQ(scaled[1][5].item<double>(), 6 * 10 - 1);
  EXPECT_THROW(kind_with("quantile", {{"quantile_low", "0.6"}}), UserError);
}

double rises(double logit) {
  return 1 / (1 + std::exp(-logit));
}

/// Four levels from 2 on, of two values.
const Texts kFour = {{"levels", "4"}, {"lowest", "2"}};
const std::vector<double> kSteps = {1,     0.25, -2, 3, 2,   1, -1, 0.5, 0,
                                    0.125, -0.5, 2,  2, 1.5, 1, 0,  1,   -0.3};
const std::vector<double> kLevels = {3, 5, 2, 2, 5, 4};

TEST(OrdinalKind, LossIsOfTheStepsThatASampleCameTo) {
  const auto kind = kind_with("ordinal", kFour);
  EXPECT_EQ(kind->outputs(1, 2), 6);
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < 6; ++i)
    for (int k = 0; k < 3 && k <= kLevels[i] - 2; ++k) {
      const double p = rises(kSteps[3 * i + static_cast<std::size_t>(k)]);
      sum -= std::log(kLevels[i] - 2 > k ? p : 1 - p);
      ++count;
    }
  const Batch batch = with_targets(rows_of(kLevels, 2));
  EXPECT_NEAR(kind->loss(rows_of(kSteps, 6), batch).item<double>(), sum / count, 1e-12);
  expect_derivatives(*kind, rows_of(kSteps, 6), batch);
}

TEST(OrdinalKind, TellsTheMedianAndTheMean) {
  const auto kind = kind_with("ordinal", kFour);
  const auto told = kind->told(rows_of(kSteps, 6), 2).flatten();
  const auto mean = kind->told_beside(rows_of(kSteps, 6))[0].flatten();
  std::vector<double> answers;
  for (std::size_t i = 0; i < 6; ++i) {
    double reached = 1, above = 0, sum = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      reached *= rises(kSteps[3 * i + k]);
      above += reached > 0.5;
      sum += reached;
    }
    answers.push_back(2 + above);
    EXPECT_EQ(told[static_cast<std::int64_t>(i)].item<double>(), 2 + above);
    EXPECT_NEAR(mean[static_cast<std::int64_t>(i)].item<double>(), 2 + sum, 1e-12);
  }
  EXPECT_EQ(answers, std::vector<double>({3, 5, 2, 3, 5, 2}));
  const Batch batch = with_targets(rows_of(kLevels, 2));
  EXPECT_NEAR(kind->measure(rows_of(kSteps, 6), batch)[0], 4 / 6.0, 1e-12);
  std::vector<FigureTerm> expected(2);  // of both values, then of each
  for (std::size_t v = 0; v < 2; ++v) {
    FigureTerm kappa, error{0, 3};
    double off = 0;
    for (std::size_t i = v; i < 6; i += 2) {
      off += std::pow(answers[i] - kLevels[i], 2);
      error.sum += std::abs(answers[i] - kLevels[i]);
      for (std::size_t j = v; j < 6; j += 2) kappa.of += std::pow(answers[i] - kLevels[j], 2) / 3;
    }
    kappa.sum = kappa.of - off;
    expected.insert(expected.end(), {kappa, error});
    for (std::size_t f = 0; f < 2; ++f) {
      expected[f].sum += expected[2 + 2 * v + f].sum;
      expected[f].of += expected[2 + 2 * v + f].of;
    }
  }
  expect_terms(*kind, rows_of(kSteps, 6), batch, expected);
  EXPECT_EQ(kind->figures()[kind->score_column() - 2].name, kind->score_name());
  auto nothing = rows_of(kSteps, 6);
  nothing[0][0] = std::nan("");
  EXPECT_TRUE(kind->told(nothing, 2)[0][0].isnan().item<bool>());
}

TEST(OrdinalKind, KnowsItsLevels) {
  const auto kind = kind_with("ordinal", kFour);
  EXPECT_TRUE(kind->is_target(2) && kind->is_target(5));
  EXPECT_FALSE(kind->is_target(1) || kind->is_target(6) || kind->is_target(2.5f));
  EXPECT_EQ(kind->targets_are(), "whole numbers from 2 to 5");
  EXPECT_EQ(kind->say_score(0.5, 0.25), "quadratic kappa 0.5000 +- 0.2500");
  EXPECT_THROW(kind_with("ordinal", {{"levels", "1"}}), UserError);
}

TEST(OrdinalKind, LevelsMayBeHalves) {
  const Texts stars = {{"levels", "4"}, {"lowest", "0.5"}, {"spacing", "0.5"}};
  const auto halves = kind_with("ordinal", stars), whole = kind_with("ordinal", kFour);
  EXPECT_TRUE(halves->is_target(0.5f) && halves->is_target(1.5f) && halves->is_target(2));
  EXPECT_FALSE(halves->is_target(0) || halves->is_target(0.75f) || halves->is_target(2.5f));
  EXPECT_EQ(halves->targets_are(), "0.5, 1 and so on to 2");
  const auto tenths = kind_with("ordinal", {{"levels", "11"}, {"lowest", "0"}, {"spacing", "0.1"}});
  EXPECT_TRUE(tenths->is_target(0.1f) && tenths->is_target(0.3f) && tenths->is_target(1));
  const auto outputs = rows_of(kSteps, 6);
  const auto levels = rows_of(kLevels, 2), stars_of = (levels - 2) * 0.5 + 0.5;
  EXPECT_EQ(halves->loss(outputs, with_targets(stars_of)).item<double>(),
            whole->loss(outputs, with_targets(levels)).item<double>());
  EXPECT_EQ(halves->measure(outputs, with_targets(stars_of)),
            whole->measure(outputs, with_targets(levels)));
  EXPECT_TRUE(torch::equal(halves->told(outputs, 2), (whole->told(outputs, 2) - 2) * 0.5 + 0.5));
  const auto mean = (whole->told_beside(outputs)[0] - 2) * 0.5 + 0.5;
  EXPECT_TRUE(torch::allclose(halves->told_beside(outputs)[0], mean, 1e-12));
  const auto terms = halves->terms(outputs, with_targets(stars_of)),
             of_whole = whole->terms(outputs, with_targets(levels));
  EXPECT_NEAR(terms[0].sum / terms[0].of, of_whole[0].sum / of_whole[0].of, 1e-12);
  EXPECT_NEAR(terms[1].sum, 0.5 * of_whole[1].sum, 1e-12);
}

}  // namespace
}  // namespace cuttle
