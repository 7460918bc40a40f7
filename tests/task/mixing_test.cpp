// Objectives that make samples between others: which they make, and the loss of these by loops.
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/task/objective.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kWidth = 4, kWays = 3;

RandomKey task_key(std::uint32_t slot) {
  return {3, Stream::kTesting, 1, slot};
}

/// An objective, and embeddings of labelled samples that a classifier answers, which notes what it
/// is asked.
struct Mixing {
  std::unique_ptr<const TaskKind> kind;
  std::unique_ptr<Model> model;
  std::unique_ptr<const Objective> objective;
  Batch batch;
  Pass pass;
  torch::Tensor weight;
  mutable Embedding asked;

  Mixing(const std::string& type, std::map<std::string, std::string> keys,
         const std::vector<std::int64_t>& labels, const std::string& target = "class") {
    torch::set_num_threads(1);
    kind = builtin_task_kinds().at(target).make({Section(target)});
    ModalitySpec spec;
    spec.name = "x";
    spec.kind = ModalityKind::kVector;
    spec.shape = {kWidth};
    model = std::make_unique<Model>(ModelOptions{}, std::vector{spec}, kWays, 1, ModelRegistry{});
    const Section section(type, std::move(keys));
    objective = builtin_objectives().at(type).make(
        {section, *model, model->declare(), "objective.o", *kind});
    torch::manual_seed(5);
    batch.size = static_cast<std::int64_t>(labels.size());
    batch.way = kWays;
    batch.labels = torch::tensor(labels, torch::kInt64);
    pass.embedding = one_part(torch::randn({batch.size, kWidth}, torch::kFloat64));
    weight = torch::randn({kWidth, kWays}, torch::kFloat64);
    pass.classify = [this](const Embedding& embedding) {
      asked = embedding;
      return embedding.parts[0].matmul(weight);
    };
  }
  double loss(std::uint32_t slot = 0) const {
    Context context;
    context.key = task_key(slot);
    return objective->loss({}, pass, batch, context).item<double>();
  }
  const torch::Tensor& rows() const { return pass.embedding.parts[0]; }
  double cost(const torch::Tensor& made, std::int64_t sample) const {
    const auto label = batch.labels[sample].item<std::int64_t>();
    return -torch::log_softmax(made.matmul(weight), 0)[label].item<double>();
  }
};

/// s with made = s a + (1 - s) b, or a negative number where there is none, or made is a.
double share_between(const torch::Tensor& made, const torch::Tensor& a, const torch::Tensor& b) {
  const auto way = a - b;
  const double s = ((made - b).dot(way) / way.dot(way)).item<double>();
  const bool there = (made - s * a - (1 - s) * b).abs().max().item<double>() < 1e-12;
  return there && s > 0 && s < 1 - 1e-9 ? s : -1;
}

TEST(Mixup, IsTheLossOfPlacesBetweenPairsWithTheLabelsOfBoth) {
  const Mixing mixing("mixup", {{"alpha", "0.7"}}, {0, 0, 1, 1, 2, 2, 2});
  std::set<std::vector<std::int64_t>> orders;
  for (std::uint32_t slot = 0; slot < 5; ++slot) {
    const double found = mixing.loss(slot);
    const auto& made = mixing.asked.parts[0];
    ASSERT_EQ(made.size(0), 7);
    double share = -1, expected = 0;
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < 7; ++i) {
      std::int64_t other = i;  // or itself
      for (std::int64_t j = 0; j < 7; ++j) {
        if (i == j) continue;
        const double s = share_between(made[i], mixing.rows()[i], mixing.rows()[j]);
        if (s < 0) continue;
        other = j;
        if (share >= 0) {
          EXPECT_NEAR(s, share, 1e-9);  // the task's
        }
        share = s;
      }
      if (other == i) {
        EXPECT_TRUE(torch::allclose(made[i], mixing.rows()[i]));
      }
      order.push_back(other);
    }
    ASSERT_GT(share, 0);
    for (std::int64_t i = 0; i < 7; ++i)
      expected += (share * mixing.cost(made[i], i) +
                   (1 - share) * mixing.cost(made[i], order[static_cast<std::size_t>(i)])) /
                  7;
    EXPECT_NEAR(found, expected, 1e-9);
    EXPECT_EQ(found, mixing.loss(slot));
    orders.insert(order);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6}));
  }
  EXPECT_GT(orders.size(), 3u);
}

// Of 0 and 1 with values 0 and 1 a swap costs s (1 - s), whose mean over Beta(a, a) is
// a / (2 (2 a + 1)).
TEST(Mixup, SharesAreOfTheBetaDistribution) {
  for (const double alpha : {0.2, 1.0, 3.0}) {
    Mixing mixing("mixup", {{"alpha", std::to_string(alpha)}}, {0, 1}, "value");
    mixing.batch.way = 1;
    mixing.batch.labels = torch::Tensor();
    mixing.batch.targets = torch::tensor({{0.0}, {1.0}}, torch::kFloat64);
    mixing.pass.embedding = one_part(torch::tensor({{0.0}, {1.0}}, torch::kFloat64));
    mixing.weight = torch::ones({1, 1}, torch::kFloat64);
    double sum = 0;
    int swaps = 0;
    constexpr std::uint32_t kTasks = 6000;
    for (std::uint32_t slot = 0; slot < kTasks; ++slot) {
      const double cost = mixing.loss(slot);
      if (mixing.asked.parts[0][0].item<double>() == 0) continue;  // as they were
      sum += cost;
      ++swaps;
    }
    EXPECT_NEAR(swaps, kTasks / 2, 4 * std::sqrt(kTasks) / 2);
    EXPECT_NEAR(sum / swaps, alpha / (2 * (2 * alpha + 1)), 0.008) << alpha;
  }
}

TEST(Mixup, APartThatOneOfBothLacksIsTheOthers) {
  Mixing mixing("mixup", {}, {0, 1});
  auto& embedding = mixing.pass.embedding;
  embedding.parts.push_back(torch::randn({2, 3}, torch::kFloat64));
  embedding.mask = torch::tensor({{1.0, 0.0}, {1.0, 0.5}}, torch::kFloat64);
  embedding.complete = false;
  for (std::uint32_t slot = 0;; ++slot) {
    mixing.loss(slot);
    if (share_between(mixing.asked.parts[0][0], mixing.rows()[0], mixing.rows()[1]) > 0) break;
  }
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(torch::allclose(mixing.asked.parts[1][i], embedding.parts[1][1]));
    EXPECT_NEAR(mixing.asked.mask[i][0].item<double>(), 1, 1e-12);
    EXPECT_NEAR(mixing.asked.mask[i][1].item<double>(), 0.5, 1e-12);
  }
  embedding.mask = torch::tensor({{1.0, 0.0}, {1.0, 0.0}}, torch::kFloat64);  // of neither
  mixing.loss();
  EXPECT_EQ(mixing.asked.mask.select(1, 1).max().item<double>(), 0);
}

TEST(Smote, FillsRareClassesBetweenNearNeighbours) {
  const std::vector<std::int64_t> labels{0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2};
  for (const std::size_t near : {1u, 2u, 5u}) {
    const Mixing mixing("smote", {{"neighbours", std::to_string(near)}}, labels);
    std::set<std::int64_t> towards;
    double shares = 0;
    for (std::uint32_t slot = 0; slot < 20; ++slot) {
      const double found = mixing.loss(slot);
      const auto& made = mixing.asked.parts[0];
      ASSERT_EQ(made.size(0), 3);  // of class 1, 7 in all; the one of class 2 has no neighbour
      double expected = 0;
      for (std::int64_t m = 0; m < 3; ++m) {
        const std::int64_t from = 7 + m;
        std::vector<std::pair<double, std::int64_t>> others;
        for (std::int64_t j = 7; j < 11; ++j)
          if (j != from)
            others.emplace_back(
                (mixing.rows()[from] - mixing.rows()[j]).square().sum().item<double>(), j);
        std::sort(others.begin(), others.end());
        others.resize(std::min(near, others.size()));
        int hits = 0;
        for (const auto& [distance, j] : others)
          if (const double s = share_between(made[m], mixing.rows()[from], mixing.rows()[j]);
              s > 0) {
            ++hits;
            shares += s / 60;
            if (m == 0) towards.insert(j);
          }
        EXPECT_EQ(hits, 1) << m;
        expected += mixing.cost(made[m], from) / 3;
      }
      EXPECT_NEAR(found, expected, 1e-9);
    }
    EXPECT_EQ(towards.size(), std::min<std::size_t>(near, 3)) << near;
    EXPECT_NEAR(shares, 0.5, 0.15);  // their mean: a deviation is 0.04
  }
}

TEST(Smote, EvenClassesGetNothingAndOtherTargetsAreRefused) {
  EXPECT_EQ(Mixing("smote", {}, {0, 0, 1, 1, 2, 2}).loss(), 0);
  EXPECT_EQ(Mixing("smote", {}, {0, 0, 1, 1, 2}).loss(), 0);  // a single one has no neighbour
  EXPECT_THROW(Mixing("smote", {}, {0, 0, 1}, "value"), UserError);
}

}  // namespace
}  // namespace cuttle
