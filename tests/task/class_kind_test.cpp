// The loss that is adapted to, where classes have unequal numbers of samples: against own sums.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "cuttle/task/task_kind.hpp"

namespace cuttle {
namespace {

std::unique_ptr<const TaskKind> kind_of(const std::string& class_weights) {
  const Section target("class", {{"class_weights", class_weights}});
  return builtin_task_kinds().at("class").make({target});
}

/// Eight samples of class 0, one of class 1, three of class 3; class 2 does not occur.
Batch uneven_batch() {
  Batch batch;
  const std::vector<std::int64_t> labels{0, 0, 3, 0, 0, 1, 0, 3, 0, 0, 3, 0};
  batch.labels = torch::tensor(labels, torch::kInt64);
  batch.size = batch.labels.numel();
  batch.way = 4;
  return batch;
}

torch::Tensor some_outputs(const Batch& batch) {
  return torch::sin(torch::arange(batch.size * batch.way, torch::kFloat64).square())
      .view({batch.size, batch.way});
}

/// -log softmax of sample i at its label, times its weight, summed.
double own_loss(const torch::Tensor& outputs, const Batch& batch,
                const std::vector<double>& weights) {
  const auto x = outputs.accessor<double, 2>();
  double sum = 0;
  for (std::int64_t i = 0; i < batch.size; ++i) {
    double all = 0;
    for (std::int64_t c = 0; c < batch.way; ++c) all += std::exp(x[i][c]);
    const auto label = batch.labels[i].item<std::int64_t>();
    sum += weights[static_cast<std::size_t>(label)] * (std::log(all) - x[i][label]);
  }
  return sum;
}

TEST(ClassKind, ClassesOfTheSupportCountAlike) {
  const auto balanced = kind_of("balanced"), none = kind_of("none");
  const Batch batch = uneven_batch();
  const auto outputs = some_outputs(batch);
  const auto counts = balanced->support_weights(batch);
  ASSERT_EQ(counts.numel(), 12);
  EXPECT_NEAR(counts.mean().item<double>(), 1.0, 1e-12);
  for (std::int64_t i = 0; i < 12; ++i) {
    const std::array<double, 4> shots{8, 1, 0, 3};
    const auto label = static_cast<std::size_t>(batch.labels[i].item<std::int64_t>());
    EXPECT_NEAR(counts[i].item<double>(), 12.0 / 3 / shots[label], 1e-12);
  }
  EXPECT_NEAR(balanced->support_loss(outputs, batch).item<double>(),
              own_loss(outputs, batch, {1.0 / 3 / 8, 1.0 / 3, 0, 1.0 / 3 / 3}), 1e-12);
  const double plain = own_loss(outputs, batch, {1.0 / 12, 1.0 / 12, 1.0 / 12, 1.0 / 12});
  EXPECT_FALSE(none->support_weights(batch).defined());
  for (const auto& loss : {none->support_loss(outputs, batch), none->loss(outputs, batch),
                           balanced->loss(outputs, batch)})  // of a query: as ever
    EXPECT_NEAR(loss.item<double>(), plain, 1e-12);
}

TEST(ClassKind, TheBalancedLossHasSecondDerivatives) {
  const auto kind = kind_of("balanced");
  const Batch batch = uneven_batch();
  const auto at = some_outputs(batch), direction = torch::cos(at * 3);
  const auto slope = [&](const torch::Tensor& place, bool graph) {
    const auto leaf = place.detach().requires_grad_();
    const auto loss = kind->support_loss(leaf, batch);
    return std::pair(leaf, torch::autograd::grad({loss}, {leaf}, {}, true, graph)[0]);
  };
  const auto [leaf, gradient] = slope(at, true);
  const auto product = torch::autograd::grad({(gradient * direction).sum()}, {leaf})[0];
  const auto expected =
      (slope(at + 1e-5 * direction, false).second - slope(at - 1e-5 * direction, false).second) /
      2e-5;
  EXPECT_LT((product - expected).abs().max().item<double>(), 1e-9);
  EXPECT_GT(product.abs().max().item<double>(), 1e-3);
}

TEST(ClassKind, EvenSupportsKeepTheirBits) {
  const auto kind = kind_of("balanced");
  Batch batch = uneven_batch();
  batch.labels = torch::arange(12, torch::kInt64).remainder(3);  // class 3 does not occur
  const auto outputs = some_outputs(batch).to(torch::kFloat32);
  EXPECT_FALSE(kind->support_weights(batch).defined());
  EXPECT_TRUE(torch::equal(kind->support_loss(outputs, batch), kind->loss(outputs, batch)));
  batch = uneven_batch();
  batch.even = true;  // as Model::prepare says
  EXPECT_FALSE(kind->support_weights(batch).defined());
}

/// The loop that counts right answers against argmax, with ties and with what is no number.
TEST(ClassKind, AccuracyIsByTheLargestOutput) {
  const auto kind = kind_of("none");
  const Batch batch = uneven_batch();
  auto outputs = some_outputs(batch).to(torch::kFloat32);
  for (int c = 0; c < 4; ++c) outputs[0][c] = 0.5;
  outputs[1][2] = outputs[1][0] = 2.0;
  outputs[2][3] = outputs[5][2] = std::nan("");
  outputs[4].fill_(-std::numeric_limits<float>::infinity());
  const auto right = outputs.argmax(1).eq(batch.labels);
  const double share = right.to(torch::kFloat64).mean().item<double>();
  EXPECT_GT(share, 0);
  EXPECT_LT(share, 1);
  EXPECT_EQ(kind->measure(outputs, batch)[0], share);
  EXPECT_EQ(kind->measure(outputs.to(torch::kFloat64), batch)[0], share);
  EXPECT_EQ(kind->measure(outputs.t().contiguous().t(), batch)[0], share);
  for (std::int64_t i = 0; i < batch.size; ++i) {
    Batch one = batch;
    one.labels = batch.labels.slice(0, i, i + 1);
    one.size = 1;
    EXPECT_EQ(kind->measure(outputs.slice(0, i, i + 1), one)[0], right[i].item<bool>() ? 1 : 0);
  }
}

/// By own sums: labels of which a share goes to all classes, samples by how little they are seen.
TEST(ClassKind, SmoothedAndFocusedLossesAreThoseOfThePapers) {
  const Batch batch = uneven_batch();
  const auto outputs = some_outputs(batch);
  const auto known = torch::log_softmax(outputs, 1);
  const std::array<double, 4> shots{8, 1, 0, 3};
  for (const auto& [smoothing, focus] : {std::pair(0.1, 0), std::pair(0.0, 2), std::pair(0.3, 1)}) {
    double plain = 0, balanced = 0;
    for (std::int64_t i = 0; i < 12; ++i) {
      const auto label = batch.labels[i].item<std::int64_t>();
      double cost = 0;
      for (std::int64_t c = 0; c < 4; ++c)
        cost -= (smoothing / 4 + (c == label ? 1 - smoothing : 0)) * known[i][c].item<double>();
      cost *= std::pow(1 - std::exp(known[i][label].item<double>()), focus);
      plain += cost / 12;
      balanced += cost / shots[static_cast<std::size_t>(label)] / 3;
    }
    const Section target(
        "class", {{"smoothing", std::to_string(smoothing)}, {"focus", std::to_string(focus)}});
    const auto kind = builtin_task_kinds().at("class").make({target});
    EXPECT_FALSE(kind->simple_loss());  // engines that know cross-entropy stand back
    EXPECT_NEAR(kind->loss(outputs, batch).item<double>(), plain, 1e-12);
    EXPECT_NEAR(kind->support_loss(outputs, batch).item<double>(), balanced, 1e-12);
    const auto leaf = outputs.clone().requires_grad_();
    const auto slope = torch::autograd::grad({kind->loss(leaf, batch)}, {leaf}, {}, true, true)[0];
    const auto bend = torch::autograd::grad({slope.select(1, 0).sum()}, {leaf})[0];
    const auto step = torch::zeros_like(outputs);
    step.select(1, 0).fill_(1e-6);
    const auto slopes = [&](const torch::Tensor& at) {
      const auto there = at.detach().requires_grad_();
      return torch::autograd::grad({kind->loss(there, batch)}, {there})[0];
    };
    EXPECT_TRUE(torch::allclose(bend, (slopes(outputs + step) - slopes(outputs - step)) / 2e-6,
                                1e-5, 1e-8));
  }
}

}  // namespace
}  // namespace cuttle
