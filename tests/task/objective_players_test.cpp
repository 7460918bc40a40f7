// Objectives of two players: each parameter's gradient against finite differences of its own
// player's loss, written as loops, in float64.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/core/error.hpp"
#include "task/objective_bench.hpp"

namespace cuttle {
namespace {

TEST(Objectives, AdversariesGetTheirOwnGradients) {
  const auto bench_of = [](const char* reversal) {
    return Bench("adversarial", {{"width", "4"}, {"hidden", "6"}, {"reversal", reversal}});
  };
  const Bench against = bench_of("0.5");
  const Pass pass = against.model->look(against.p, against.batch, {});
  double expected = 0;
  int count = 0;
  for (std::size_t m = 0; m < 3; ++m)
    for (const auto row : kRows[m]) {
      const auto x =
          pass.senses.pooled[m][row].matmul(against.named(against.specs[m].name + ".weight").t());
      const auto hidden = torch::gelu(torch::linear(x, against.named("discriminator.0.weight"),
                                                    against.named("discriminator.0.bias")));
      const auto scores = torch::linear(hidden, against.named("discriminator.1.weight"),
                                        against.named("discriminator.1.bias"));
      expected -= torch::log_softmax(scores, 0)[static_cast<std::int64_t>(m)].item<double>();
      ++count;
    }
  EXPECT_NEAR(against.value(), expected / count, 1e-12);
  EXPECT_FALSE(against.objective->second_order());
  // Finite differences are of the value, which both players' parameters move: the discriminator
  // goes down it, the others up, half as fast.
  Tensors leaves;
  for (const auto& value : against.p) leaves.push_back(value.clone().requires_grad_());
  const auto gradients = torch::autograd::grad({against.loss(leaves)}, leaves, {}, {}, false, true);
  int moved = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!gradients[i].defined()) continue;
    const std::string& name = against.model->layout()->spec(static_cast<std::int64_t>(i)).name;
    const double factor = name.find("discriminator") != std::string::npos ? 1.0 : -0.5;
    Tensors up = against.p, down = against.p;
    const auto direction = torch::ones_like(up[i]);
    up[i] = up[i] + 1e-6 * direction;
    down[i] = down[i] - 1e-6 * direction;
    const double slope =
        (against.loss(up).item<double>() - against.loss(down).item<double>()) / 2e-6;
    EXPECT_NEAR(gradients[i].sum().item<double>(), factor * slope, 1e-7) << name;
    moved += std::abs(slope) > 1e-6 ? 1 : 0;
  }
  EXPECT_GT(moved, 8);
}

/// Of a discriminator's layers, what it says of sense m being `x` beside the sample's others.
torch::Tensor told_of(const Bench& bench, const Tensors& p, const Senses& senses, std::size_t m,
                      std::int64_t row, const torch::Tensor& x) {
  Tensors columns{senses.present[row]};
  for (std::size_t b = 0; b < 3; ++b) columns.push_back(b == m ? x : senses.pooled[b][row]);
  const auto layer = [&](const char* part) {
    const std::string name = "objective.o." + bench.specs[m].name + part;
    for (std::int64_t i = 0; i < bench.model->layout()->count(); ++i)
      if (bench.model->layout()->spec(i).name == name) return p[static_cast<std::size_t>(i)];
    ADD_FAILURE() << name;
    return torch::Tensor();
  };
  const auto hidden =
      torch::gelu(torch::linear(torch::cat(columns), layer(".0.weight"), layer(".0.bias")));
  return torch::linear(hidden, layer(".1.weight"), layer(".1.bias")).squeeze(0);
}

/// The losses of both players as numbers, sample by sample: discriminators', generators'.
std::pair<double, double> losses_of(const Bench& bench, const Tensors& p, const Context& context,
                                    bool hinge) {
  const Senses senses = bench.model->look(p, bench.batch, {}).senses;
  torch::Tensor known;
  const Tensors made = bench.model->completion()->said(p, senses, context, known);
  double told = 0, fooled = 0;
  for (std::size_t m = 0; m < 3; ++m) {
    double of_told = 0, of_fooled = 0;
    int count = 0;
    for (const auto row : kRows[m]) {
      if (senses.present[row].sum().item<double>() < 2) continue;
      const double real = told_of(bench, p, senses, m, row, senses.pooled[m][row]).item<double>(),
                   like = told_of(bench, p, senses, m, row, made[m][row]).item<double>();
      of_told += hinge ? std::max(0.0, 1 - real) + std::max(0.0, 1 + like)
                       : std::log(1 + std::exp(-real)) + std::log(1 + std::exp(like));
      of_fooled += hinge ? -like : std::log(1 + std::exp(-like));
      ++count;
    }
    told += of_told / count / 3;
    fooled += of_fooled / count / 3;
  }
  return {told, fooled};
}

/// Each parameter's gradient is that of its own player's loss, by finite differences.
class Players : public testing::TestWithParam<Values> {};

TEST_P(Players, GetTheGradientsOfTheirOwnLosses) {
  const Values& keys = GetParam();
  const auto is = [&](const char* key, const char* value) {
    return keys.count(key) > 0 && keys.at(key) == value;
  };
  const bool hinge = is("loss", "hinge"), parity = is("turns", "parity"),
             encoders = is("encoders", "true");
  const Bench bench("generative", keys, false, kRows, "generated");
  EXPECT_TRUE(bench.objective->players());
  EXPECT_FALSE(bench.objective->second_order());
  for (const std::uint64_t step : {6u, 7u}) {
    Context context;
    context.key = {1, Stream::kTrain, step, 2};
    Tensors leaves;
    for (const auto& value : bench.p) leaves.push_back(value.clone().requires_grad_());
    const auto loss = bench.objective->loss(leaves, bench.model->look(leaves, bench.batch, {}),
                                            bench.batch, context);
    EXPECT_NEAR(loss.item<double>(), losses_of(bench, bench.p, context, hinge).first, 1e-12);
    const auto gradients = torch::autograd::grad({loss}, leaves, {}, {}, false, true);
    std::map<std::string, int> moved;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      const std::string& name = bench.model->layout()->spec(static_cast<std::int64_t>(i)).name;
      const std::string owner = name.substr(0, name.find('.'));
      const bool discriminates = owner == "objective";
      Tensors up = bench.p, down = bench.p;
      torch::manual_seed(static_cast<std::int64_t>(i));
      const auto direction = torch::randn_like(up[i]);
      up[i] = up[i] + 1e-6 * direction;
      down[i] = down[i] - 1e-6 * direction;
      const auto [told_up, fooled_up] = losses_of(bench, up, context, hinge);
      const auto [told_down, fooled_down] = losses_of(bench, down, context, hinge);
      const bool waits = (parity && discriminates == (step == 7)) ||
                         (owner == "encoder" && !encoders) || owner == "fusion" || owner == "head";
      const double slope =
          waits ? 0.0 : (discriminates ? told_up - told_down : fooled_up - fooled_down) / 2e-6;
      const double own =
          gradients[i].defined() ? (gradients[i] * direction).sum().item<double>() : 0.0;
      EXPECT_NEAR(own, slope, 1e-7) << name << " in step " << step;
      moved[owner] += std::abs(own) > 1e-5 ? 1 : 0;
    }
    EXPECT_EQ(moved["objective"] > 8, !parity || step == 6);
    EXPECT_EQ(moved["completion"] > 8, !parity || step == 7);
    EXPECT_EQ(moved["encoder"] > 3, encoders);
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, Players,
                         testing::Values(Values{{"hidden", "6"}}, Values{{"loss", "hinge"}},
                                         Values{{"turns", "parity"}, {"hidden", "6"}},
                                         Values{{"encoders", "true"}, {"loss", "hinge"}}));

TEST(Objectives, WhoeverHasTwoPlayersHasToBeInTheOuterLoss) {
  for (const char* type : {"adversarial", "generative"})
    for (const char* where : {"outer", "inner", "both"}) {
      const Bench bench("completion", {}, false, kRows, "generated");
      std::string refusal;
      try {
        make_objectives({{"o2", {Section(type), 1.0, where}}}, builtin_objectives(), *bench.model,
                        *bench.kind);
      } catch (const UserError& problem) {
        refusal = problem.what();
      }
      EXPECT_EQ(refusal.find("inner loops move one of them") != std::string::npos,
                where == std::string("inner"))
          << refusal;
    }
  for (const char* none : {"none", "retrieved"})
    EXPECT_THROW(Bench("generative", {}, false, kRows, none), UserError);
}

}  // namespace
}  // namespace cuttle
