// Temperatures, distances from a support set, and what validation episodes say of both.
#include "cuttle/train/calibration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <limits>

#include "cuttle/core/random.hpp"
#include "train/reliability.hpp"
#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::Each;
using testing::ElementsAre;

/// Labels drawn from the probabilities of the logits [n, way].
torch::Tensor drawn_from(const torch::Tensor& logits) {
  Random random(RandomKey{5, Stream::kTrain, 0, 0});
  const auto sums = torch::softmax(logits, 1).cumsum(1);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < logits.size(0); ++i) {
    const double draw = random.uniform();
    std::int64_t label = 0;
    while (label + 1 < logits.size(1) && sums[i][label].item<double>() < draw) ++label;
    labels.push_back(label);
  }
  return torch::tensor(labels, torch::kInt64);
}

torch::Tensor some_logits(std::int64_t samples) {
  Random random(RandomKey{6, Stream::kTrain, 0, 0});
  std::vector<double> values;
  for (std::int64_t i = 0; i < 4 * samples; ++i) values.push_back(2 * random.normal());
  return torch::tensor(values, torch::kFloat64).view({samples, 4});
}

TEST(Temperature, IsHowMuchTooSureTheLogitsAre) {
  const auto logits = some_logits(4000), labels = drawn_from(logits);
  const double right = fit_temperature(logits, labels);
  EXPECT_NEAR(right, 1.0, 0.08);
  EXPECT_NEAR(fit_temperature(3 * logits, labels), 3 * right, 1e-6);
  EXPECT_NEAR(fit_temperature(logits / 4, labels), right / 4, 1e-6);
}

TEST(Temperature, OfAnswersThatAreAllRightLeavesADoubt) {
  const auto logits = torch::tensor({{5.0, 0.0}, {0.0, 5.0}}, torch::kFloat64);
  const double temperature = fit_temperature(logits, torch::tensor({0, 1}, torch::kInt64));
  EXPECT_NEAR(temperature, 5 / std::log(3.0), 1e-9);  // probability 3/4
}

Embedding points(const std::vector<float>& xy) {
  return one_part(torch::tensor(xy).view({-1, 2}));
}

TEST(NoveltyTest, IsTheDistanceToTheNearestClassMeanInUnitsOfTheirOwn) {
  // Means (0, 0) and (4, 0), from two samples and one.
  const Novelty novelty(points({-1, 0, 1, 0, 4, 0}), torch::tensor({0, 0, 1}, torch::kInt64), 2);
  EXPECT_THAT(novelty.distances(points({0, 0, 4, 1, 2, 0, 4, 8})), ElementsAre(0, 0.25, 0.5, 2));
  const Novelty again(novelty.state());
  EXPECT_THAT(again.distances(points({4, 1})), ElementsAre(0.25));
}

TEST(NoveltyTest, LooksAtThePartsThatBothHave) {
  Embedding support = points({0, 0, 2, 0});
  support.parts.push_back(torch::tensor({{0.0f}, {10.0f}}));
  support.mask = torch::tensor({{1.0f, 1.0f}, {1.0f, 0.0f}});  // nothing is known of the 10
  const Novelty novelty(support, torch::tensor({0, 1}, torch::kInt64), 2);
  Embedding asked = points({1, 0, 1, 0, 1, 0, 9, 9});
  asked.parts.push_back(torch::tensor({{3.0f}, {3.0f}, {3.0f}, {9.0f}}));
  asked.mask = torch::tensor({{1.0f, 0.0f}, {0.0f, 1.0f}, {1.0f, 1.0f}, {0.0f, 0.0f}});
  const auto distances = novelty.distances(asked);
  EXPECT_FLOAT_EQ(distances[0], 0.5);  // of the first part alone, between both
  EXPECT_FLOAT_EQ(distances[1], 3);    // of the second: one class has it, in units of 1
  EXPECT_FLOAT_EQ(distances[2], 0.5);  // class 1 by the first part
  EXPECT_EQ(distances[3], std::numeric_limits<float>::infinity());
}

TEST(NoveltyTest, OfWhatIsNotFiniteIsInfinite) {
  const Novelty novelty(points({0, 0, 4, 0}), torch::tensor({0, 1}, torch::kInt64), 2);
  EXPECT_THAT(novelty.distances(points({std::nanf(""), 0})),
              ElementsAre(std::numeric_limits<float>::infinity()));
}

TEST(CalibrationTest, KnownIsTheShareOfGenuineSamplesThatAreAsFar) {
  Calibration calibration;
  calibration.distances = {1, 2, 2, 5};
  EXPECT_EQ(calibration.known(0.5f), 1.0);
  EXPECT_EQ(calibration.known(2.0f), 4 / 5.0);
  EXPECT_EQ(calibration.known(3.0f), 2 / 5.0);
  EXPECT_EQ(calibration.known(std::numeric_limits<float>::infinity()), 1 / 5.0);
}

class Calibrating : public TinyShardsTest {
 protected:
  static Calibration of(const TinyModel& model, EvaluationPlan plan) {
    const auto source =
        model.run_data->source(model.parts, {plan.split, plan.episode, 0.0, true}, nullptr);
    return calibrate(*source, *model.parts.learner, *model.parameters, plan);
  }
};

TEST_F(Calibrating, KeepsAClassOutOfEachSupport) {
  TinyModel model(shards_->path(), "protonet");
  std::vector<std::int64_t> ways, queries;
  model.follow({nullptr,
                [&](const Batch& support, const Batch& query) {
                  ways.push_back(support.way);
                  queries.push_back(query.size);
                  EXPECT_EQ(support.labels.max().item<std::int64_t>(), support.way - 1);
                  return torch::zeros({query.size, support.way});
                },
                nullptr});
  EvaluationPlan plan = tiny_plan();
  plan.episodes = 3;
  const auto found = of(model, plan);
  EXPECT_EQ(found.way, plan.episode.way - 1);
  EXPECT_THAT(ways, ElementsAre(found.way, found.way, found.way));
  EXPECT_THAT(queries, Each(plan.episode.way * plan.episode.query));
  EXPECT_TRUE(found.distances.empty());  // such answers rest on no embeddings
  EXPECT_TRUE(std::isnan(found.separation));
}

TEST_F(Calibrating, ClassesMayHaveUnequalSupports) {
  TinyModel model(shards_->path(), "protonet");
  std::vector<std::int64_t> sizes;
  model.follow({nullptr,
                [&](const Batch& support, const Batch& query) {
                  for (std::int64_t label = 0; label < support.way; ++label)
                    sizes.push_back(support.labels.eq(label).sum().item<std::int64_t>());
                  return torch::zeros({query.size, support.way});
                },
                nullptr});
  EvaluationPlan plan = tiny_plan();
  plan.episode.shot = 3;
  plan.episodes = 2;
  const auto source =
      model.run_data->source(model.parts, {plan.split, plan.episode, 0.0, true}, nullptr);
  calibrate(*source, *model.parts.learner, *model.parameters, plan, {1, 3});
  EXPECT_THAT(sizes, ElementsAre(1, 3, 1, 3));
}

TEST_F(Calibrating, OfTwoClassesKeepsBoth) {
  const TinyModel model(shards_->path(), "protonet");
  EvaluationPlan plan = tiny_plan();
  plan.episode.way = 2;
  const auto found = of(model, plan);
  EXPECT_EQ(found.way, 2);
  EXPECT_TRUE(std::isnan(found.separation));
  EXPECT_EQ(static_cast<std::int64_t>(found.distances.size()),
            plan.episodes * 2 * plan.episode.query);
}

TEST_F(Calibrating, SeparatesClassesThatAModelTellsApart) {
  for (const std::string learner : {"protonet", "maml"}) {
    const TinyModel model(shards_->path(), learner);
    EvaluationPlan plan = tiny_plan();
    const auto found = of(model, plan);
    EXPECT_GT(found.separation, 0.6) << learner;
    EXPECT_TRUE(std::is_sorted(found.distances.begin(), found.distances.end()));
    EXPECT_EQ(of(model, plan).distances, found.distances) << "a pure function";
  }
}

TEST(ReliabilityTest, IsHowFarProbabilitiesAreFromWhatIsRight) {
  Reliability reliability;
  for (int i = 0; i < 10; ++i) reliability.add(0.9, i < 6);   // three tenths too sure
  for (int i = 0; i < 30; ++i) reliability.add(0.5, i < 18);  // a tenth too modest
  EXPECT_NEAR(reliability.error(), (10 * 0.3 + 30 * 0.1) / 40, 1e-6);
  reliability.add(1.0, true);
  EXPECT_NEAR(reliability.error(), (10 * 0.3 + 30 * 0.1) / 41, 1e-6);
}

TEST_F(Calibrating, TheErrorOfAnEvaluationIsOfItsProbabilities) {
  TinyModel model(shards_->path(), "protonet");
  const double sure = std::log(7.0 * static_cast<double>(tiny_plan().episode.way - 1) / 3.0);
  model.follow({nullptr, [&](const Batch&, const Batch& query) { return answers(query, 0, sure); },
                nullptr});  // always right, with probability 0.7
  EvaluationPlan plan = tiny_plan();
  plan.temperature = 1e-3;
  const auto report = model.evaluate(*make_solo_communicator(), plan);
  EXPECT_NEAR(report.calibration_error, 0.3, 1e-5);
  EXPECT_NEAR(report.calibrated_error, 0.0, 1e-5);
}

/// Tasks of a model's episodes whose queries have four labels each, drawn by known logits.
class LabelTasks final : public TaskSource {
 public:
  LabelTasks(const TinyModel& model, const EvaluationPlan& plan)
      : source_(
            model.run_data->source(model.parts, {plan.split, plan.episode, 0.0, true}, nullptr)) {}
  EpisodeSize size(const RandomKey& key) const override { return source_->size(key); }
  Task make(const RandomKey& key) const override {
    Task task = source_->make(key);
    Random random(key);
    std::vector<float> numbers, targets;
    for (std::int64_t i = 0; i < 4 * task.query.size; ++i) {
      numbers.push_back(static_cast<float>(2 * random.normal() - 1));
      targets.push_back(random.uniform() < 1 / (1 + std::exp(-numbers.back())) ? 1.0f : 0.0f);
    }
    logits = torch::tensor(numbers).view({-1, 4});
    task.query.targets = torch::tensor(targets).view({-1, 4});
    task.query.way = task.support.way = 4;
    return task;
  }
  mutable torch::Tensor logits;  ///< of the last task

 private:
  std::unique_ptr<const TaskSource> source_;
};

TEST_F(Calibrating, LabelsShareATemperatureThatSaysHowSureTheyAre) {
  TinyModel model(shards_->path(), "protonet");
  EvaluationPlan plan = tiny_plan();
  plan.episodes = 200;
  const LabelTasks tasks(model, plan);
  std::int64_t support = 0;
  model.parts.kind = builtin_task_kinds().at("labels").make({Section("labels")});
  model.follow({nullptr,
                [&](const Batch& given, const Batch&) {
                  support = given.size;
                  return 3 * tasks.logits;  // three times too sure
                },
                nullptr});
  const auto found = calibrate(tasks, *model.parts.learner, *model.parameters, plan);
  EXPECT_NEAR(found.temperature, 3, 0.2);
  EXPECT_EQ(support, plan.episode.way * plan.episode.shot);  // nothing is kept out
  EXPECT_TRUE(found.distances.empty());
  plan.temperature = found.temperature;
  const auto report =
      evaluate(*make_solo_communicator(), tasks, {}, *model.parts.learner, *model.parameters, plan);
  EXPECT_GT(report.calibration_error, 0.08);
  EXPECT_LT(report.calibrated_error, 0.02);
}

TEST_F(Calibrating, TheErrorOfLabelsIsOfHowOftenTheyAreThere) {
  TinyModel model(shards_->path(), "protonet");
  const EvaluationPlan plan = tiny_plan();
  const LabelTasks tasks(model, plan);
  model.parts.kind = builtin_task_kinds().at("labels").make({Section("labels")});
  double there = 0, labels = 0;
  model.follow({nullptr,
                [&](const Batch&, const Batch& query) {
                  there += query.targets.sum().item<double>();
                  labels += static_cast<double>(query.targets.numel());
                  return torch::full_like(tasks.logits, std::log(0.1 / 0.9));
                },
                nullptr});
  const auto report =
      evaluate(*make_solo_communicator(), tasks, {}, *model.parts.learner, *model.parameters, plan);
  EXPECT_NEAR(report.calibration_error, std::abs(there / labels - 0.1), 1e-6);
}

}  // namespace
}  // namespace cuttle
