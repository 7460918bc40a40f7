// Norms by a sample's own statistics, and the blend of those with the support set's: against
// LibTorch's group norm, sums written out, and finite differences.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "cuttle/core/error.hpp"
#include "model/blocks/fused_block.hpp"
#include "norm_support.hpp"

namespace cuttle {
namespace {

torch::Tensor group_norm(const NormAlone& alone, const torch::Tensor& x, std::int64_t groups) {
  return torch::group_norm(x, groups, alone.own("weight"), alone.own("bias"), 1e-5, false);
}

TEST(SampleNorms, AreGroupNormsOfOneSomeAndAllChannels) {
  const NormAlone layer("layer"), instance("instance"), group("group", {{"norm_groups", "3"}});
  const auto x = image();
  EXPECT_LT(largest(layer.norm->forward(layer.p, x, {}, {}) - group_norm(layer, x, 1)), 1e-12);
  EXPECT_LT(largest(instance.norm->forward(instance.p, x, {}, {}) - group_norm(instance, x, 3)),
            1e-12);
  EXPECT_LT(largest(group.norm->forward(group.p, x, {}, {}) - group_norm(group, x, 3)), 1e-12);
}

/// Two groups of two channels each, by LibTorch's norm: neither of the extremes.
TEST(SampleNorms, GroupsAreOfNeighbours) {
  auto layout = std::make_shared<ParameterLayout>();
  const Section section("group", {{"norm_groups", "2"}});
  const auto norm = builtin_norms().at("group").make({section, *layout, "norm", 4, 1});
  const auto p = ParameterList::initial(layout, 1, torch::kFloat64).tensors();
  torch::manual_seed(3);
  const auto x = torch::randn({3, 4, 5, 2}, torch::kFloat64);
  EXPECT_LT(largest(norm->forward(p, x, {}, {}) - torch::group_norm(x, 2)), 1e-12);
  EXPECT_GT(largest(norm->forward(p, x, {}, {}) - torch::group_norm(x, 4)), 1e-3);
}

TEST(SampleNorms, RefuseGroupsThatDoNotFit) {
  EXPECT_THROW(NormAlone("group", {{"norm_groups", "2"}}), UserError);
}

/// A padded sequence is normalised as the same sequence without padding.
TEST(SampleNorms, PaddingCountsNowhere) {
  const std::vector<std::int64_t> steps{6, 3, 1, 2};
  for (const char* type : {"layer", "instance"}) {
    const NormAlone alone(type);
    const auto x = sequences(), mask = lengths();
    const auto y = alone.norm->forward(alone.p, x, mask, {});
    for (std::int64_t i = 0; i < 4; ++i) {
      const std::int64_t real = steps[static_cast<std::size_t>(i)];
      const auto cut = x.narrow(0, i, 1).narrow(2, 0, real);
      const auto expected = group_norm(alone, cut, type == std::string("layer") ? 1 : 3);
      EXPECT_LT(largest(y.narrow(0, i, 1).narrow(2, 0, real) - expected), 1e-11);
      EXPECT_EQ(largest(y[i] * (1 - mask[i]).unsqueeze(0)), 0.0);
    }
    EXPECT_TRUE(alone.norm->samples_apart());
  }
}

/// The paper's formulas, number by number.
TEST(TaskNorm, BlendsTheSupportsMomentsWithTheSamplesOwn) {
  const NormAlone alone("task");
  for (const bool masked : {false, true}) {
    const auto x = masked ? sequences() : image(), other = masked ? sequences() : image();
    const auto mask = masked ? lengths() : torch::Tensor();
    Statistics seen;
    Context of_support, of_query;
    of_support.record = &seen;
    of_query.given = &seen;
    const auto of_own = alone.norm->forward(alone.p, x, mask, of_support);
    const auto of_other = alone.norm->forward(alone.p, other, mask, of_query);
    const auto blend = alone.own("blend");
    const double a = 1 / (1 + std::exp(-(blend[0].item<double>() * 4 + blend[1].item<double>())));
    ASSERT_GT(a, 0.5);  // four support samples, weights above 0
    for (std::int64_t c = 0; c < 3; ++c) {
      const auto support = channel(x, mask, c);
      const double m_s = mean_of(support),
                   v_s = variance_of(support, static_cast<double>(support.size()));
      for (std::int64_t i = 0; i < 4; ++i)
        for (const auto& [values, got] : {std::pair(x, of_own), std::pair(other, of_other)}) {
          const auto row = masked ? mask.narrow(0, i, 1) : mask;
          const auto own = channel(values.narrow(0, i, 1), row, c),
                     result = channel(got.narrow(0, i, 1), row, c);
          const double m_i = mean_of(own), v_i = variance_of(own, static_cast<double>(own.size()));
          const double mean = a * m_s + (1 - a) * m_i;
          const double variance =
              a * (v_s + std::pow(m_s - mean, 2)) + (1 - a) * (v_i + std::pow(m_i - mean, 2));
          for (std::size_t t = 0; t < own.size(); ++t)
            EXPECT_NEAR(result[t],
                        (own[t] - mean) / std::sqrt(variance + 1e-5) *
                                alone.own("weight")[c].item<double>() +
                            alone.own("bias")[c].item<double>(),
                        1e-11);
        }
    }
  }
}

TEST(TaskNorm, IsTheSamplesOwnWhereTheSupportLacksTheSense) {
  const NormAlone alone("task"), instance("instance");
  const Statistics nothing;
  Context of_query;
  of_query.given = &nothing;
  const auto x = image();
  EXPECT_LT(largest(alone.norm->forward(alone.p, x, {}, of_query) - group_norm(alone, x, 3)),
            1e-12);
}

class SampleNormIn : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(SampleNormIn, MetaGradientEqualsFiniteDifferencesAndAnswersAreTheirOwn) {
  const auto learner = learner_of(GetParam().first, GetParam().second);
  const auto parameters = start(*learner);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  expect_differences(*learner, parameters, task);
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  const auto together = adapted->predict(task.query);
  for (std::int64_t i = 0; i < task.query.size; ++i)
    EXPECT_LT(largest(adapted->predict(select_rows(task.query, {i}))[0] - together[i]), 1e-12);
  EXPECT_TRUE(learner->model().samples_apart());
  EXPECT_FALSE(learner->model().uses_support());
}

/// A bias before the norm, which only a norm by a channel alone cancels, included.
TEST_P(SampleNormIn, OwnKernelsChangeNothing) {
  const auto ours = learner_of(GetParam().first, GetParam().second),
             theirs = learner_of(GetParam().first, GetParam().second, false);
  EXPECT_THAT(ours->model().fused_blocks(), testing::HasSubstr("image 2 of 3, text 2 of 4"));
  const Task task = tiny_task(ours->model(), 1, torch::kFloat64);
  const auto by_kernels = gradients_of(*ours, task), by_operations = gradients_of(*theirs, task);
  double size = 0;
  for (const auto& entry : by_operations) size = std::max(size, largest(entry.second));
  ASSERT_GT(size, 1e-3);
  for (const auto& [name, gradient] : by_operations)
    EXPECT_LT(largest(by_kernels.at(name) - gradient), 1e-10 * size) << name;
}

INSTANTIATE_TEST_SUITE_P(Learners, SampleNormIn,
                         testing::Values(std::pair("maml", "layer"), std::pair("maml", "group"),
                                         std::pair("maml", "instance"), std::pair("anil", "group"),
                                         std::pair("protonet", "instance")));

/// Without a graph many images go through in parts, by the statistics of all of them.
TEST(FusedBlock, InPartsIsTheWhole) {
  torch::manual_seed(4);
  const auto random = [](const std::vector<std::int64_t>& sizes) {
    return torch::randn(sizes, torch::kFloat64);
  };
  const auto images = random({600, 2, 6, 7}) + 3 * torch::arange(600).view({600, 1, 1, 1}) / 600;
  const auto steps = random({600, 2, 9});
  FusedNorm batch{1 + random({3}), random({3}), {}}, layer = batch, given = batch;
  layer.groups = 1;
  given.given = Moments{random({3}), 1 + random({3}).square()};
  for (const auto& x : {images, images.transpose(2, 3), steps})
    for (const auto& norm : {batch, layer, given}) {
      const Filters filters{x.dim() == 4 ? random({3, 2, 3, 3}) : random({3, 2, 3}), random({3})};
      const auto whole = fused_conv_block(x, filters, norm, {}, {});
      const torch::NoGradGuard no_grad;
      const auto parts = fused_conv_block(x, filters, norm, {}, {});
      EXPECT_LT(largest(parts.values - whole.values), 1e-12);
      EXPECT_EQ(parts.moments.mean.defined(), whole.moments.mean.defined());
      EXPECT_EQ(parts.moments.samples, whole.moments.samples);
      if (!whole.moments.mean.defined()) continue;
      EXPECT_LT(largest(parts.moments.mean - whole.moments.mean), 1e-12);
      EXPECT_LT(largest(parts.moments.variance - whole.moments.variance), 1e-12);
    }
}

}  // namespace
}  // namespace cuttle
