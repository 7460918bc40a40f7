// Inductive learners: an answer is of its own sample, to the bit; the support set is looked at
// once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <numeric>
#include <set>

#include "support/every_learner.hpp"
#include "support/tiny_task.hpp"

namespace cuttle {
namespace {

using testing::ElementsAre;

/// Whether a norm of this name goes by the batch at hand.
bool by_batch(const std::string& norm) {
  return norm.rfind("batch", 0) == 0;
}

class EveryLearner : public testing::TestWithParam<std::string> {
 protected:
  EveryLearner() { torch::set_num_threads(1); }

  static std::unique_ptr<const Learner> learner_of(const std::string& norm, const char* fusion) {
    TinySettings settings;
    settings.algorithm = GetParam();
    settings.norm = norm;
    settings.fusion = fusion;
    return tiny_learner(settings);
  }
};

/// The answers of `adapted` to the samples one by one, in this order, put where they belong.
torch::Tensor one_by_one(const Adapted& adapted, const Batch& query,
                         const std::vector<std::int64_t>& order) {
  Tensors rows(static_cast<std::size_t>(query.size));
  for (const std::int64_t i : order)
    rows[static_cast<std::size_t>(i)] = adapted.predict(select_rows(query, {i}));
  return torch::cat(rows);
}

TEST_P(EveryLearner, AnswersAreTheirOwnSamplesExactlyIfItIsInductive) {
  std::set<std::string> inductive;
  for (const auto& entry : builtin_norms())
    for (const char* fusion : {"concat", "late"}) {
      SCOPED_TRACE(entry.first + ", " + fusion);
      const auto learner = learner_of(entry.first, fusion);
      const auto parameters = ParameterList::initial(learner->model().layout(), 3);
      const Task task = tiny_task(learner->model(), 4, torch::kFloat32);
      const auto adapted = learner->adapt(parameters, task.support, task.key);
      EXPECT_EQ(learner->samples_apart(), !by_batch(entry.first));
      std::vector<std::int64_t> order(static_cast<std::size_t>(task.query.size));
      std::iota(order.begin(), order.end(), 0);
      const auto alone = one_by_one(*adapted, task.query, order);
      const auto together = adapted->predict(task.query);
      const double apart = (alone - together).abs().max().item<double>();
      if (!learner->samples_apart()) {
        EXPECT_GT(apart, 1e-4);
        continue;
      }
      EXPECT_LT(apart, 1e-5 * (1 + together.abs().max().item<double>()));
      // After the whole batch, the other way round, and by another that was saved before any.
      EXPECT_TRUE(
          torch::equal(one_by_one(*adapted, task.query, {8, 3, 0, 5, 7, 1, 6, 2, 4}), alone));
      const auto restored = learner->restore(
          learner->adapt(parameters, task.support, task.key)->state(), task.support.way);
      EXPECT_TRUE(torch::equal(restored->predict(task.query), together));
      EXPECT_TRUE(torch::equal(one_by_one(*restored, task.query, order), alone));
      inductive.insert(entry.first);
    }
  for (const char* norm : {"none", "running", "support"}) EXPECT_EQ(inductive.count(norm), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Apart, EveryLearner,
    testing::ValuesIn(learners_for({TaskForm::kEpisode, TaskForm::kMinibatch})), learner_name);

TEST(Apart, RefinementByTheQueryIsTransductive) {
  TinySettings settings;
  settings.algorithm = "protonet";
  settings.norm = "running";
  settings.refine = 1;
  const auto learner = tiny_learner(settings);
  EXPECT_FALSE(learner->samples_apart());
  EXPECT_TRUE(learner->model().samples_apart());
  const auto parameters = ParameterList::initial(learner->model().layout(), 3);
  const Task task = tiny_task(learner->model(), 4, torch::kFloat32);
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  const auto alone = one_by_one(*adapted, task.query, {0, 1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_GT((alone - adapted->predict(task.query)).abs().max().item<double>(), 1e-4);
}

TEST(Apart, OneNormByTheBatchMakesTheModelTransductive) {
  const auto apart = [](const char* image, const char* text) {
    ModelOptions options;
    options.encoders["image"] = Section("conv4", {{"norm", image}, {"depth", "2"}});
    options.encoders["text"] = Section("char_conv", {{"norm", text}, {"depth", "2"}});
    return Model(options, tiny_modalities(), 3, 1, ModelRegistry{}).samples_apart();
  };
  EXPECT_TRUE(apart("support", "running"));
  EXPECT_TRUE(apart("none", "support"));
  EXPECT_FALSE(apart("support", "batch"));
  EXPECT_FALSE(apart("batch", "none"));
}

/// Notes how many samples pass it at a time; features are the samples themselves.
class NotingBlock final : public Block {
 public:
  NotingBlock(bool apart, std::vector<std::int64_t>& passes) : apart_(apart), passes_(passes) {}
  std::string kind() const override { return "noting"; }
  bool samples_apart() const override { return apart_; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    passes_.push_back(input.values.size(0));
    return input;
  }

 private:
  bool apart_;
  std::vector<std::int64_t>& passes_;
};

class NotingEncoder final : public Encoder {
 public:
  NotingEncoder(const EncoderRequest& request, bool apart, std::vector<std::int64_t>& passes) {
    request.layout.add({request.prefix + ".weight", {2}});
    blocks_.push_back(std::make_unique<NotingBlock>(apart, passes));
    width_ = 2;
  }
  ModalityInput prepare(const RawModality&) const override { return {}; }
};

Batch points(std::int64_t count) {
  Batch batch;
  batch.size = count;
  batch.way = 2;
  batch.labels = torch::arange(count).remainder(2);
  ModalityInput input;
  input.values = torch::arange(2 * count).view({count, 2}).to(torch::kFloat32).sin();
  input.rows = torch::arange(count);
  batch.modalities.push_back(input);
  return batch;
}

/// How many samples went through the encoder at a time while 1, 3 and 1 were asked about.
std::vector<std::int64_t> passes_of(const char* algorithm, bool apart) {
  std::vector<std::int64_t> passes;
  ModelRegistry registry;
  registry.encoders["noting"].make = [&](const EncoderRequest& request) {
    return std::make_unique<const NotingEncoder>(request, apart, passes);
  };
  ModelOptions options;
  options.encoders["x"] = Section("noting");
  const ModalitySpec x{"x", ModalityKind::kVector, {2}, 0.0, {}, {}};
  const auto model = std::make_shared<Model>(options, std::vector<ModalitySpec>{x}, 0, 0, registry);
  const Section target("class"), adapt(algorithm);
  TaskInputs inputs{{x}, 0, 2};
  inputs.outputs = 2;
  inputs.support = 4;
  std::shared_ptr<const TaskKind> kind = builtin_task_kinds().at("class").make({target});
  const auto learner = make_learner(
      builtin_learners(),
      {adapt, model, kind, std::make_shared<const Objectives>(), model->declare(), inputs});
  const auto parameters = ParameterList::initial(model->layout(), 1);
  const auto adapted = learner->adapt(parameters, points(4), {});
  for (const std::int64_t count : {1, 3, 1}) adapted->predict(points(count));
  return passes;
}

TEST(Apart, TheSupportIsEmbeddedOnceAndEveryQueryByItself) {
  for (const char* algorithm : {"protonet", "r2d2", "snail", "pretrain"}) {
    EXPECT_THAT(passes_of(algorithm, true), ElementsAre(4, 1, 3, 1)) << algorithm;
    EXPECT_THAT(passes_of(algorithm, false), ElementsAre(5, 7, 5)) << algorithm;
  }
}

}  // namespace
}  // namespace cuttle
