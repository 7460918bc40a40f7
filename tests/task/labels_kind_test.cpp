// Labels: losses against own sums in doubles, slopes and curvature against differences, and figures
// against their definitions, pair by pair and threshold by threshold.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/task/task_kind.hpp"

namespace cuttle {
namespace {

struct LabelLoss {
  int present, absent;
  double margin;
};
constexpr LabelLoss kBinary{0, 0, 0}, kFocal{2, 2, 0}, kAsymmetric{1, 4, 0.05}, kShifted{0, 0, 0.2};

std::unique_ptr<const TaskKind> labels_kind(const LabelLoss& loss = kBinary) {
  const Section target("labels", {{"focus_present", std::to_string(loss.present)},
                                  {"focus_absent", std::to_string(loss.absent)},
                                  {"margin", std::to_string(loss.margin)}});
  return builtin_task_kinds().at("labels").make({target});
}

/// Five samples of four labels: ties among the first's, of the third nothing is there and nothing
/// told, the last is there everywhere. The third sample has no label and none is told.
const std::vector<std::vector<double>> kLogits = {{0.5, -1, -2, 1},
                                                  {0.5, 2, -1, -0.25},
                                                  {-3, -4, -1, -1},
                                                  {0.5, -2, -5, 3},
                                                  {-1, 0.75, -0.5, 0.1}};
const std::vector<std::vector<double>> kThere = {
    {1, 0, 0, 1}, {0, 1, 0, 1}, {0, 0, 0, 0}, {1, 1, 0, 1}, {1, 0, 0, 1}};

torch::Tensor tensor_of(const std::vector<std::vector<double>>& rows) {
  std::vector<double> flat;
  for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  return torch::tensor(flat, torch::kFloat64).view({static_cast<std::int64_t>(rows.size()), -1});
}

Batch labelled(const std::vector<std::vector<double>>& there = kThere) {
  Batch batch;
  batch.targets = tensor_of(there);
  batch.size = batch.targets.size(0);
  batch.way = batch.targets.size(1);
  return batch;
}

TEST(LabelsKind, LossesAreThoseOfThePapers) {
  for (const LabelLoss& loss : {kBinary, kFocal, kAsymmetric, kShifted}) {
    double sum = 0;
    for (int i = 0; i < 5; ++i)
      for (int l = 0; l < 4; ++l) {
        const double p = 1 / (1 + std::exp(-kLogits[i][l]));
        const double q = std::max(p - loss.margin, 0.0);
        sum -= kThere[i][l] == 1 ? std::pow(1 - p, loss.present) * std::log(p)
                                 : std::pow(q, loss.absent) * std::log(1 - q);
      }
    EXPECT_NEAR(labels_kind(loss)->loss(tensor_of(kLogits), labelled()).item<double>(), sum / 20,
                1e-12);
  }
}

TEST(LabelsKind, LossesBearAnyLogits) {
  const auto logits = torch::tensor({-200.0, -30.0, 0.0, 30.0, 200.0}, torch::kFloat32);
  for (const LabelLoss& loss : {kBinary, kFocal, kAsymmetric, kShifted})
    for (const double there : {0.0, 1.0}) {
      const auto leaf = logits.view({5, 1}).clone().requires_grad_();
      const Batch batch =
          labelled(std::vector<std::vector<double>>(5, {there})).to(torch::kFloat32);
      const auto cost = labels_kind(loss)->loss(leaf, batch);
      const auto slope = torch::autograd::grad({cost}, {leaf}, {}, true, true)[0];
      const auto bend = torch::autograd::grad({slope.sum()}, {leaf})[0];
      EXPECT_TRUE(torch::stack({cost.expand_as(leaf), slope, bend}).isfinite().all().item<bool>());
    }
}

TEST(LabelsKind, SlopesAndCurvatureAreThoseOfDifferences) {
  const Batch batch = labelled();
  const auto direction = torch::linspace(-1, 1, 20, torch::kFloat64).view({5, 4});
  for (const LabelLoss& loss : {kBinary, kFocal, kAsymmetric, kShifted}) {
    const auto kind = labels_kind(loss);
    const auto slopes = [&](const torch::Tensor& at, bool graph) {
      return torch::autograd::grad({kind->loss(at, batch)}, {at}, {}, true, graph)[0];
    };
    const auto leaf = tensor_of(kLogits).requires_grad_();
    const auto slope = slopes(leaf, true);
    const auto bend = torch::autograd::grad({(slope * direction).sum()}, {leaf})[0];
    constexpr double kStep = 1e-6;
    const auto moved = [&](double sign) {
      return (leaf.detach() + sign * kStep * direction).requires_grad_();
    };
    const auto difference = (slopes(moved(1), false) - slopes(moved(-1), false)) / (2 * kStep);
    EXPECT_TRUE(torch::allclose(bend, difference, 1e-5, 1e-9));
    const double rise = (kind->loss(moved(1), batch) - kind->loss(moved(-1), batch)).item<double>();
    EXPECT_NEAR((slope * direction).sum().item<double>(), rise / (2 * kStep), 1e-8);
  }
}

/// By its definition: over all pairs of one that is there and one that is not.
double area_of(int label) {
  double won = 0, pairs = 0;
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 5; ++j) {
      if (kThere[i][label] == 0 || kThere[j][label] == 1) continue;
      const double a = kLogits[i][label], b = kLogits[j][label];
      won += a > b ? 1 : a == b ? 0.5 : 0;
      ++pairs;
    }
  return won / pairs;
}

/// By its definition: precision at each threshold, by how much recall grows there.
double precision_of(int label) {
  std::vector<double> thresholds;
  double all = 0, sum = 0, before = 0;
  for (int i = 0; i < 5; ++i) {
    thresholds.push_back(kLogits[i][label]);
    all += kThere[i][label];
  }
  std::sort(thresholds.rbegin(), thresholds.rend());
  for (const double from : thresholds) {
    double found = 0, seen = 0;
    for (int i = 0; i < 5; ++i) {
      seen += kLogits[i][label] >= from;
      found += kLogits[i][label] >= from && kThere[i][label] == 1;
    }
    sum += (found - before) / all * found / seen;
    before = found;
  }
  return sum;
}

TEST(LabelsKind, FiguresAreThoseOfTheirDefinitions) {
  const auto kind = labels_kind();
  const auto terms = kind->terms(tensor_of(kLogits).to(torch::kFloat32), labelled());
  ASSERT_EQ(terms.size(), 5u + 4 * 3);
  ASSERT_EQ(kind->figures().size(), 5u);
  ASSERT_EQ(kind->figures_by_target().size(), 3u);
  const auto expect = [&](std::size_t place, double sum, double of) {
    EXPECT_NEAR(terms[place].sum, sum, 1e-12) << place;
    EXPECT_EQ(terms[place].of, of) << place;
  };
  // The third label is nowhere; the fourth is missing in one sample.
  expect(0, precision_of(0) + precision_of(1) + precision_of(3), 3);
  expect(1, area_of(0) + area_of(1) + area_of(3), 3);
  // Told and there by label: 2, 1, 0, 3 of 3 + 3, 2 + 2, 0 + 0, 3 + 4.
  expect(2, 2 * 6, 17);
  expect(3, 4.0 / 6 + 2.0 / 4 + 6.0 / 7, 3);
  // By sample: both; one of two, two told; none at all; two of three; one of two, two told.
  expect(4, 1 + 2.0 / 4 + 4.0 / 5 + 2.0 / 4, 4);
  expect(5, precision_of(0), 1);
  expect(7, 4, 6);
  expect(11, 0, 0);
  expect(12, 0, 0);
  expect(13, 0, 0);
  expect(15, area_of(3), 1);
  EXPECT_NEAR(area_of(0), 4.0 / 6, 1e-12);  // two ties, one below
  EXPECT_EQ(kind->figures()[kind->score_column() - kind->metrics().size() - 1].name,
            kind->score_name());
}

TEST(LabelsKind, SaysWhatTargetsAreAndWhatIsTold) {
  const auto kind = labels_kind();
  EXPECT_TRUE(kind->is_target(0) && kind->is_target(1) && !kind->is_target(0.5f));
  EXPECT_NEAR(kind->measure(tensor_of(kLogits), labelled())[0], 15.0 / 20, 1e-12);
  const auto told = kind->told(tensor_of(kLogits), 4);
  EXPECT_NEAR(told[1][1].item<double>(), 1 / (1 + std::exp(-2.0)), 1e-12);
  const auto mean = torch::tensor({{0.0, 0.25, 1.0}}, torch::kFloat64);
  const auto back = kind->told(kind->outputs_of_mean(mean), 3);
  EXPECT_TRUE(torch::allclose(back, mean, 0, 2e-4) && back.min().item<double>() > 0);
  EXPECT_EQ(kind->say_score(0.5, 0.25), "mean average precision 50.00 +- 25.00 %");
  EXPECT_EQ(kind->say_score(0.5, std::nullopt), "mean average precision 50.00 %");
  EXPECT_THROW(labels_kind({0, 0, 1}), UserError);
}

/// Of more labels than anybody reads.
TEST(LabelsKind, OfVeryManyTargetsNoneHasFiguresOfItsOwn) {
  const auto kind = labels_kind();
  Batch batch = labelled({std::vector<double>(kMostTargetsTold + 1, 1.0)});
  EXPECT_EQ(kind->terms(batch.targets, batch).size(), 5u);
  batch.targets = batch.targets.narrow(1, 0, kMostTargetsTold);
  EXPECT_EQ(kind->terms(batch.targets, batch).size(), 5u + 3 * kMostTargetsTold);
}

}  // namespace
}  // namespace cuttle
