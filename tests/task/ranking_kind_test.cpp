// Rankings: losses against own sums in doubles, and figures against their means over every order
// that scores leave open.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cuttle/task/task_kind.hpp"

namespace cuttle {
namespace {

std::unique_ptr<const TaskKind> ranking_kind(const std::string& loss, int cut = 3) {
  const Section target("ranking", {{"ranking_loss", loss}, {"cut", std::to_string(cut)}});
  return builtin_task_kinds().at("ranking").make({target});
}

const std::vector<double> kScores = {0.5, 2, 0.5, -1, 0.5, 2, -3};
const std::vector<double> kRelevance = {0, 0, 2, 1, 0.5, 1, 0};

torch::Tensor column_of(const std::vector<double>& numbers) {
  return torch::tensor(numbers, torch::kFloat64).view({-1, 1});
}

Batch relevances(const torch::Tensor& targets) {
  Batch batch;
  batch.targets = targets;
  batch.size = targets.size(0);
  batch.way = targets.size(1);
  return batch;
}

TEST(RankingKind, LossesAreThoseOfThePapers) {
  double pairs = 0, pairwise = 0, of_scores = 0, of_relevance = 0, listwise = 0;
  for (std::size_t i = 0; i < 7; ++i) {
    of_scores += std::exp(kScores[i]);
    of_relevance += std::exp(kRelevance[i]);
    for (std::size_t j = 0; j < 7; ++j) {
      if (kRelevance[i] <= kRelevance[j]) continue;
      pairwise += std::log1p(std::exp(kScores[j] - kScores[i]));
      ++pairs;
    }
  }
  for (std::size_t i = 0; i < 7; ++i)
    listwise -= std::exp(kRelevance[i]) / of_relevance * (kScores[i] - std::log(of_scores));
  const Batch batch = relevances(column_of(kRelevance));
  const auto scores = column_of(kScores);
  EXPECT_NEAR(ranking_kind("pairwise")->loss(scores, batch).item<double>(), pairwise / pairs,
              1e-12);
  EXPECT_NEAR(ranking_kind("listwise")->loss(scores, batch).item<double>(), listwise, 1e-12);
  // Lists of two targets stand apart.
  const auto both = torch::cat({scores, scores.flip(0)}, 1);
  const Batch twice = relevances(torch::cat({batch.targets, batch.targets.flip(0)}, 1));
  EXPECT_NEAR(ranking_kind("pairwise")->loss(both, twice).item<double>(), pairwise / pairs, 1e-12);
  EXPECT_NEAR(ranking_kind("listwise")->loss(both, twice).item<double>(), listwise, 1e-12);
  // Nothing is before anything.
  const Batch alike = relevances(torch::ones_like(scores));
  EXPECT_EQ(ranking_kind("pairwise")->loss(scores, alike).item<double>(), 0);
}

TEST(RankingKind, LossesHaveSecondDerivatives) {
  const Batch batch = relevances(column_of(kRelevance));
  const auto direction = torch::linspace(-1, 1, 7, torch::kFloat64).view({7, 1});
  for (const char* name : {"pairwise", "listwise"}) {
    const auto kind = ranking_kind(name);
    const auto slopes = [&](const torch::Tensor& at, bool graph) {
      return torch::autograd::grad({kind->loss(at, batch)}, {at}, {}, true, graph)[0];
    };
    const auto leaf = column_of(kScores).requires_grad_();
    const auto bend = torch::autograd::grad({(slopes(leaf, true) * direction).sum()}, {leaf})[0];
    const auto moved = [&](double sign) {
      return (leaf.detach() + sign * 1e-6 * direction).requires_grad_();
    };
    const auto difference = (slopes(moved(1), false) - slopes(moved(-1), false)) / 2e-6;
    EXPECT_TRUE(torch::allclose(bend, difference, 1e-5, 1e-9));
  }
}

/// Means over every order of the samples by falling score: NDCG, recall, reciprocal rank.
std::vector<double> over_all_orders(std::size_t cut) {
  std::vector<std::size_t> order(kScores.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  auto best = kRelevance;
  std::sort(best.rbegin(), best.rend());
  double most = 0, orders = 0, relevant = 0;
  for (std::size_t i = 0; i < cut; ++i)
    most += (std::pow(2, best[i]) - 1) / std::log2(static_cast<double>(i + 2));
  for (const double r : kRelevance) relevant += r >= 1;
  std::vector<double> sums(3, 0);
  do {
    bool falls = true;
    for (std::size_t i = 1; i < order.size(); ++i)
      falls = falls && kScores[order[i - 1]] >= kScores[order[i]];
    if (!falls) continue;
    ++orders;
    double first = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const double r = kRelevance[order[i]];
      if (i < cut) sums[0] += (std::pow(2, r) - 1) / std::log2(static_cast<double>(i + 2)) / most;
      if (i < cut && r >= 1) sums[1] += 1 / relevant;
      if (r >= 1 && first == 0) first = 1 / static_cast<double>(i + 1);
    }
    sums[2] += first;
  } while (std::next_permutation(order.begin(), order.end()));
  for (double& sum : sums) sum /= orders;
  return sums;
}

TEST(RankingKind, FiguresAreMeansOverTheOrdersOfEquals) {
  for (const int cut : {1, 3, 4, 7}) {
    const auto kind = ranking_kind("listwise", cut);
    const auto terms =
        kind->terms(column_of(kScores).to(torch::kFloat32), relevances(column_of(kRelevance)));
    ASSERT_EQ(terms.size(), 6u);
    const auto expected = over_all_orders(static_cast<std::size_t>(cut));
    for (std::size_t i = 0; i < 6; ++i) {
      EXPECT_NEAR(terms[i].sum, expected[i % 3], 1e-12) << cut << " " << i;
      EXPECT_EQ(terms[i].of, 1);
    }
    EXPECT_EQ(kind->figures()[kind->score_column() - 1].name, kind->score_name());
    EXPECT_EQ(kind->score_name(), "ndcg_at_" + std::to_string(cut));
  }
}

TEST(RankingKind, AllEqualScoresRankByChanceAndNothingRelevantHasNoFigure) {
  const auto kind = ranking_kind("pairwise", 2);
  const auto flat = torch::zeros({4, 1}, torch::kFloat64);
  const auto terms = kind->terms(flat, relevances(column_of({0, 1, 0, 0})));
  EXPECT_NEAR(terms[1].sum, 0.5, 1e-12);
  EXPECT_NEAR(terms[2].sum, (1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4) / 4, 1e-12);
  for (const auto& term : kind->terms(flat, relevances(flat))) {
    EXPECT_EQ(term.sum, 0);
    EXPECT_EQ(term.of, 0);
  }
  EXPECT_TRUE(kind->is_target(0) && kind->is_target(30));
  EXPECT_FALSE(kind->is_target(-1) || kind->is_target(31));
  EXPECT_EQ(kind->say_score(0.5, 0.25), "NDCG@2 0.5000 +- 0.2500");
}

}  // namespace
}  // namespace cuttle
