// Norms whose statistics are not those of the batch at hand: the support set's, and averages over
// training; against LibTorch's batch norm with statistics given to it, sums written out, and
// finite differences.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "cuttle/step/outer_optimizer.hpp"
#include "norm_support.hpp"

namespace cuttle {
namespace {

TEST(RunningNorm, UsesItsAveragesInUse) {
  const NormAlone alone("running");
  for (const bool masked : {false, true}) {
    const auto x = masked ? sequences() : image();
    const auto mask = masked ? lengths() : torch::Tensor();
    auto expected = batch_norm_with(alone, x, alone.own("running_mean"), alone.own("running_var"));
    if (masked) expected = expected * mask.unsqueeze(1);
    Statistics seen;
    Context context = using_it();
    context.record = &seen;
    EXPECT_LT(largest(alone.norm->forward(alone.p, x, mask, context) - expected), 1e-12);
    EXPECT_TRUE(seen.observed().empty());
    const auto fused = alone.norm->fused(alone.p, context);
    EXPECT_TRUE(torch::equal(fused->given->mean, alone.own("running_mean")));
    EXPECT_TRUE(torch::equal(fused->given->variance, alone.own("running_var")));
  }
  EXPECT_TRUE(alone.norm->samples_apart());
}

TEST(RunningNorm, ATrainingPassObservesMeanAndUnbiasedVarianceOfRealSteps) {
  const NormAlone alone("running");
  for (const bool masked : {false, true}) {
    const auto x = masked ? sequences() : image();
    const auto mask = masked ? lengths() : torch::Tensor();
    Statistics seen;
    Context context;
    context.record = &seen;
    const auto y = alone.norm->forward(alone.p, x, mask, context);
    const auto observed = seen.observed();
    ASSERT_EQ(observed.size(), 2u);
    for (std::int64_t c = 0; c < 3; ++c) {
      const auto values = channel(x, mask, c);
      const auto n = static_cast<double>(values.size());
      EXPECT_EQ(n, masked ? 12 : 40);
      EXPECT_NEAR(observed.at(alone.place("running_mean"))[c].item<double>(), mean_of(values),
                  1e-12);
      EXPECT_NEAR(observed.at(alone.place("running_var"))[c].item<double>(),
                  variance_of(values, n - 1), 1e-12);
      // The output itself is by the biased variance, as batch norm's.
      std::size_t next = 0;
      for (const double v : channel(y, mask, c))
        EXPECT_NEAR(v,
                    alone.own("weight")[c].item<double>() * (values[next++] - mean_of(values)) /
                            std::sqrt(variance_of(values, n) + 1e-5) +
                        alone.own("bias")[c].item<double>(),
                    1e-11);
    }
    // A second pass of the task: their mean.
    const auto again = x + 2.0;
    alone.norm->forward(alone.p, again, mask, context);
    EXPECT_NEAR(seen.observed().at(alone.place("running_mean"))[1].item<double>(),
                mean_of(channel(x, mask, 1)) + 1.0, 1e-12);
    if (masked) {
      EXPECT_EQ(largest(y * (1 - mask).unsqueeze(1)), 0.0);
    }
  }
}

TEST(SupportNorm, GivesQueriesTheSupportsStatistics) {
  const NormAlone alone("support");
  for (const bool masked : {false, true}) {
    const auto x = masked ? sequences() : image(), other = masked ? sequences() : image();
    const auto mask = masked ? lengths() : torch::Tensor();
    Statistics seen;
    Context context;
    context.record = &seen;
    const auto y = alone.norm->forward(alone.p, x, mask, context);
    std::vector<double> means, variances;
    for (std::int64_t c = 0; c < 3; ++c) {
      const auto values = channel(x, mask, c);
      means.push_back(mean_of(values));
      variances.push_back(variance_of(values, static_cast<double>(values.size())));
    }
    const auto mean = torch::tensor(means, torch::kFloat64);
    const auto variance = torch::tensor(variances, torch::kFloat64);
    const auto real = masked ? mask.unsqueeze(1) : torch::ones({1}, torch::kFloat64);
    EXPECT_LT(largest(y - batch_norm_with(alone, x, mean, variance) * real), 1e-11);
    Context of_query;
    of_query.given = &seen;
    EXPECT_LT(largest(alone.norm->forward(alone.p, other, mask, of_query) -
                      batch_norm_with(alone, other, mean, variance) * real),
              1e-11);
  }
  EXPECT_TRUE(alone.norm->uses_support());
}

/// A sense that no support sample has gives no statistics: its values stay as they are.
TEST(SupportNorm, LeavesAloneWhatTheSupportLacks) {
  const NormAlone alone("support");
  const auto x = image();
  const Statistics nothing;
  Context of_query;
  of_query.given = &nothing;
  const auto zeros = torch::zeros({3}, torch::kFloat64), ones = torch::ones({3}, torch::kFloat64);
  EXPECT_LT(largest(alone.norm->forward(alone.p, x, {}, of_query) -
                    batch_norm_with(alone, x, zeros, ones)),
            1e-12);
}

struct Setting {
  const char *algorithm, *fusion, *norm;
};
class SupportNormIn : public testing::TestWithParam<Setting> {
 protected:
  Task task() const { return tiny_task(learner->model(), 1, torch::kFloat64); }
  std::unique_ptr<const Learner> learner_by(const std::string& norm, bool fused = true) const {
    return learner_of(GetParam().algorithm, norm, fused, GetParam().fusion);
  }
  std::unique_ptr<const Learner> learner = learner_by(GetParam().norm);
};

TEST_P(SupportNormIn, MetaGradientEqualsFiniteDifferencesOfTheAdaptedLoss) {
  expect_differences(*learner, start(*learner), task());
}

TEST_P(SupportNormIn, AnAnswerIsOfItsOwnQueryAlone) {
  const auto parameters = start(*learner);
  const Task task = this->task();
  const auto batch = learner_by("batch");
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  const auto by_batch = batch->adapt(start(*batch), task.support, task.key);
  const auto together = adapted->predict(task.query);
  double moved = 0;
  for (std::int64_t i = 0; i < task.query.size; ++i) {
    const Batch one = select_rows(task.query, {i});
    EXPECT_LT(largest(adapted->predict(one)[0] - together[i]), 1e-12);
    moved = std::max(moved, largest(by_batch->predict(one)[0] - by_batch->predict(task.query)[i]));
  }
  EXPECT_GT(moved, 1e-4);  // which is what batch norm does not promise
  EXPECT_GT(largest(together - by_batch->predict(task.query)), 1e-4);
  EXPECT_TRUE(learner->model().samples_apart());
  EXPECT_FALSE(batch->model().samples_apart());
}

TEST_P(SupportNormIn, RestoredStatePredictsTheSameBits) {
  const auto parameters = start(*learner, torch::kFloat32);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat32);
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  const auto restored = learner->restore(adapted->state(), 3);
  EXPECT_TRUE(torch::equal(restored->predict(task.query), adapted->predict(task.query)));
  EXPECT_EQ(restored->state().size(), adapted->state().size());
}

/// Small support sets often lack a sense that a query has.
TEST_P(SupportNormIn, ASenseThatTheSupportLacksKeepsAllPromises) {
  const auto parameters = start(*learner);
  Task task = this->task();
  task.support = keep_modalities(task.support, {false, true});
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  const auto together = adapted->predict(task.query);
  EXPECT_TRUE(together.isfinite().all().item<bool>());
  for (std::int64_t i = 0; i < task.query.size; ++i)
    EXPECT_LT(largest(adapted->predict(select_rows(task.query, {i}))[0] - together[i]), 1e-12);
  EXPECT_TRUE(torch::equal(learner->restore(adapted->state(), 3)->predict(task.query), together));
  expect_differences(*learner, parameters, task);
}

/// Own kernels give what LibTorch's operations give, the gradient through the support's statistics
/// included.
TEST_P(SupportNormIn, OwnKernelsChangeNothing) {
  const auto apart = learner_by(GetParam().norm, false);
  for (const bool lacking : {false, true}) {
    Task task = this->task();
    if (lacking) task.support = keep_modalities(task.support, {false, true});
    const auto ours = gradients_of(*learner, task), theirs = gradients_of(*apart, task);
    double size = 0;
    for (const auto& entry : theirs) size = std::max(size, largest(entry.second));
    ASSERT_GT(size, 1e-3);
    for (const auto& [name, gradient] : theirs)
      EXPECT_LT(largest(ours.at(name) - gradient), 1e-10 * size) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Learners, SupportNormIn,
    testing::Values(Setting{"maml", "concat", "support"}, Setting{"anil", "late", "support"},
                    Setting{"protonet", "late", "support"}, Setting{"r2d2", "concat", "support"},
                    Setting{"maml", "late", "task"}, Setting{"protonet", "concat", "task"}));

TEST(RunningNorm, TrainsByBatchNormsGradient) {
  for (const char* algorithm : {"maml", "anil", "protonet", "r2d2"})
    for (const bool fused : {true, false}) {
      const auto running = learner_of(algorithm, "running", fused);
      const auto batch = learner_of(algorithm, "batch", fused);
      const Task task = tiny_task(batch->model(), 1, torch::kFloat64);
      const auto ours = gradients_of(*running, task), theirs = gradients_of(*batch, task);
      ASSERT_EQ(ours.size(), theirs.size());
      double size = 0;
      for (const auto& entry : theirs) size = std::max(size, largest(entry.second));
      for (const auto& [name, gradient] : theirs)
        EXPECT_LT(largest(ours.at(name) - gradient), 1e-10 * size) << algorithm << " " << name;
    }
}

TEST(RunningNorm, OwnKernelsSeeTheSameStatistics) {
  const auto ours = learner_of("maml", "running"), theirs = learner_of("maml", "running", false);
  const auto parameters = start(*ours);
  const Task task = tiny_task(ours->model(), 1, torch::kFloat64);
  const auto& layout = *ours->model().layout();
  const auto a = layout.views(ours->meta_gradient(parameters, task).gradient),
             b = layout.views(theirs->meta_gradient(parameters, task).gradient);
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    if (layout.spec(i).section != ParameterSection::kStatistics) continue;
    const auto at = static_cast<std::size_t>(i);
    EXPECT_GT(largest(b[at]), 1e-4);
    EXPECT_LT(largest(a[at] - b[at]), 1e-12 * (1 + largest(b[at]))) << layout.spec(i).name;
  }
}

/// Averages move by (1 - m) old + m mean over the tasks that saw the sense; nothing else moves
/// them.
TEST(RunningNorm, OuterStepsMoveTheAveragesByWhatTasksSaw) {
  const auto learner = learner_of("maml", "running");
  const auto& layout = *learner->model().layout();
  const auto parameters = start(*learner, torch::kFloat32);
  std::vector<Task> tasks;
  for (const std::uint32_t slot : {1u, 2u, 3u})
    tasks.push_back(tiny_task(learner->model(), slot, torch::kFloat32));
  for (auto* batch : {&tasks[2].support, &tasks[2].query})
    *batch = keep_modalities(*batch, {false, true});  // the third task has no image
  auto mean = torch::zeros({layout.flat_size()});
  std::vector<Tensors> seen;
  for (const Task& task : tasks) {
    const auto gradient = learner->meta_gradient(parameters, task).gradient;
    seen.push_back(layout.views(gradient.clone()));
    mean += gradient / 3.0;
  }
  StepOptions options;
  options.outer_lr = 0.5;
  options.weight_decay = 0.1;
  options.clip = "norm";
  options.clip_at = 1e-3;
  const OuterOptimizer optimizer(options, 10, builtin_optimizers());
  TrainState state = optimizer.start(parameters.clone());
  const auto reduced = layout.reduced(mean).contiguous();
  optimizer.apply(state, Span<const float>(reduced.data_ptr<float>(),
                                           static_cast<std::size_t>(reduced.numel())));
  std::int64_t statistics = 0;
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    if (layout.spec(i).section != ParameterSection::kStatistics) continue;
    ++statistics;
    const auto at = static_cast<std::size_t>(i);
    const bool of_image = layout.spec(i).name.rfind("encoder.image", 0) == 0;
    const auto sum = seen[0][at] + seen[1][at] + (of_image ? 0.0 * seen[2][at] : seen[2][at]);
    EXPECT_EQ(largest(seen[2][at]) == 0.0, of_image) << layout.spec(i).name;
    const auto expected = 0.9 * parameters.tensors()[at] + 0.1 * sum / (of_image ? 2.0 : 3.0);
    EXPECT_LT(largest(state.parameters.tensors()[at] - expected), 1e-6 * (1 + largest(expected)))
        << layout.spec(i).name;
    EXPECT_GT(largest(expected - parameters.tensors()[at]), 1e-4);
    for (const auto& slot : state.slots) EXPECT_EQ(largest(layout.views(slot.values)[at]), 0.0);
  }
  EXPECT_EQ(statistics, 8);  // mean and variance of two norms of two senses
}

TEST(RunningNorm, MomentumIsTheConfigs) {
  const NormAlone alone("running", {{"norm_momentum", "0.25"}});
  EXPECT_EQ(alone.layout->spec(alone.place("running_mean")).outer.momentum, 0.25);
  EXPECT_EQ(alone.layout->spec(alone.place("running_var")).outer.momentum, 0.25);
}

}  // namespace
}  // namespace cuttle
