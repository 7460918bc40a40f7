// Meta-Curvature and CAVIA in float64, each against what its paper says written down once more with
// plain LibTorch operations, and against finite differences of the adapted loss.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "adapt/inner_loop_proofs.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// theta' = theta - alpha g x_3 M_f x_2 M_i x_1 M_o, one graph through all steps.
TEST(MetaCurvature, GradientOfInitialisationAndMatricesEqualsThePlainGraph) {
  for (const char* curvature : {"mc1", "mc2"})
    for (const auto& [fusion, variant] : kVariants) {
      SCOPED_TRACE(std::string(curvature) + " " + fusion + " " + variant);
      const auto learner =
          learner_of("meta_curvature", 2, fusion, "batch", {{"curvature", curvature}});
      const Model& model = learner->model();
      const auto parameters = start(*learner, 0.1);
      const auto places = places_of(*model.layout());
      const Task task = odd_task(model, variant);
      const Tensors leaves = leaves_of(parameters);
      const auto matrix = [&](const std::string& name, std::int64_t size) {
        const auto eye = torch::eye(size, torch::kFloat64);
        const auto found = places.find("learner.curvature." + name);
        return found == places.end() ? eye : eye + leaves[found->second];
      };
      Tensors theta = leaves;
      for (std::int64_t k = 0; k < 2; ++k) {
        const auto loss = support_loss(model.forward(theta, task.support, {k}), task.support);
        const auto slopes = slopes_of(loss, theta);
        for (const auto& [name, i] : places) {
          if (name.rfind("learner.", 0) == 0) continue;
          const auto& g = slopes[i];
          torch::Tensor moved;
          if (g.dim() == 1) {
            moved = torch::diag(1 + leaves[places.at("learner.curvature." + name)]).matmul(g);
          } else {
            const auto filters = g.reshape({g.size(0), g.size(1), -1});
            moved = torch::einsum("oif,ao,bi,cf->abc", {filters, matrix(name + ".out", g.size(0)),
                                                        matrix(name + ".in", g.size(1)),
                                                        matrix(name + ".filter", filters.size(2))});
          }
          theta[i] = theta[i] - 0.1 * moved.reshape(g.sizes());
        }
      }
      expect_reference(*learner, parameters, task, leaves, model.forward(theta, task.query, {2}),
                       1e-9);
    }
}

TEST(MetaCurvature, StartsAsMaml) {
  const auto maml = learner_of("maml", 3);
  for (const char* curvature : {"mc1", "mc2"}) {
    const auto learner =
        learner_of("meta_curvature", 3, "concat", "batch", {{"curvature", curvature}});
    const auto parameters = ParameterList::initial(learner->model().layout(), 3);
    const auto plain = ParameterList::initial(maml->model().layout(), 3);
    const Task task = tiny_task(maml->model(), 1, torch::kFloat32);
    const auto says = [&](const Learner& one, const ParameterList& at) {
      return one.adapt(at, task.support, task.key)->predict(task.query);
    };
    EXPECT_TRUE(torch::equal(says(*learner, parameters), says(*maml, plain)));
    const auto ours =
        learner->model().layout()->views(learner->meta_gradient(parameters, task).gradient);
    const auto theirs = maml->model().layout()->views(maml->meta_gradient(plain, task).gradient);
    for (std::size_t i = 0; i < theirs.size(); ++i)
      EXPECT_LT(largest(ours[i] - theirs[i]), 1e-6 * (1 + largest(theirs[i])));
    // And has something to learn everywhere but before norms.
    for (const auto& [name, i] : places_of(*learner->model().layout()))
      EXPECT_EQ(largest(ours[i]) > 0.0, name.find("conv.bias") == std::string::npos) << name;
  }
}

TEST(MetaCurvature, EveryLayerHasMatricesOfItsModes) {
  std::map<std::string, std::map<std::string, std::vector<std::int64_t>>> shapes;
  for (const char* curvature : {"mc1", "mc2"}) {
    const auto learner = learner_of("meta_curvature", 1, "concat", "batch",
                                    {{"curvature", curvature}, {"fast", "[all, -encoder.text.*]"}});
    const auto& layout = *learner->model().layout();
    for (const std::int64_t i : layout.with_role(ParameterRole::kLearner))
      shapes[curvature][layout.spec(i).name] = layout.spec(i).shape;
  }
  const std::string conv = "learner.curvature.encoder.image.1.conv.weight";
  EXPECT_EQ(shapes["mc2"].at(conv + ".out"), (std::vector<std::int64_t>{4, 4}));
  EXPECT_EQ(shapes["mc2"].at(conv + ".in"), (std::vector<std::int64_t>{4, 4}));
  EXPECT_EQ(shapes["mc2"].at(conv + ".filter"), (std::vector<std::int64_t>{9, 9}));
  EXPECT_EQ(shapes["mc2"].at("learner.curvature.head.bias"), (std::vector<std::int64_t>{3}));
  EXPECT_EQ(shapes["mc2"].count("learner.curvature.head.weight.filter"), 0u);
  for (const auto& [name, shape] : shapes["mc2"]) {
    EXPECT_THAT(name, testing::Not(testing::HasSubstr("encoder.text")));
    const bool out = name.size() > 4 && name.substr(name.size() - 4) == ".out";
    EXPECT_EQ(shapes["mc1"].count(name), out ? 0u : 1u) << name;
  }
}

TEST(MetaCurvature, EqualsFiniteDifferences) {
  for (const auto& [fusion, norm] : {std::pair("concat", "batch"), {"gated", "support"}}) {
    const auto learner = learner_of("meta_curvature", 3, fusion, norm);
    expect_differences(*learner, start(*learner, 0.1),
                       tiny_task(learner->model(), 1, torch::kFloat64));
  }
}

TEST(MetaCurvature, WhatIsKeptChangesNoBit) {
  torch::Tensor expected;
  for (const char* keep : {"parameters", "all", "sqrt"}) {
    const auto learner = learner_of("meta_curvature", 12, "concat", "batch", {{"keep", keep}});
    const auto at = start(*learner, 0.1);
    const auto gradient =
        learner->meta_gradient(at, tiny_task(learner->model(), 1, torch::kFloat64)).gradient;
    if (!expected.defined()) expected = gradient;
    EXPECT_TRUE(torch::equal(gradient, expected)) << keep;
  }
}

/// A network of two layers whose inputs have the context beside them.
TEST(Cavia, OfALinearLayerIsOneMoreInput) {
  for (const std::string where : {"[encoder.x.0]", "['*']"}) {
    const auto parts = of_vectors("cavia",
                                  {{"context", "4"},
                                   {"context_by", "concat"},
                                   {"context_at", where},
                                   {"inner_steps", "3"},
                                   {"inner_lr", "0.5"}},
                                  2);
    const auto parameters = start(*parts.learner, 0.1);
    const auto places = places_of(*parts.model->layout());
    const Task task = values_task();
    const Tensors leaves = leaves_of(parameters);
    const auto own = [&](const std::string& name) { return leaves[places.at(name)]; };
    const auto forward = [&](const torch::Tensor& phi, const Batch& batch) {
      auto h = batch.modalities[0].values;
      for (const std::string layer : {"encoder.x.0", "encoder.x.1"}) {
        auto w = own(layer + ".weight");
        if (places.count("learner.context." + layer) > 0) {
          h = torch::cat({h, phi.expand({batch.size, 4})}, 1);
          w = torch::cat({w, own("learner.context." + layer)}, 1);
        }
        h = torch::relu(h.matmul(w.t()) + own(layer + ".bias"));
      }
      return h.matmul(own("head.weight").t()) + own("head.bias");
    };
    auto phi = torch::zeros({4}, torch::kFloat64).requires_grad_();
    for (int k = 0; k < 3; ++k)
      phi = phi - 0.5 * torch::autograd::grad(
                            {F::mse_loss(forward(phi, task.support), task.support.targets)}, {phi},
                            {}, true, true)[0];
    const auto outputs = forward(phi, task.query);
    const auto expected =
        flat_gradient(*parts.learner, F::mse_loss(outputs, task.query.targets), leaves);
    EXPECT_LT(relative_error(parts.learner->meta_gradient(parameters, task).gradient, expected),
              1e-10)
        << where;
    const auto adapted = parts.learner->adapt(parameters, task.support, task.key);
    EXPECT_LT(largest(adapted->predict(task.query) - outputs), 1e-11);
    EXPECT_EQ(places.count("learner.context.encoder.x.1"), where == "['*']" ? 1u : 0u);
  }
}

/// A convolutional network with FiLM between its norms and its ReLUs.
TEST(Cavia, FilmOfAConvolutionStandsAfterItsNorm) {
  ModalitySpec image{"image", ModalityKind::kImage, {12, 12, 1}, 0.0, {0.4f}, {0.3f}};
  const auto parts =
      assembled("cavia", {{"context", "4"}, {"inner_steps", "2"}, {"inner_lr", "0.5"}}, image,
                Section("conv4", {{"width", "4"}, {"depth", "2"}, {"norm", "batch"}}), "class", 3);
  const auto parameters = start(*parts.learner, 0.2);
  const auto places = places_of(*parts.model->layout());
  torch::manual_seed(8);
  const auto batch = [](std::int64_t size) {
    Batch some;
    some.size = size;
    some.way = 3;
    some.even = true;
    some.modalities = {{torch::randn({size, 1, 12, 12}, torch::kFloat64), {}, torch::arange(size)}};
    some.labels = torch::arange(size).remainder(3);
    return some;
  };
  const Task task{batch(6), batch(9), {}};
  const Tensors leaves = leaves_of(parameters);
  const auto own = [&](const std::string& name) { return leaves[places.at(name)]; };
  const auto forward = [&](const torch::Tensor& phi, const Batch& samples) {
    auto h = samples.modalities[0].values;
    for (const std::string block : {"encoder.image.0", "encoder.image.1"}) {
      h = torch::conv2d(h, own(block + ".conv.weight"), own(block + ".conv.bias"), 1, 1);
      h = torch::batch_norm(h, own(block + ".norm.weight"), own(block + ".norm.bias"), {}, {}, true,
                            0.1, 1e-5, false);
      const auto film = own("learner.context." + block + ".norm").matmul(phi).view({2, 1, 4, 1, 1});
      h = torch::max_pool2d(torch::relu((1 + film[0]) * h + film[1]), 2);
    }
    return h.flatten(1).matmul(own("head.weight").t()) + own("head.bias");
  };
  auto phi = torch::zeros({4}, torch::kFloat64).requires_grad_();
  for (int k = 0; k < 2; ++k)
    phi = phi - 0.5 * torch::autograd::grad(
                          {F::cross_entropy(forward(phi, task.support), task.support.labels)},
                          {phi}, {}, true, true)[0];
  EXPECT_GT(largest(phi), 1e-2);
  expect_reference(*parts.learner, parameters, task, leaves, forward(phi, task.query), 1e-9);
}

const Values kSmallContext{{"context", "4"}, {"inner_lr", "0.5"}};

/// All senses: with scales and shifts put into the model's parameters by their names.
TEST(Cavia, GradientEqualsThePlainGraph) {
  for (const auto& [fusion, variant] : kVariants) {
    SCOPED_TRACE(std::string(fusion) + " " + variant);
    const auto learner = learner_of("cavia", 3, fusion, "batch", kSmallContext);
    const Model& model = learner->model();
    const auto parameters = start(*learner, 0.1);
    const auto places = places_of(*model.layout());
    const Task task = odd_task(model, variant);
    const Tensors leaves = leaves_of(parameters);
    const std::string prefix = "learner.context.";
    const auto with_context = [&](const torch::Tensor& phi) {
      Tensors theta = leaves;
      for (const auto& [name, i] : places) {
        if (name.rfind(prefix, 0) != 0) continue;
        const auto stem = name.substr(prefix.size());
        const auto weight = places.at(stem + ".weight"), bias = places.at(stem + ".bias");
        const auto film = leaves[i].matmul(phi).view({2, -1});
        const auto scale = torch::diag(1 + film[0]);
        theta[weight] = theta[weight].dim() == 1
                            ? scale.matmul(theta[weight])
                            : scale.matmul(theta[weight].flatten(1)).view(theta[weight].sizes());
        theta[bias] = scale.matmul(theta[bias]) + film[1];
      }
      return theta;
    };
    auto phi = torch::zeros({4}, torch::kFloat64).requires_grad_();
    for (int k = 0; k < 3; ++k) {
      const auto outputs = model.forward(with_context(phi), task.support, {});
      phi = phi - 0.5 * torch::autograd::grad({support_loss(outputs, task.support)}, {phi}, {},
                                              true, true)[0];
    }
    expect_reference(*learner, parameters, task, leaves,
                     model.forward(with_context(phi), task.query, {}), 1e-9);
  }
}

TEST(Cavia, EqualsFiniteDifferences) {
  for (const auto& [fusion, norm] :
       {std::pair("gated", "support"), {"late", "none"}, {"concat", "batch_per_step"}}) {
    const auto learner = learner_of("cavia", 2, fusion, norm, kSmallContext);
    expect_differences(*learner, start(*learner, 0.1),
                       tiny_task(learner->model(), 1, torch::kFloat64));
  }
}

TEST(LateFusion, AdaptersHaveTrueSecondDerivatives) {
  TinySettings settings;
  settings.fusion = "late";
  settings.norm = "none";
  settings.adapter = 4;
  const auto learner = tiny_learner(settings);
  expect_differences(*learner, start(*learner, 0.1),
                     tiny_task(learner->model(), 1, torch::kFloat64));
}

class CaviaOn : public testing::TestWithParam<const char*> {};

TEST_P(CaviaOn, TheContextAloneMovesFromZeroForEachTask) {
  const auto learner = learner_of("cavia", 2, "concat", GetParam(), kSmallContext);
  const auto parameters = start(*learner, 0.3);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto says = [&](const Learner& one) {
    return one.adapt(parameters, task.support, task.key)->predict(task.query);
  };
  const auto unmoved = learner_of("cavia", 0, "concat", GetParam(), kSmallContext);
  EXPECT_TRUE(
      torch::equal(says(*unmoved), learner->model().forward(parameters.tensors(), task.query, {})));
  EXPECT_GT(largest(says(*learner) - says(*unmoved)), 1e-3);
  // What a context enters is another in the adapted model; all else is as it was.
  const auto& layout = *learner->model().layout();
  const auto moved =
      layout.views(learner->adapt(parameters, task.support, task.key)->state().at("fast_weights"));
  std::set<std::string> changed, expected;
  for (const auto& [name, i] : places_of(layout)) {
    if (!torch::equal(moved[i], parameters.tensors()[i])) changed.insert(name);
    const std::string prefix = "learner.context.";
    if (name.rfind(prefix, 0) != 0) continue;
    expected.insert(name.substr(prefix.size()) + ".weight");
    expected.insert(name.substr(prefix.size()) + ".bias");
  }
  EXPECT_EQ(changed, expected);
  // Norms hide what a convolution before them would get; heads have none.
  EXPECT_EQ(expected.count("encoder.image.0.norm.bias"), 1u);
  EXPECT_EQ(expected.count("encoder.image.0.conv.bias"), 0u);
  EXPECT_EQ(expected.count("head.bias"), 0u);
}

INSTANTIATE_TEST_SUITE_P(Norms, CaviaOn, testing::Values("batch", "batch_per_step"));

TEST(Cavia, TracesItsSteps) {
  const auto learner = learner_of("cavia", 3, "concat", "batch", kSmallContext);
  const auto parameters = start(*learner, 0.3);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto lines = learner->trace(parameters, task);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_LT(lines.back().support_loss, lines.front().support_loss);
  EXPECT_NEAR(lines.back().query_loss, adapted_loss(*learner, parameters, task), 1e-12);
}

TEST(Cavia, RefusesLayersThatHaveNoContext) {
  const auto with_layers = [](const char* layers) {
    return [layers] { learner_of("cavia", 1, "concat", "batch", {{"context_at", layers}}); };
  };
  EXPECT_THAT(with_layers("[encoder.image.1.nrm]"),
              testing::ThrowsMessage<UserError>(
                  testing::HasSubstr("did you mean 'encoder.image.1.norm'?")));
  EXPECT_THAT(with_layers("[head]"),
              testing::ThrowsMessage<UserError>(testing::HasSubstr("is no layer that a context")));
  EXPECT_THAT(with_layers("[]"),
              testing::ThrowsMessage<UserError>(testing::HasSubstr("enters no layer")));
  EXPECT_THAT([] { of_vectors("cavia", {}, 0); },
              testing::ThrowsMessage<UserError>(testing::HasSubstr("use an encoder")));
}

}  // namespace
}  // namespace cuttle
