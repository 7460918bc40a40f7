// What every fusion promises, in float64: references judge what they compute, these that nothing
// stands in what a sample lacks, that samples stand alone, and that second derivatives are those of
// the first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/model/fusion.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kSamples = 8, kWay = 3;
const std::vector<std::string> kSenses{"image", "sound", "text"};
const std::vector<std::int64_t> kWidths{6, 5, 4}, kTokenWidths{4, 3, 3};

using Words = std::map<std::string, std::string>;

std::unique_ptr<const Fusion> make(const std::string& type, const Words& keys,
                                   ParameterLayout& layout,
                                   const std::vector<std::string>& senses = kSenses) {
  Words words = keys;
  words.insert({{"embedding", "4"},
                {"fusion_width", "6"},
                {"fusion_layers", "1"},
                {"rank", "2"},
                {"factors", "2"},
                {"tensor_width", "2"}});
  const Section section(type, words);
  return builtin_fusions().at(type).make({section, senses, kWidths, kTokenWidths, layout});
}

/// Eight samples: every subset of three senses. `noise`: what stands where a sample has nothing.
Senses senses_of(double noise) {
  torch::manual_seed(4);
  Senses senses;
  senses.present = torch::zeros({kSamples, 3}, torch::kFloat64);
  for (std::int64_t i = 0; i < kSamples; ++i)
    for (std::int64_t m = 0; m < 3; ++m) senses.present[i][m] = (i >> m) & 1;
  for (std::int64_t m = 0; m < 3; ++m) {
    const auto has = senses.present.narrow(1, m, 1);
    const auto w = static_cast<std::size_t>(m);
    const std::int64_t steps = 2 + m;
    auto mask = torch::ones({kSamples, steps}, torch::kFloat64);
    mask.slice(0, 0, kSamples, 3).select(1, steps - 1).zero_();  // padding
    mask = mask * has;
    const auto filled = [&](const torch::Tensor& x, const torch::Tensor& real) {
      return x * real + noise * torch::randn_like(x) * (1.0 - real);
    };
    senses.pooled.push_back(filled(torch::randn({kSamples, kWidths[w]}, torch::kFloat64), has));
    senses.tokens.push_back(filled(
        torch::randn({kSamples, steps, kTokenWidths[w]}, torch::kFloat64), mask.unsqueeze(2)));
    senses.token_mask.push_back(mask);
  }
  return senses;
}

Senses sample_of(const Senses& senses, std::int64_t i) {
  Senses one{{}, {}, {}, senses.present.narrow(0, i, 1)};
  for (std::size_t m = 0; m < senses.pooled.size(); ++m) {
    one.pooled.push_back(senses.pooled[m].narrow(0, i, 1));
    one.tokens.push_back(senses.tokens[m].narrow(0, i, 1));
    one.token_mask.push_back(senses.token_mask[m].narrow(0, i, 1));
  }
  return one;
}

using Named = std::pair<std::string, Words>;

class EveryFusion : public testing::TestWithParam<Named> {
 protected:
  EveryFusion() {
    torch::set_num_threads(1);
    auto made = std::make_shared<ParameterLayout>();
    fusion = make(GetParam().first, GetParam().second, *made);
    layout = made;
    torch::manual_seed(3);
    const auto initial = ParameterList::initial(layout, 1, torch::kFloat64);
    for (const auto& value : initial.tensors())
      p.push_back((value + 0.3 * torch::randn_like(value)).requires_grad_());
  }
  /// [n, way]: what the fusion makes of the first columns of each part as logits.
  torch::Tensor answers(const Tensors& at, const Senses& senses) const {
    const Embedding embedding = fusion->forward(at, senses, {});
    std::vector<PartLogits> parts;
    for (std::size_t m = 0; m < embedding.parts.size(); ++m)
      parts.push_back({embedding.parts[m].narrow(1, 0, kWay),
                       embedding.mask.narrow(1, static_cast<std::int64_t>(m), 1)});
    return fusion->combine(parts, embedding.weights).logits;
  }
  std::shared_ptr<const ParameterLayout> layout;
  std::unique_ptr<const Fusion> fusion;
  Tensors p;
};

double largest(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

TEST_P(EveryFusion, WhatASampleLacksSaysNothing) {
  const Senses clean_senses = senses_of(0.0);
  const Embedding clean = fusion->forward(p, clean_senses, {});
  const Embedding noisy = fusion->forward(p, senses_of(9.0), {});
  ASSERT_EQ(clean.parts.size(), fusion->part_widths().size());
  EXPECT_TRUE(torch::equal(clean.mask, noisy.mask));
  for (std::size_t m = 0; m < clean.parts.size(); ++m) {
    EXPECT_EQ(clean.parts[m].size(1), fusion->part_widths()[m]);
    EXPECT_TRUE(torch::isfinite(clean.parts[m]).all().item<bool>());
    // concat adds its stand-ins to the zeros that a model gives; who lacks everything has no
    // answer.
    if (GetParam().first == "concat") continue;
    const auto has = clean.mask.narrow(1, static_cast<std::int64_t>(m), 1) *
                     clean_senses.present.sum(1, true).gt(0);
    EXPECT_LT(largest((clean.parts[m] - noisy.parts[m]) * has), 1e-12);
  }
}

TEST_P(EveryFusion, SamplesStandAlone) {
  const Senses senses = senses_of(0.0);
  const auto together = answers(p, senses);
  for (std::int64_t i = 0; i < kSamples; ++i)
    EXPECT_LT(largest(answers(p, sample_of(senses, i)) - together.narrow(0, i, 1)), 1e-12) << i;
}

TEST_P(EveryFusion, EverySenseCountsWhereItIs) {
  const Senses senses = senses_of(0.0);
  for (std::size_t m = 0; m < kSenses.size(); ++m) {
    Senses other = senses;
    other.pooled[m] = senses.pooled[m] + 1.0;
    other.tokens[m] = senses.tokens[m] + 1.0;
    const Embedding was = fusion->forward(p, senses, {}), is = fusion->forward(p, other, {});
    auto change = torch::zeros({kSamples}, torch::kFloat64);
    for (std::size_t part = 0; part < was.parts.size(); ++part)
      change += (is.parts[part] - was.parts[part]).abs().sum(1);
    const auto has = senses.present.select(1, static_cast<std::int64_t>(m)).gt(0);
    EXPECT_GT(change.masked_select(has).min().item<double>(), 1e-6) << kSenses[m];
  }
}

TEST_P(EveryFusion, SecondDerivativesAreThoseOfTheFirst) {
  const Senses senses = senses_of(0.0);
  const auto probe = torch::randn({kSamples, kWay}, torch::kFloat64);
  /// Sum of squares of the gradient, with its graph.
  const auto steepness = [&](const Tensors& at) {
    auto sum = torch::zeros({}, torch::kFloat64);
    const auto value = (answers(at, senses) * probe).sum() + answers(at, senses).square().sum();
    for (const auto& part : torch::autograd::grad({value}, at, {}, true, true, true))
      if (part.defined()) sum = sum + part.square().sum();
    return sum;
  };
  const auto sum = steepness(p);
  const auto curve = torch::autograd::grad({sum}, p, {}, false, false, true);
  for (std::size_t i = 0; i < p.size(); ++i) {
    const auto direction = torch::randn_like(p[i]);
    const auto at = [&](double step) {
      Tensors moved = p;
      moved[i] = (p[i] + step * direction).detach().requires_grad_();
      return steepness(moved).item<double>();
    };
    constexpr double kStep = 2e-5;
    const double slope =
        (8.0 * (at(kStep) - at(-kStep)) - (at(2.0 * kStep) - at(-2.0 * kStep))) / (12.0 * kStep);
    const double found = curve[i].defined() ? (curve[i] * direction).sum().item<double>() : 0.0;
    EXPECT_NEAR(found, slope, 1e-6 * (1 + std::abs(slope)))
        << layout->spec(static_cast<std::int64_t>(i)).name;
  }
}

std::vector<Named> every_fusion() {
  std::vector<Named> all{{"film", {{"film_by", "text"}}},
                         {"sense_graph", {{"edges", "full"}}},
                         {"late", {{"late_by", "product"}}},
                         {"late", {{"late_by", "vote"}}},
                         {"late", {{"late_by", "vote"}, {"late_weights", "sample"}}},
                         {"late", {{"late_by", "mean"}, {"late_weights", "sample"}}}};
  for (const auto& row : builtin_fusions()) all.push_back({row.first, {}});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Fusions, EveryFusion, testing::ValuesIn(every_fusion()),
                         [](const auto& named) {
                           std::string name = named.param.first;
                           for (const auto& [key, value] : named.param.second) name += "_" + value;
                           return name;
                         });

std::string refusal_of(const std::string& type, const Words& keys,
                       const std::vector<std::string>& senses = kSenses) {
  ParameterLayout layout;
  try {
    make(type, keys, layout, senses);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(Fusions, AnOuterProductThatIsTooLargeIsRefused) {
  EXPECT_EQ(refusal_of("tensor", {{"tensor_width", "39"}}), "");
  EXPECT_THAT(
      refusal_of("tensor", {{"tensor_width", "100"}}),
      testing::AllOf(testing::HasSubstr("3 senses with 100 columns"),
                     testing::HasSubstr("1030301 columns"), testing::HasSubstr("39 or less")));
}

TEST(Fusions, OnlyASenseOfTheModelConditions) {
  EXPECT_THAT(refusal_of("film", {{"film_by", "smell"}}),
              testing::HasSubstr("no sense smell (it has image, sound, text)"));
}

TEST(Fusions, AnExpertThatIsSureIsNearlyAllThatCounts) {
  auto layout = std::make_shared<ParameterLayout>();
  const auto fusion = make("product_of_experts", {}, *layout);
  auto parameters = ParameterList::initial(layout, 1, torch::kFloat64);
  const Senses senses = senses_of(0.0);
  for (std::int64_t i = 0; i < layout->count(); ++i)
    if (layout->spec(i).name == "fusion.sound.precision.bias")
      parameters.tensors()[static_cast<std::size_t>(i)].fill_(800.0);  // exp of it is infinite
  const auto code = fusion->forward(parameters.tensors(), senses, {}).parts[0];
  EXPECT_TRUE(torch::isfinite(code).all().item<bool>());
  EXPECT_EQ(largest(code[0]), 0.0) << "of nothing there is the prior's mean";
  // Samples 2, 3, 6, 7 hear; what else they sense changes nothing beside it.
  Senses other = senses;
  other.pooled[0] = senses.pooled[0] + 1.0;
  const auto moved = fusion->forward(parameters.tensors(), other, {}).parts[0];
  EXPECT_LT(largest((moved - code)[7]), 1e-12);
  EXPECT_GT(largest((moved - code)[5]), 1e-3);
}

}  // namespace
}  // namespace cuttle
