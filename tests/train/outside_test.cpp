// How samples of no class of an episode are told from its queries: by hand, and against plain
// loops.
#include "train/outside.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <limits>

#include "cuttle/core/error.hpp"
#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::FloatEq;
using testing::HasSubstr;

constexpr float kFar = std::numeric_limits<float>::infinity();

torch::Tensor flags(const std::vector<int>& right) {
  return torch::tensor(right, torch::kInt64).to(torch::kBool);
}

TEST(JudgeOutside, EqualDistancesCountHalf) {
  EXPECT_EQ(chance_above({1, 2, 2, 5}, {0, 2, 6}), (0 + 2 + 4) / 12.0);
  EXPECT_EQ(chance_above({1, kFar}, {kFar}), 0.75);
}

TEST(JudgeOutside, KeepsNineteenOfTwentyQueries) {
  std::vector<float> distances;
  std::vector<int> right;
  for (int i = 20; i > 0; --i) {
    distances.push_back(static_cast<float>(i));
    right.push_back(i != 3);
  }
  // The farthest that is kept is 19; of the 19 kept all but one are right.
  EXPECT_THAT(judge_outside(distances, flags(right), {19, 19.5f, 25, kFar}),
              ElementsAre(FloatEq((18.5f + 19 + 20 + 20) / 80), FloatEq(0.25f), FloatEq(0.9f)));
}

TEST(JudgeOutside, OfFewQueriesKeepsAll) {
  EXPECT_THAT(judge_outside({3, 1, 2}, flags({1, 0, 1}), {3, 4}),
              ElementsAre(FloatEq(5.5f / 6), FloatEq(0.5f), FloatEq(2.0f / 3)));
}

class Outside : public TinyShardsTest {
 protected:
  /// Whose features are drawn: of the model's own data, or of another's.
  static OutsideSamples of(const TinyModel& model, const Dataset& data, Split split,
                           std::int64_t way = 3) {
    return {data, split, *model.data, Split::kTest, way, *model.parts.model, nullptr};
  }
  static EvaluationPlan plan_with(const OutsideSamples& outside) {
    EvaluationPlan plan = tiny_plan();
    plan.outside = &outside;
    return plan;
  }
};

/// The same samples, of no class.
class Unlabelled final : public DatasetView {
 public:
  explicit Unlabelled(std::unique_ptr<Dataset> data)
      : DatasetView(std::move(data)), samples_(data_->samples()) {
    for (SampleInfo& info : samples_) info.class_id = -1;
  }
  const std::vector<SampleInfo>& samples() const override { return samples_; }
  const std::vector<std::int32_t>& classes_of(Split) const override { return none_; }

 private:
  std::vector<SampleInfo> samples_;
  std::vector<std::int32_t> none_;
};

/// By plain loops: the distance of each embedding to the nearest class mean.
std::vector<float> distances_of(const Adapted& adapted, const Task& task, const Batch& asked) {
  const Novelty novelty(adapted.answer(task.support).embedding, task.support.labels, 3);
  return novelty.distances(adapted.answer(asked).embedding);
}

TEST_F(Outside, FiguresAreThoseOfPlainLoops) {
  const TinyModel model(shards_->path(), "protonet");
  const auto outside = of(model, *model.data, Split::kTest);
  const auto plan = plan_with(outside);
  const auto report = model.evaluate(*make_solo_communicator(), plan);
  double auroc = 0, taken = 0, accuracy = 0;
  for (std::int64_t n = 0; n < 7; ++n) {
    const Task task = model.task(plan, n);
    const auto adapted = model.parts.learner->adapt(*model.parameters, task.support, task.key);
    const auto own = distances_of(*adapted, task, task.query);
    const auto others = distances_of(*adapted, task, outside.draw(task));
    ASSERT_EQ(others.size(), 6u);
    const float farthest = *std::max_element(own.begin(), own.end());  // six: all are kept
    for (const float other : others) {
      taken += (other <= farthest) / 6.0 / 7;
      for (const float query : own)
        auroc += (other > query ? 1.0 : other == query ? 0.5 : 0.0) / 36 / 7;
    }
    accuracy +=
        adapted->predict(task.query).argmax(1).eq(task.query.labels).sum().item<double>() / 42;
  }
  ASSERT_TRUE(report.outside);
  EXPECT_NEAR(report.outside->auroc.mean, auroc, 1e-6);
  EXPECT_NEAR(report.outside->false_positives.mean, taken, 1e-6);
  EXPECT_NEAR(report.outside->accuracy.mean, accuracy, 1e-6);
  EXPECT_EQ(report.outside->auroc.count, 7);
  EXPECT_GT(auroc, 0.5);
  auto without = plan;
  without.outside = nullptr;
  const auto plain = model.evaluate(*make_solo_communicator(), without);
  EXPECT_FALSE(plain.outside);
  EXPECT_EQ(exact(plain), exact(report));
}

TEST_F(Outside, SameBitsOnEveryWorldSizeHiddenAndAskedOneByOne) {
  const TinyModel model(shards_->path(), "maml");
  const auto outside = of(model, *model.data, Split::kTest);
  auto plan = plan_with(outside);
  plan.missing_rate = 0.3;
  plan.unbalanced = true;
  for (const auto at_once : {QueriesAtOnce::kAll, QueriesAtOnce::kClass, QueriesAtOnce::kOne}) {
    plan.at_once = at_once;
    const auto told = [&](Communicator& comm) {
      const auto report = *model.evaluate(comm, plan).outside;
      return exact(report.auroc) + exact(report.false_positives) + exact(report.accuracy);
    };
    const std::string alone = told(*make_solo_communicator());
    for (const int ranks : {2, 3, 8}) EXPECT_THAT(on_ranks(ranks, told), Each(alone));
  }
}

TEST_F(Outside, NoneIsOfTheEpisodesClasses) {
  const TinyModel model(shards_->path(), "protonet");
  for (const Split split : {Split::kTest, Split::kAll}) {
    const auto outside = of(model, *model.data, split);
    for (std::int64_t n = 0; n < 7; ++n) {
      const Task task = model.task(tiny_plan(), n);
      const Batch drawn = outside.draw(task), again = outside.draw(task);
      EXPECT_EQ(drawn.size, task.query.size);
      // Nothing that is drawn is a sample of these classes, as their inputs tell.
      for (const auto id : task.classes)
        for (const std::int64_t sample : model.data->samples_of(id)) {
          const Batch one = model.parts.model->prepare(read_batch(*model.data, {sample}), 3);
          for (std::size_t m = 0; m < one.modalities.size(); ++m) {
            const auto& [values, mask, rows, encoded] = one.modalities[m];
            if (rows.numel() == 0 || drawn.modalities[m].rows.numel() == 0) continue;
            for (std::int64_t i = 0; i < drawn.modalities[m].rows.numel(); ++i) {
              const auto other = drawn.modalities[m].values[i];
              EXPECT_FALSE(other.sizes() == values[0].sizes() && torch::equal(other, values[0]));
            }
          }
        }
      for (std::size_t m = 0; m < drawn.modalities.size(); ++m)
        EXPECT_TRUE(torch::equal(drawn.modalities[m].rows, again.modalities[m].rows));
    }
  }
}

TEST_F(Outside, FewSamplesAreAllDrawn) {
  const TempFolder folder;
  SyntheticOptions options;
  options.modalities = {"image", "text"};
  options.classes = {1, 0, 0};
  options.samples_per_class = 4;
  write_synthetic_shards(folder.path(), options);
  const TinyModel model(shards_->path(), "protonet");
  DataOptions strangers;
  strangers.shards = {folder.path() + "/*.h5"};
  auto data = open_for(model.data->modalities(), strangers, model.extensions);
  EXPECT_EQ(of(model, *data, Split::kAll).draw(model.task(tiny_plan(), 0)).size, 4);
  EXPECT_THAT(refusal_of([&] { of(model, *data, Split::kTest); }), HasSubstr("of the 0 samples"));
  const Unlabelled unlabelled(std::move(data));
  EXPECT_EQ(of(model, unlabelled, Split::kAll).draw(model.task(tiny_plan(), 0)).size, 4);
}

TEST_F(Outside, EpisodesOfAllClassesHaveNoOutside) {
  const TinyModel model(shards_->path(), "protonet");
  const auto way = static_cast<std::int64_t>(model.data->classes_of(Split::kTest).size());
  EXPECT_THAT(refusal_of([&] { of(model, *model.data, Split::kTest, way); }),
              HasSubstr("take a smaller evaluation.way"));
  EXPECT_GT(of(model, *model.data, Split::kAll, way).size(), 0);
}

TEST_F(Outside, AnswersWithoutEmbeddingsAreRefused) {
  TinyModel model(shards_->path(), "protonet");
  model.follow(
      {nullptr, [](const Batch&, const Batch& q) { return torch::zeros({q.size, 3}); }, nullptr});
  const auto outside = of(model, *model.data, Split::kTest);
  EXPECT_THAT(refusal_of([&] { model.evaluate(*make_solo_communicator(), plan_with(outside)); }),
              HasSubstr("rest on no embeddings"));
}

}  // namespace
}  // namespace cuttle
