// Tasks as points, in float64: statistics sample by sample, and the Fisher information with every
// label in turn instead of drawn ones.
#include "cuttle/adapt/task_embedding.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <vector>

#include "adapt/variants.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// Mean and spread of the rows that count.
std::vector<double> moments(const torch::Tensor& x, const torch::Tensor& counts) {
  std::vector<double> means, spreads;
  for (std::int64_t c = 0; c < x.size(1); ++c) {
    double n = 0, sum = 0, squares = 0;
    for (std::int64_t i = 0; i < x.size(0); ++i) {
      const double value = x[i][c].item<double>(), share = counts[i].item<double>();
      n += share;
      sum += share * value;
      squares += share * value * value;
    }
    means.push_back(sum / n);
    spreads.push_back(std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n))));
  }
  means.insert(means.end(), spreads.begin(), spreads.end());
  return means;
}

void expect_near(const torch::Tensor& values, const std::vector<double>& wanted) {
  ASSERT_EQ(values.numel(), static_cast<std::int64_t>(wanted.size()));
  for (std::size_t i = 0; i < wanted.size(); ++i)
    EXPECT_NEAR(values[static_cast<std::int64_t>(i)].item<double>(), wanted[i], 1e-6);
}

TaskPoint point_of(TaskView view, const Learner& learner, const ParameterList& parameters,
                   const Task& task) {
  return task_point(view, learner.model(), parameters.tensors(), task.support, task.key);
}

TEST(TaskStatistics, AreMeanAndSpreadOfEveryPartThatIsThere) {
  for (const std::string fusion : {"concat", "late"}) {
    const auto learner = learner_of("protonet", 1, fusion, "none");
    const auto parameters = start(*learner, 0.05);
    const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
    const auto point = point_of(TaskView::kStatistics, *learner, parameters, task);
    const auto embedding = learner->model().embed(parameters.tensors(), task.support, {});
    ASSERT_EQ(point.size(), embedding.parts.size());
    for (std::size_t p = 0; p < embedding.parts.size(); ++p)
      expect_near(
          point.at("part " + std::to_string(p)),
          moments(embedding.parts[p], embedding.mask.select(1, static_cast<std::int64_t>(p))));
  }
}

TEST(TaskStatistics, OfASenseThatNobodyHasAreNotThere) {
  const auto learner = learner_of("protonet", 1, "late", "none");
  Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  task.support = keep_modalities(task.support, {false, true});
  const auto point = point_of(TaskView::kStatistics, *learner, start(*learner, 0.05), task);
  EXPECT_EQ(point.count("part 0"), 0u);
  EXPECT_EQ(point.count("part 1"), 1u);
}

/// They take level and spread out of the embedding, so these are told beside it.
TEST(TaskStatistics, SayWhatNormsTookAway) {
  const auto learner = learner_of("protonet", 1, "concat", "support");
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto parameters = start(*learner, 0.05);
  const auto point = point_of(TaskView::kStatistics, *learner, parameters, task);
  const auto seen = learner->model().look_at(parameters.tensors(), task.support, {});
  ASSERT_GT(seen.moments.size(), 0u);
  for (const auto& [norm, of] : seen.moments) {
    const auto& told = point.at("norm " + std::to_string(norm));
    const auto wanted = torch::cat({of.mean, of.variance.sqrt()});
    EXPECT_LT((told - wanted).abs().max().item<double>(), 1e-6);
  }
}

/// What puts raw input into its own units takes away what nothing else sees.
TEST(TaskStatistics, AreNotOfTheUnitsOfTheInput) {
  const auto learner = learner_of("protonet", 1, "concat", "none");
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto embedding = learner->model().embed(start(*learner, 0.05).tensors(), task.support, {});
  Statistics given;
  given.moments[3] = {torch::ones({2}), torch::ones({2}), 5, true};
  given.moments[4] = {torch::ones({2}), torch::ones({2}), 5};
  const auto point = task_statistics(embedding, given, task.support);
  EXPECT_EQ(point.count("norm 3"), 0u);
  EXPECT_EQ(point.count("norm 4"), 1u);
}

TEST(TaskStatistics, OfValuesAreOfThemTooAndHowTheyGoWithTheEmbedding) {
  const auto learner = value_learner("r2d2", {});
  const Task task = value_task();
  const auto parameters = start(*learner, 0.05);
  const auto point = point_of(TaskView::kStatistics, *learner, parameters, task);
  const auto x = learner->model().embed(parameters.tensors(), task.support, {}).parts[0];
  const auto& y = task.support.targets;
  expect_near(point.at("values"), moments(y, torch::ones({5}, torch::kFloat64)));
  std::vector<double> products;
  for (std::int64_t v = 0; v < 2; ++v)
    for (std::int64_t c = 0; c < x.size(1); ++c) {
      double sum = 0;
      const double mean = x.select(1, c).mean().item<double>();
      for (std::int64_t i = 0; i < 5; ++i)
        sum += y[i][v].item<double>() * (x[i][c].item<double>() - mean) / 5;
      products.push_back(sum);
    }
  expect_near(point.at("values by part 0"), products);
}

TEST(TaskStatistics, DistanceIsThatOfNormalDistributions) {
  const auto a = torch::tensor({0.0, 0.0, 1.0, 2.0}, torch::kFloat64);
  const auto b = torch::tensor({{3.0, 0.0, 1.0, 2.0}, {0.0, 0.0, 5.0, 5.0}}, torch::kFloat64);
  const auto distance = block_distances(TaskView::kStatistics, a, b);
  EXPECT_DOUBLE_EQ(distance[0].item<double>(), 9);   // means
  EXPECT_DOUBLE_EQ(distance[1].item<double>(), 25);  // spreads
}

/// Sum over samples and labels of p(y|x) (d log p(y|x) / dw)^2, mean over samples and rows.
torch::Tensor every_label(const Learner& learner, const ParameterList& parameters,
                          const Task& task) {
  const Model& model = learner.model();
  const auto leaves = leaves_of(parameters);
  const auto rows = model.embed(leaves, task.support, {}).parts[0];
  const auto unit = rows / rows.norm(2, {1}, true);
  Tensors centres;
  for (std::int64_t c = 0; c < 3; ++c) {
    const auto of = task.support.labels.eq(c).nonzero().squeeze(1);
    const auto mean = rows.index_select(0, of).mean(0).detach();
    centres.push_back(mean / mean.norm());
  }
  const auto log_p = torch::log_softmax(10 * unit.matmul(torch::stack(centres).t()), 1);
  Tensors weights, sums;
  for (std::int64_t i = 0; i < model.layout()->count(); ++i)
    if (model.layout()->spec(i).role == ParameterRole::kBody &&
        model.layout()->spec(i).shape.size() > 1)
      weights.push_back(leaves[static_cast<std::size_t>(i)]);
  for (const auto& weight : weights) sums.push_back(torch::zeros_like(weight).detach());
  for (std::int64_t i = 0; i < task.support.size; ++i)
    for (std::int64_t y = 0; y < 3; ++y) {
      const auto slopes = torch::autograd::grad({log_p[i][y]}, weights, {}, true, false, true);
      for (std::size_t w = 0; w < sums.size(); ++w)
        if (slopes[w].defined()) sums[w] += log_p[i][y].exp().detach() * slopes[w].square();
    }
  Tensors filters;
  for (const auto& sum : sums) filters.push_back(sum.flatten(1).mean(1) / task.support.size);
  return torch::cat(filters);
}

TEST(Fisher, IsWhatEveryLabelInTurnGives) {
  const auto learner = learner_of("protonet", 1, "concat", "none");
  const auto parameters = start(*learner, 0.05);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto wanted = every_label(*learner, parameters, task);
  auto mean = torch::zeros_like(wanted);
  constexpr std::uint32_t kTimes = 300;  // 16 draws each
  for (std::uint32_t t = 0; t < kTimes; ++t) {
    Task same = task;
    same.key.slot = t;
    mean += point_of(TaskView::kFisher, *learner, parameters, same).at("fisher") / kTimes;
  }
  EXPECT_GT(wanted.sum().item<double>(), 0);
  EXPECT_LT(((mean - wanted).norm() / wanted.norm()).item<double>(), 0.04);
}

TEST(Fisher, IsAFunctionOfTheKey) {
  const auto learner = learner_of("protonet", 1, "concat", "batch");
  const auto parameters = start(*learner, 0.05);
  Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto once = point_of(TaskView::kFisher, *learner, parameters, task).at("fisher");
  EXPECT_TRUE(once.equal(point_of(TaskView::kFisher, *learner, parameters, task).at("fisher")));
  task.key.slot += 1;
  EXPECT_FALSE(once.equal(point_of(TaskView::kFisher, *learner, parameters, task).at("fisher")));
}

/// Of F = (1, 3) and F' = (1, 1): (1/2, 3/4) and (1/2, 1/4).
TEST(Fisher, DistanceIsTheCosineOneOfShares) {
  const auto a = torch::tensor({1.0, 3.0}, torch::kFloat64);
  const auto b = torch::tensor({{1.0, 1.0}, {10.0, 30.0}}, torch::kFloat64);
  const auto distance = block_distances(TaskView::kFisher, a, b);
  const double product = 0.25 + 3.0 / 16;
  EXPECT_NEAR(distance[0].item<double>(),
              1 - product / std::sqrt((0.25 + 9.0 / 16) * (0.25 + 1.0 / 16)), 1e-12);
  EXPECT_NEAR(distance[1].item<double>(), 0, 1e-12);  // how much there is of it plays no part
}

TEST(Fisher, NeedsClasses) {
  const auto learner = value_learner("r2d2", {});
  EXPECT_THROW(point_of(TaskView::kFisher, *learner, start(*learner, 0.05), value_task()),
               UserError);
  EXPECT_THROW(task_view_from("mean"), UserError);
}

}  // namespace
}  // namespace cuttle
