// Queries asked about one by one, a class at a time, and in unequal shares.
#include "train/query_outputs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::Each;
using testing::ElementsAre;

std::vector<std::int64_t> labels_of(const Batch& batch) {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < batch.size; ++i)
    labels.push_back(batch.labels[i].item<std::int64_t>());
  return labels;
}

class Queries : public TinyShardsTest {
 protected:
  /// `norm` in place of the usual one, if it is given.
  struct Chosen : TinyModel {
    explicit Chosen(const std::string& algorithm, const std::string& norm = "")
        : TinyModel(shards_->path(), algorithm) {
      if (norm.empty()) return;
      for (auto& [name, encoder] : config.model.encoders) encoder.network.values["norm"] = norm;
      parts = assemble(config, run_data->inputs(), extensions);
      parameters =
          std::make_unique<ParameterList>(ParameterList::initial(parts.model->layout(), 1));
    }
  };
  /// The labels of each batch that a learner is asked about, in the plan's first episode.
  static std::vector<std::vector<std::int64_t>> asked(EvaluationPlan plan) {
    plan.episodes = 1;
    std::vector<std::vector<std::int64_t>> batches;
    Chosen model("protonet");
    model.follow({nullptr,
                  [&](const Batch&, const Batch& query) {
                    batches.push_back(labels_of(query));
                    return answers(query, 0, 1.0);
                  },
                  nullptr});
    EXPECT_EQ(model.evaluate(*make_solo_communicator(), plan).score.mean, 1.0);
    return batches;
  }
  static EvaluationReport report(const TinyModel& model, QueriesAtOnce at_once) {
    EvaluationPlan plan = tiny_plan();
    plan.at_once = at_once;
    return model.evaluate(*make_solo_communicator(), plan);
  }
};

TEST_F(Queries, AreAskedAboutAsThePlanSays) {
  EvaluationPlan plan = tiny_plan();
  EXPECT_THAT(asked(plan), ElementsAre(ElementsAre(0, 0, 1, 1, 2, 2)));
  plan.at_once = QueriesAtOnce::kClass;
  EXPECT_THAT(asked(plan), ElementsAre(ElementsAre(0, 0), ElementsAre(1, 1), ElementsAre(2, 2)));
  plan.at_once = QueriesAtOnce::kOne;
  EXPECT_THAT(asked(plan), ElementsAre(ElementsAre(0), ElementsAre(0), ElementsAre(1),
                                       ElementsAre(1), ElementsAre(2), ElementsAre(2)));
}

TEST_F(Queries, AnswersStandWhereTheirSamplesDo) {
  Chosen model("protonet");
  Task task = model.task(tiny_plan(), 0);
  task.query = select_rows(task.query, {5, 0, 2, 4, 1, 3});
  const auto whole = torch::one_hot(task.query.labels, 3) * 2.0;
  model.follow(
      {nullptr, [](const Batch&, const Batch& query) { return answers(query, 0, 2.0); }, nullptr});
  for (const auto at_once : {QueriesAtOnce::kAll, QueriesAtOnce::kClass, QueriesAtOnce::kOne})
    EXPECT_TRUE(
        torch::equal(query_outputs(*model.parts.learner, *model.parameters, task, at_once), whole));
}

TEST_F(Queries, OnlyATransductiveModelCaresHowManyThereAre) {
  for (const char* algorithm : {"protonet", "maml"})
    for (const char* norm : {"support", "batch"}) {
      SCOPED_TRACE(std::string(algorithm) + ", " + norm);
      const Chosen model(algorithm, norm);
      EXPECT_EQ(model.parts.learner->samples_apart(), norm == std::string("support"));
      const auto all = report(model, QueriesAtOnce::kAll);
      for (const auto at_once : {QueriesAtOnce::kClass, QueriesAtOnce::kOne}) {
        const auto other = report(model, at_once);
        if (model.parts.learner->samples_apart()) {
          EXPECT_EQ(other.episode_scores, all.episode_scores);
          EXPECT_NEAR(other.loss.mean, all.loss.mean, 1e-5);
        } else {
          EXPECT_GT(std::abs(other.loss.mean - all.loss.mean), 1e-3);
        }
      }
    }
}

TEST_F(Queries, UnequalSharesAreTheSameAtEveryWorldSize) {
  EvaluationPlan plan = tiny_plan();
  plan.unbalanced = true;
  plan.at_once = QueriesAtOnce::kOne;
  plan.episode.query = 8;
  const std::string alone = exact(Chosen("protonet").evaluate(*make_solo_communicator(), plan));
  EXPECT_THAT(
      on_ranks(3,
               [&](Communicator& comm) { return exact(Chosen("protonet").evaluate(comm, plan)); }),
      Each(alone));
  plan.unbalanced = false;
  EXPECT_NE(exact(Chosen("protonet").evaluate(*make_solo_communicator(), plan)), alone);
}

TEST_F(Queries, UnequalSharesLeaveAllQueriesToTheLargestClass) {
  EvaluationPlan plan = tiny_plan();
  plan.unbalanced = true;
  plan.episode.query = 8;
  const auto labels = asked(plan).at(0);
  const auto counts = unbalanced_counts(3, 8, evaluation_key(plan, 0));
  for (std::int64_t c = 0; c < 3; ++c)
    EXPECT_EQ(std::count(labels.begin(), labels.end(), c), counts[static_cast<std::size_t>(c)]);
  EXPECT_EQ(*std::max_element(counts.begin(), counts.end()), 8);
  EXPECT_LT(*std::min_element(counts.begin(), counts.end()), 8);
  EXPECT_TRUE(std::is_sorted(labels.begin(), labels.end()));
}

/// Moments of Dirichlet(2, ..., 2): mean 1/K, variance (K - 1) / (K^2 (2 K + 1)), covariance
/// -1 / (K^2 (2 K + 1)).
TEST(UnbalancedCounts, AreSharesOfADirichletDraw) {
  constexpr int kDraws = 20000, kWay = 5;
  double sum = 0, squares = 0, products = 0;
  for (std::uint32_t slot = 0; slot < kDraws; ++slot) {
    const auto counts = unbalanced_counts(kWay, 1'000'000, {3, Stream::kTest, 0, slot});
    const auto total =
        static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
    const double first = static_cast<double>(counts[0]) / total - 1.0 / kWay;
    const double last = static_cast<double>(counts[4]) / total - 1.0 / kWay;
    sum += first;
    squares += first * first;
    products += first * last;
  }
  const double unit = 1.0 / (kWay * kWay * (2 * kWay + 1));
  EXPECT_NEAR(sum / kDraws, 0, 5 * std::sqrt(4 * unit / kDraws));
  EXPECT_NEAR(squares / kDraws / (4 * unit), 1, 0.06);
  EXPECT_NEAR(products / kDraws / -unit, 1, 0.15);
}

}  // namespace
}  // namespace cuttle
