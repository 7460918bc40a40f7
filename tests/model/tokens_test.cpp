// Fusion by attention over the tokens of all senses, in float64: against a transformer written out
// for one sample at a time, from which what is masked is simply left out.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/tiny_task.hpp"

namespace cuttle {
namespace {

namespace F = torch::nn::functional;

double largest(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

/// The fusion of two senses by itself, its parameters moved away from zeros and ones.
class TokenFusion : public testing::TestWithParam<std::pair<std::int64_t, std::int64_t>> {
 protected:
  TokenFusion() {
    torch::set_num_threads(1);
    const Section section("cross_attention", {{"fusion_width", std::to_string(width())},
                                              {"fusion_layers", std::to_string(layers())}});
    auto made = std::make_shared<ParameterLayout>();
    fusion = builtin_fusions()
                 .at("cross_attention")
                 .make({section, {"image", "text"}, {9, 8}, {5, 4}, *made});
    layout = made;
    torch::manual_seed(3);
    const auto initial = ParameterList::initial(layout, 1, torch::kFloat64);
    for (const auto& value : initial.tensors())
      p.push_back((value + 0.3 * torch::randn(value.sizes(), torch::kFloat64)).requires_grad_());
    senses.present =
        torch::tensor({{1.0, 1.0}, {1.0, 0.0}, {0.0, 1.0}, {1.0, 1.0}}, torch::kFloat64);
    senses.pooled = {torch::randn({4, 9}, torch::kFloat64), torch::randn({4, 8}, torch::kFloat64)};
    senses.tokens = {torch::randn({4, 3, 5}, torch::kFloat64),
                     torch::randn({4, 6, 4}, torch::kFloat64)};
    senses.token_mask = {senses.present.select(1, 0).unsqueeze(1).expand({4, 3}).contiguous(),
                         torch::tensor({{1.0, 1.0, 1.0, 1.0, 0.0, 0.0},
                                        {0.0, 0.0, 0.0, 0.0, 0.0, 0.0},
                                        {1.0, 0.0, 0.0, 0.0, 0.0, 0.0},
                                        {1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
                                       torch::kFloat64)};
  }
  static std::int64_t width() { return GetParam().first; }
  static std::int64_t layers() { return GetParam().second; }

  torch::Tensor own(const std::string& name) const {
    for (std::int64_t i = 0; i < layout->count(); ++i)
      if (layout->spec(i).name == "fusion." + name) return p[static_cast<std::size_t>(i)];
    ADD_FAILURE() << name;
    return {};
  }
  torch::Tensor affine(const std::string& name, const torch::Tensor& x) const {
    return x.matmul(own(name + ".weight").t()) + own(name + ".bias");
  }
  torch::Tensor norm(const std::string& name, const torch::Tensor& x) const {
    const auto centred = x - x.mean(1, true);
    return centred / (centred.square().mean(1, true) + 1e-5).sqrt() * own(name + ".weight") +
           own(name + ".bias");
  }
  /// x [T, width], real tokens alone.
  torch::Tensor layer(const std::string& name, torch::Tensor x) const {
    const auto seen = norm(name + ".norm1", x);
    const auto in = seen.matmul(own(name + ".self_attn.in_proj_weight").t()) +
                    own(name + ".self_attn.in_proj_bias");
    const std::int64_t columns = std::min<std::int64_t>(32, width());
    Tensors heads;
    for (std::int64_t first = 0; first < width(); first += columns) {
      const auto part = [&](std::int64_t which) {
        return in.narrow(1, which * width() + first, columns);
      };
      auto share = (part(0).matmul(part(1).t()) / std::sqrt(static_cast<double>(columns))).exp();
      heads.push_back((share / share.sum(1, true)).matmul(part(2)));
    }
    x = x + affine(name + ".self_attn.out_proj", torch::cat(heads, 1));
    const auto up = affine(name + ".linear1", norm(name + ".norm2", x));
    return x + affine(name + ".linear2", up * 0.5 * (1.0 + torch::erf(up / std::sqrt(2.0))));
  }
  torch::Tensor reference(const Senses& of) const {
    Tensors fused;
    for (std::int64_t i = 0; i < of.present.size(0); ++i) {
      Tensors tokens{own("first").view({1, width()})};
      for (std::size_t m = 0; m < 2; ++m) {
        const std::string name = m == 0 ? "image" : "text";
        for (std::int64_t t = 0; t < of.tokens[m].size(1); ++t)
          if (of.token_mask[m][i][t].item<double>() == 1.0)
            tokens.push_back(affine(name + ".project", of.tokens[m][i][t].unsqueeze(0)) +
                             own(name + ".sense"));
      }
      auto x = torch::cat(tokens);
      for (std::int64_t l = 0; l < layers(); ++l) x = layer("layers." + std::to_string(l), x);
      fused.push_back(norm("norm", x.narrow(0, 0, 1)));
    }
    return torch::cat(fused);
  }
  torch::Tensor fused(const Senses& of) const { return fusion->forward(p, of, {}).parts.at(0); }

  std::unique_ptr<const Fusion> fusion;
  std::shared_ptr<const ParameterLayout> layout;
  Tensors p;
  Senses senses;
};

TEST_P(TokenFusion, IsATransformerOverRealTokens) {
  EXPECT_EQ(fusion->part_widths(), std::vector<std::int64_t>{width()});
  EXPECT_LT(largest(fused(senses) - reference(senses)), 1e-11);
}

TEST_P(TokenFusion, GradientAndSecondDerivativeAreTheTransformers) {
  const auto weights = torch::randn({4, width()}, torch::kFloat64);
  const auto derivatives = [&](const torch::Tensor& out) {
    const auto first = torch::autograd::grad({(out * weights).sum()}, p, {}, true, true);
    torch::Tensor sum = torch::zeros({}, torch::kFloat64);
    for (const auto& part : first) sum = sum + part.square().sum();
    Tensors all = torch::autograd::grad({sum}, p, {}, false, false, true);
    for (auto& part : all)
      if (!part.defined()) part = torch::zeros({1}, torch::kFloat64);
    for (const auto& part : first) all.push_back(part.detach());
    return all;
  };
  const auto ours = derivatives(fused(senses)), theirs = derivatives(reference(senses));
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_GT(largest(ours[p.size() + i]), 0.0) << layout->spec(static_cast<std::int64_t>(i)).name;
    EXPECT_LT(largest(ours[p.size() + i] - theirs[p.size() + i]),
              1e-9 * (1 + largest(theirs[p.size() + i])));
    EXPECT_LT(largest(ours[i] - theirs[i]), 1e-9 * (1 + largest(theirs[i])));
  }
}

TEST_P(TokenFusion, PaddingAndHiddenSensesSayNothing) {
  const auto before = fused(senses);
  Senses other = senses;
  for (std::size_t m = 0; m < 2; ++m) {
    // Something else where nothing is, and more of it at the end.
    const auto hidden = (1.0 - senses.token_mask[m]).unsqueeze(2);
    other.tokens[m] = senses.tokens[m] + 50.0 * hidden * torch::randn_like(senses.tokens[m]);
    other.tokens[m] = torch::cat(
        {other.tokens[m], torch::randn({4, 5, senses.tokens[m].size(2)}, torch::kFloat64)}, 1);
    other.token_mask[m] =
        torch::cat({senses.token_mask[m], torch::zeros({4, 5}, torch::kFloat64)}, 1);
    other.pooled[m] = torch::randn_like(senses.pooled[m]);
  }
  EXPECT_LT(largest(fused(other) - before), 1e-12);
  // What is real does matter, wherever it stands.
  other = senses;
  other.tokens[1] = senses.tokens[1].clone();
  other.tokens[1][3][5] += 1.0;
  EXPECT_GT(largest(fused(other)[3] - before[3]), 1e-6);
  EXPECT_LT(largest((fused(other) - before).narrow(0, 0, 3)), 1e-12);
}

INSTANTIATE_TEST_SUITE_P(WidthsAndLayers, TokenFusion,
                         testing::Values(std::pair(6, 1), std::pair(64, 1), std::pair(64, 2)));

// In a model: patches and characters become the tokens.

std::unique_ptr<const Learner> learner_of(const std::string& algorithm, const std::string& norm) {
  torch::set_num_threads(1);
  TinySettings settings;
  settings.algorithm = algorithm;
  settings.fusion = "cross_attention";
  settings.norm = norm;
  return tiny_learner(settings);
}

ParameterList start(const Learner& learner) {
  return ParameterList::initial(learner.model().layout(), 3, torch::kFloat64);
}

TEST(CrossAttention, LooksAtPatchesAndCharacters) {
  const auto learner = learner_of("protonet", "none");
  const Model& model = learner->model();
  const auto parameters = start(*learner);
  const Task task = tiny_task(model, 1, torch::kFloat64);
  const Pass pass = model.look(parameters.tensors(), task.support, {});
  EXPECT_EQ(pass.senses.tokens.at(0).sizes(), torch::IntArrayRef({6, 9, 4}));
  // Its last map is 3 x 3 patches of 4 columns; pooled, the same numbers are the flat features.
  EXPECT_TRUE(
      torch::equal(pass.features[0].tokens.transpose(1, 2).flatten(1), pass.features[0].pooled));
  // Of characters: mean and maximum over the real tokens are the flat features.
  const auto &tokens = pass.features[1].tokens, &mask = pass.features[1].mask;
  for (std::int64_t i = 0; i < tokens.size(0); ++i) {
    const auto real = tokens[i].index_select(0, mask[i].nonzero().squeeze(1));
    const auto expected = torch::cat({real.mean(0), std::get<0>(real.max(0))});
    EXPECT_LT(largest(pass.features[1].pooled[i] - expected), 1e-12);
  }
  // A sample that lacks a sense has none of its tokens.
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t m = 0; m < 2; ++m)
      EXPECT_EQ(pass.senses.token_mask[static_cast<std::size_t>(m)][i].sum().item<double>() > 0,
                pass.senses.present[i][m].item<double>() == 1.0);
}

TEST(CrossAttention, LongerNeighboursChangeNothing) {
  const auto learner = learner_of("protonet", "none");
  const Model& model = learner->model();
  const auto parameters = start(*learner).tensors();
  const Task task = tiny_task(model, 1, torch::kFloat64);
  Batch padded = task.support;
  auto& text = padded.modalities[1];
  const auto zeros = torch::zeros({text.values.size(0), 7}, torch::kInt64);
  text.mask = torch::cat({text.mask, zeros.to(torch::kFloat64)}, 1);
  text.values = torch::cat({text.values, zeros.to(text.values.dtype())}, 1);
  EXPECT_LT(largest(model.embed(parameters, padded, {}).parts[0] -
                    model.embed(parameters, task.support, {}).parts[0]),
            1e-12);
  // Alone, or among others of which some lack what it has.
  const auto together = model.embed(parameters, task.support, {}).parts[0];
  for (std::int64_t i = 0; i < 6; ++i)
    EXPECT_LT(largest(model.embed(parameters, select_rows(task.support, {i}), {}).parts[0][0] -
                      together[i]),
              1e-12);
}

TEST(CrossAttention, GradientEqualsFiniteDifferencesAndReachesEverything) {
  for (const auto& [algorithm, norm] :
       {std::pair("maml", "none"), {"maml", "support"}, {"anil", "none"}, {"protonet", "none"}}) {
    const auto learner = learner_of(algorithm, norm);
    const Model& model = learner->model();
    const auto parameters = start(*learner);
    const Task task = tiny_task(model, 1, torch::kFloat64);
    const auto result = learner->meta_gradient(parameters, task);
    const auto loss = [&](const torch::Tensor& flat) {
      const auto adapted = learner->adapt({model.layout(), flat}, task.support, task.key);
      return F::cross_entropy(adapted->predict(task.query), task.query.labels).item<double>();
    };
    const double size = result.gradient.norm().item<double>();
    torch::manual_seed(5);
    for (auto direction : {result.gradient, torch::randn_like(result.gradient)}) {
      direction = direction / direction.norm() * 1e-6;
      EXPECT_NEAR(
          (loss(parameters.flat() + direction) - loss(parameters.flat() - direction)) / 2e-6,
          result.gradient.dot(direction).item<double>() / 1e-6, 1e-6 * size)
          << algorithm;
    }
    // The norm takes the mean off, and a distance any common shift: these biases cannot count.
    if (std::string(norm) == "support" || std::string(algorithm) == "protonet") continue;
    const auto parts = model.layout()->views(result.gradient);
    for (std::int64_t i = 0; i < model.layout()->count(); ++i)
      EXPECT_GT(largest(parts[static_cast<std::size_t>(i)]), 1e-12)
          << algorithm << " " << model.layout()->spec(i).name;
  }
}

}  // namespace
}  // namespace cuttle
