// What completions say of senses that samples lack, against loops, in float64.
#include "cuttle/model/completion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/model/model.hpp"

namespace cuttle {
namespace {

constexpr double kTemperature = 0.3;
const std::vector<std::int64_t> kWidths{3, 4, 2};

struct Made {
  std::shared_ptr<ParameterLayout> layout = std::make_shared<ParameterLayout>();
  std::unique_ptr<const Completion> completion;
  Tensors p;
  explicit Made(const std::string& type) {
    const Section section(
        type,
        {{"completion_temperature", "0.3"}, {"completion_noise", "2"}, {"completion_hidden", "5"}});
    completion = builtin_completions().at(type).make({section, {"a", "b", "c"}, kWidths, *layout});
    p = ParameterList::initial(layout, 3, torch::kFloat64).tensors();
    torch::manual_seed(4);
    for (auto& value : p) value = value + 0.3 * torch::randn_like(value);
  }
};

/// present: rows of 0 and 1 by sense.
Senses senses_of(const std::vector<std::vector<double>>& present, int seed) {
  torch::manual_seed(seed);
  Senses senses;
  const auto n = static_cast<std::int64_t>(present.size());
  senses.present = torch::zeros({n, 3}, torch::kFloat64);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t m = 0; m < 3; ++m)
      senses.present[i][m] = present[static_cast<std::size_t>(i)][static_cast<std::size_t>(m)];
  for (std::int64_t m = 0; m < 3; ++m)
    senses.pooled.push_back(
        torch::randn({n, kWidths[static_cast<std::size_t>(m)]}, torch::kFloat64) *
        senses.present.narrow(1, m, 1));
  senses.complete = senses.present.min().item<double>() > 0;
  return senses;
}

double present_at(const Senses& senses, std::int64_t row, std::size_t sense) {
  return senses.present[row][static_cast<std::int64_t>(sense)].item<double>();
}

const std::vector<std::vector<double>> kSupport{{1, 1, 0}, {1, 0, 1}, {0, 1, 0}, {1, 1, 1}},
    kQuery{{0, 1, 0}, {1, 1, 1}, {0, 0, 1}, {1, 0, 0}};

TEST(Completion, PredictedIsTheMeanOfMapsFromTheOtherSenses) {
  const Made made("predicted");
  const Senses senses = senses_of(kSupport, 1);
  const Senses all = completed(*made.completion, made.p, senses, {});
  EXPECT_TRUE(all.complete);
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::size_t a = 0; a < 3; ++a) {
      torch::Tensor expected = senses.pooled[a][i];
      if (present_at(senses, i, a) == 0) {
        expected = torch::zeros({kWidths[a]}, torch::kFloat64);
        int count = 0;
        for (std::size_t b = 0; b < 3; ++b) {
          if (b == a || present_at(senses, i, b) == 0) continue;
          const std::size_t map = 2 * a + (b > a ? b - 1 : b);
          expected = expected + made.p[2 * map].matmul(senses.pooled[b][i]) + made.p[2 * map + 1];
          ++count;
        }
        expected = expected / count;
      }
      EXPECT_LT((all.pooled[a][i] - expected).abs().max().item<double>(), 1e-12);
    }
}

/// What a generator makes of sample i's other senses and noise.
torch::Tensor generated(const Made& made, const Senses& senses, std::int64_t i, std::size_t a,
                        const torch::Tensor& noise) {
  Tensors from{noise};
  for (std::size_t b = 0; b < 3; ++b) {
    if (b == a) continue;
    from.push_back(senses.pooled[b][i]);
    from.push_back(torch::full({1}, present_at(senses, i, b), torch::kFloat64));
  }
  const auto hidden = torch::gelu(made.p[4 * a].matmul(torch::cat(from)) + made.p[4 * a + 1]);
  return made.p[4 * a + 2].matmul(hidden) + made.p[4 * a + 3];
}

TEST(Completion, GeneratedIsMadeOfTheOtherSensesAndOfNoNoiseWhereItStandsIn) {
  const Made made("generated");
  const Senses senses = senses_of(kSupport, 1);
  for (const std::uint32_t slot : {0u, 1u}) {
    Context context;
    context.key = {1, Stream::kTrain, 2, slot};
    const Senses all = completed(*made.completion, made.p, senses, context);
    EXPECT_TRUE(all.complete);
    for (std::int64_t i = 0; i < 4; ++i)
      for (std::size_t a = 0; a < 3; ++a) {
        const auto expected =
            present_at(senses, i, a) > 0
                ? senses.pooled[a][i]
                : generated(made, senses, i, a, torch::zeros({2}, torch::kFloat64));
        EXPECT_LT((all.pooled[a][i] - expected).abs().max().item<double>(), 1e-12);
      }
  }
}

TEST(Completion, GeneratorsAreTaughtByNoiseOfTheTasksKey) {
  const Made made("generated");
  const Senses senses = senses_of(kSupport, 1);
  Context context;
  context.key = {1, Stream::kTrain, 2, 3};
  torch::Tensor known;
  const Tensors said = made.completion->said(made.p, senses, context, known);
  Random random(context.key.with(Stream::kModel, 20));
  for (std::size_t a = 0; a < 3; ++a)
    for (std::int64_t i = 0; i < 4; ++i) {
      const double first = random.normal(), second = random.normal();
      const auto noise = torch::tensor({first, second}, torch::kFloat64);
      EXPECT_LT((said[a][i] - generated(made, senses, i, a, noise)).abs().max().item<double>(),
                1e-12);
      // The third sample has b alone, of which nothing tells.
      EXPECT_EQ(known[i][static_cast<std::int64_t>(a)].item<double>(), i == 2 && a == 1 ? 0 : 1);
    }
}

/// Softmax over the cosines of what both have, of the samples that have the sense.
torch::Tensor retrieved(const Senses& from, const Senses& to, std::int64_t i, std::size_t a) {
  auto sum = torch::zeros({kWidths[a]}, torch::kFloat64);
  double total = 0;
  for (std::int64_t j = 0; j < from.present.size(0); ++j) {
    if (present_at(from, j, a) == 0) continue;
    double likeness = 0;
    int shared = 0;
    for (std::size_t b = 0; b < 3; ++b) {
      if (b == a || present_at(from, j, b) == 0 || present_at(to, i, b) == 0) continue;
      const auto x = to.pooled[b][i], y = from.pooled[b][j];
      likeness += (x.dot(y) / (x.norm() * y.norm())).item<double>();
      ++shared;
    }
    if (shared == 0) continue;
    const double weight = std::exp(likeness / shared / kTemperature);
    sum = sum + weight * from.pooled[a][j];
    total += weight;
  }
  return total == 0 ? torch::Tensor() : sum / total;
}

TEST(Completion, RetrievedIsTheMeanOfSupportSamplesByLikeness) {
  const Made made("retrieved");
  const Senses support = senses_of(kSupport, 1), query = senses_of(kQuery, 2);
  Statistics seen;
  Context record, given;
  record.record = &seen;
  given.given = &seen;
  const Senses own = completed(*made.completion, made.p, support, record),
               asked = completed(*made.completion, made.p, query, given);
  for (const auto& [before, after] : {std::pair(&support, &own), {&query, &asked}})
    for (std::int64_t i = 0; i < 4; ++i)
      for (std::size_t a = 0; a < 3; ++a) {
        const auto said = retrieved(support, *before, i, a);
        const bool had = present_at(*before, i, a) > 0;
        EXPECT_EQ(present_at(*after, i, a), had || said.defined() ? 1.0 : 0.0) << i << " " << a;
        const auto expected = had              ? before->pooled[a][i]
                              : said.defined() ? said
                                               : torch::zeros({kWidths[a]}, torch::kFloat64);
        EXPECT_LT((after->pooled[a][i] - expected).abs().max().item<double>(), 1e-9);
      }
  // A query's are its own, whoever is asked with it.
  Senses one;
  one.present = query.present.narrow(0, 2, 1);
  for (const auto& pooled : query.pooled) one.pooled.push_back(pooled.narrow(0, 2, 1));
  const Senses alone = completed(*made.completion, made.p, one, given);
  for (std::size_t a = 0; a < 3; ++a) EXPECT_TRUE(alone.pooled[a][0].equal(asked.pooled[a][2]));
}

TEST(Completion, WhatNothingIsSaidOfStaysAbsent) {
  const Senses senses = senses_of({{0, 1, 0}, {0, 1, 0}, {1, 0, 0}}, 3);
  const Senses all = completed(*Made("retrieved").completion, {}, senses, {});
  EXPECT_TRUE(all.present.equal(senses.present));  // nobody has two senses
  EXPECT_FALSE(all.complete);
  for (std::size_t m = 0; m < 3; ++m) EXPECT_TRUE(all.pooled[m].equal(senses.pooled[m]));
  EXPECT_FALSE(all.pooled[0].isnan().any().item<bool>());
}

class Twice : public testing::TestWithParam<const char*> {};

TEST_P(Twice, DerivativesAreThoseOfFiniteDifferences) {
  const Made made(GetParam());
  const Senses given = senses_of(kSupport, 1);
  Tensors leaves, direction;
  for (const auto& pooled : given.pooled) {
    leaves.push_back(pooled.clone().requires_grad_());
    direction.push_back(torch::randn_like(pooled));
  }
  const auto value = [&](const Tensors& pooled) {
    Senses senses = given;
    senses.pooled = pooled;
    const Senses all = completed(*made.completion, made.p, senses, {});
    auto sum = torch::zeros({}, torch::kFloat64);
    for (const auto& x : all.pooled) sum = sum + x.sin().sum();
    return sum;
  };
  const auto moved = [&](double step) {
    Tensors theta;
    for (std::size_t i = 0; i < leaves.size(); ++i)
      theta.push_back((leaves[i].detach() + step * direction[i]).requires_grad_());
    return theta;
  };
  const auto slope_at = [&](const Tensors& theta) {
    const auto gradients = torch::autograd::grad({value(theta)}, theta, {}, true, true);
    auto sum = torch::zeros({}, torch::kFloat64);
    for (std::size_t i = 0; i < theta.size(); ++i) sum = sum + (gradients[i] * direction[i]).sum();
    return sum;
  };
  const auto up = moved(1e-5), down = moved(-1e-5);
  const auto slope = slope_at(leaves);
  EXPECT_NEAR(slope.item<double>(), ((value(up) - value(down)) / 2e-5).item<double>(), 1e-7);
  const auto second = torch::autograd::grad({slope}, leaves);
  double bend = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i)
    bend += (second[i] * direction[i]).sum().item<double>();
  EXPECT_NEAR(bend, ((slope_at(up) - slope_at(down)) / 2e-5).item<double>(), 1e-5);
}
INSTANTIATE_TEST_SUITE_P(Types, Twice, testing::Values("generated", "predicted", "retrieved"));

TEST(Completion, IsForSeveralSensesAndFusionsOfVectors) {
  ModalitySpec spec;
  spec.name = "a";
  spec.kind = ModalityKind::kVector;
  spec.shape = {3};
  ModalitySpec other = spec;
  other.name = "b";
  ModelOptions options;
  options.completion = Section("retrieved");
  EXPECT_TRUE(Model(options, {spec, other}, 2, 1, ModelRegistry{}).uses_support());
  EXPECT_THROW(Model(options, {spec}, 2, 1, ModelRegistry{}), UserError);
  options.fusion = Section("cross_attention", {{"fusion_width", "8"}});
  EXPECT_THROW(Model(options, {spec, other}, 2, 1, ModelRegistry{}), UserError);
}

}  // namespace
}  // namespace cuttle
