// P2: the gradient is the gradient. In float64, every algorithm's meta-gradient against
// computations that share no code with it: finite differences of the adapted loss, and the plain
// unrolled graph.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <set>

#include "cuttle/core/error.hpp"
#include "support/differences.hpp"
#include "support/every_learner.hpp"

namespace cuttle {
namespace {

namespace F = torch::nn::functional;

ParameterList start(const Learner& learner) {
  return ParameterList::initial(learner.model().layout(), 3, torch::kFloat64);
}

/// MAML as the paper writes it: one graph through all steps.
torch::Tensor unrolled_gradient(const Learner& learner, const TinySettings& settings,
                                const ParameterList& parameters, const Task& task,
                                bool second_order) {
  const Model& model = learner.model();
  Tensors leaves;
  for (const auto& value : parameters.tensors())
    leaves.push_back(value.detach().clone().requires_grad_());
  Tensors theta = leaves;
  for (std::int64_t k = 0; k < settings.inner_steps; ++k) {
    const auto loss =
        F::cross_entropy(model.forward(theta, task.support, {k}), task.support.labels);
    const auto g = torch::autograd::grad({loss}, theta, {}, true, second_order, true);
    for (std::size_t i = 0; i < theta.size(); ++i)
      if (g[i].defined())
        theta[i] = theta[i] - settings.inner_lr * (second_order ? g[i] : g[i].detach());
  }
  const auto loss =
      F::cross_entropy(model.forward(theta, task.query, {settings.inner_steps}), task.query.labels);
  return model.layout()->flatten(torch::autograd::grad({loss}, leaves, {}, false, false, true));
}

struct Case {
  const char *algorithm, *fusion, *norm;
  std::int64_t steps;
  bool fused = true;
  bool frozen_text = false;
};

class MetaGradient : public testing::TestWithParam<Case> {
 protected:
  MetaGradient() {
    torch::set_num_threads(1);
    settings.algorithm = GetParam().algorithm;
    settings.fusion = GetParam().fusion;
    settings.norm = GetParam().norm;
    settings.inner_steps = GetParam().steps;
    settings.fused = GetParam().fused;
    settings.frozen_text = GetParam().frozen_text;
    learner = tiny_learner(settings);
  }
  TinySettings settings;
  std::unique_ptr<const Learner> learner;
};

TEST_P(MetaGradient, EqualsFiniteDifferencesOfTheAdaptedLoss) {
  const auto parameters = start(*learner);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto result = learner->meta_gradient(parameters, task);
  EXPECT_NEAR(result.values[0], adapted_loss(*learner, parameters, task), 1e-12);
  const double norm = result.gradient.norm().item<double>();
  ASSERT_GT(norm, 1e-3);
  const auto layout = learner->model().layout();
  EXPECT_EQ(layout->learned(result.gradient).norm().item<double>(), norm);
  torch::manual_seed(5);
  std::vector<torch::Tensor> directions{result.gradient / norm};
  for (int i = 0; i < 4; ++i) {
    auto random = torch::zeros_like(result.gradient);
    layout->learned(random).normal_();
    directions.push_back(random / random.norm());
  }
  expect_slopes(adapted_loss_of(*learner, task), parameters, result.gradient, directions);
}

INSTANTIATE_TEST_SUITE_P(
    SecondOrder, MetaGradient,
    testing::Values(Case{"maml", "concat", "batch", 1}, Case{"maml", "concat", "batch", 3},
                    Case{"maml", "concat", "batch", 3, false}, Case{"maml", "gated", "batch", 2},
                    Case{"maml", "late", "batch", 2}, Case{"maml", "concat", "batch_per_step", 3},
                    Case{"maml", "concat", "none", 2}, Case{"anil", "concat", "batch", 3},
                    Case{"anil", "gated", "batch", 2}, Case{"anil", "late", "batch", 2},
                    Case{"protonet", "concat", "batch", 1}, Case{"protonet", "gated", "batch", 1},
                    Case{"protonet", "late", "batch", 1}, Case{"maml", "concat", "support", 2},
                    Case{"maml", "cross_attention", "batch", 2},
                    Case{"anil", "concat", "support", 2}, Case{"protonet", "late", "support", 1},
                    Case{"meta_sgd", "concat", "batch", 3}, Case{"meta_sgd", "late", "none", 2},
                    Case{"r2d2", "concat", "batch", 1}, Case{"r2d2", "late", "batch", 1},
                    Case{"snail", "concat", "batch", 1}));

INSTANTIATE_TEST_SUITE_P(FrozenText, MetaGradient,
                         testing::Values(Case{"maml", "concat", "batch", 3, true, true},
                                         Case{"maml", "gated", "none", 2, true, true},
                                         Case{"anil", "late", "none", 2, true, true},
                                         Case{"protonet", "concat", "none", 1, true, true}));

class Unrolled : public MetaGradient {};

TEST_P(Unrolled, EqualsThePlainGraph) {
  const auto parameters = start(*learner);
  const bool second_order = std::string(GetParam().algorithm) == "maml";
  for (const std::uint32_t slot : {1u, 2u}) {
    const Task task = tiny_task(learner->model(), slot, torch::kFloat64);
    EXPECT_LT(relative_error(learner->meta_gradient(parameters, task).gradient,
                             unrolled_gradient(*learner, settings, parameters, task, second_order)),
              1e-10);
  }
}

TEST_P(Unrolled, HoldsInFloat32ToStatedTolerance) {
  const auto exact = start(*learner);
  const ParameterList rounded(exact.shared_layout(), exact.flat().to(torch::kFloat32));
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const Task task32{task.support.to(torch::kFloat32), task.query.to(torch::kFloat32), task.key};
  EXPECT_LT(relative_error(learner->meta_gradient(rounded, task32).gradient.to(torch::kFloat64),
                           learner->meta_gradient(exact, task).gradient),
            1e-4);
}

INSTANTIATE_TEST_SUITE_P(
    Maml, Unrolled,
    testing::Values(Case{"maml", "concat", "batch", 1}, Case{"maml", "concat", "batch", 5},
                    Case{"maml", "concat", "batch", 5, false}, Case{"maml", "late", "batch", 2},
                    Case{"maml", "gated", "batch_per_step", 3},
                    Case{"maml", "concat", "batch", 3, true, true},
                    Case{"fomaml", "concat", "batch", 1}, Case{"fomaml", "gated", "batch", 4},
                    Case{"fomaml", "late", "batch", 2}));

/// Loss of one sense alone, on the query samples that it can tell: what it says when the other is
/// hidden.
double loss_of_sense(const Learner& learner, const ParameterList& parameters, const Task& task,
                     std::size_t sense) {
  const std::vector<bool> keep{sense == 0, sense == 1};
  const auto support = keep_modalities(task.support, keep);
  const auto query = keep_modalities(task.query, keep);
  const auto known = support.labels.index_select(0, support.modalities[sense].rows);
  const auto rows = query.modalities[sense].rows;
  const auto labels = query.labels.index_select(0, rows);
  const auto usable = torch::isin(labels, known).nonzero().squeeze(1);
  const auto logits =
      learner.adapt(parameters, support, task.key)->predict(query).index_select(0, rows);
  return F::cross_entropy(logits.index_select(0, usable), labels.index_select(0, usable))
      .item<double>();
}

TEST(ProtoNet, EachSensesOwnLossJoinsTheGradient) {
  TinySettings settings;
  settings.algorithm = "protonet";
  settings.fusion = "late";
  settings.part_loss = 1.5;
  const auto learner = tiny_learner(settings);
  const auto parameters = start(*learner);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto result = learner->meta_gradient(parameters, task);
  EXPECT_NEAR(result.values[0], adapted_loss(*learner, parameters, task), 1e-12);
  const auto objective = [&](const torch::Tensor& flat) {
    const ParameterList at(parameters.shared_layout(), flat);
    return adapted_loss(*learner, at, task) +
           1.5 / 2 * (loss_of_sense(*learner, at, task, 0) + loss_of_sense(*learner, at, task, 1));
  };
  const double norm = result.gradient.norm().item<double>();
  torch::manual_seed(6);
  for (auto direction : {result.gradient, torch::randn_like(result.gradient)}) {
    direction = direction / direction.norm() * 1e-6;
    const double slope =
        (objective(parameters.flat() + direction) - objective(parameters.flat() - direction)) /
        2e-6;
    EXPECT_NEAR(slope, result.gradient.dot(direction).item<double>() / 1e-6, 1e-6 * norm);
  }
}

/// The same learner on own kernels and on LibTorch's operations, in both precisions.
class FusedKernels : public testing::TestWithParam<std::string> {};

TEST_P(FusedKernels, GiveTheGradientOfLibTorchsOperations) {
  TinySettings settings;
  settings.algorithm = GetParam();
  settings.inner_steps = 3;
  const auto fused = tiny_learner(settings);
  settings.fused = false;
  const auto generic = tiny_learner(settings);
  EXPECT_THAT(fused->model().fused_blocks(), testing::HasSubstr("image 2 of 3, text 2 of 4"));
  EXPECT_THAT(generic->model().fused_blocks(), testing::HasSubstr("image 0 of 3, text 0 of 4"));
  for (const auto& [dtype, tolerance] :
       {std::pair(torch::kFloat64, 1e-11), {torch::kFloat32, 1e-4}}) {
    const auto parameters = ParameterList::initial(fused->model().layout(), 3, dtype);
    const Task task = tiny_task(fused->model(), 1, dtype);
    const auto ours = fused->meta_gradient(parameters, task);
    const auto theirs = generic->meta_gradient(parameters, task);
    EXPECT_NEAR(ours.values[0], theirs.values[0], tolerance);
    const double size = theirs.gradient.norm().item<double>();  // 0: it learns nothing
    EXPECT_LE((ours.gradient - theirs.gradient).norm().item<double>(), tolerance * size);
  }
}

INSTANTIATE_TEST_SUITE_P(Algorithms, FusedKernels,
                         testing::ValuesIn(learners_for({TaskForm::kEpisode})), learner_name);

TEST(FusedKernels, RefuseAThirdDerivativeRatherThanGivingAWrongOne) {
  const auto learner = tiny_learner({});
  const auto parameters = start(*learner);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  Tensors leaves;
  for (const auto& value : parameters.tensors()) leaves.push_back(value.clone().requires_grad_());
  const auto loss =
      F::cross_entropy(learner->model().forward(leaves, task.support, {}), task.support.labels);
  const auto first = torch::autograd::grad({loss}, leaves, {}, true, true, true);
  EXPECT_THROW(torch::autograd::grad({first[0].square().sum()}, leaves, {}, true, true, true),
               Error);
}

TEST(MetaGradientOrder, SecondOrderDiffersFromFirstByAMargin) {
  TinySettings settings;
  settings.inner_steps = 3;
  const auto maml = tiny_learner(settings);
  settings.algorithm = "fomaml";
  const auto fomaml = tiny_learner(settings);
  const auto parameters = start(*maml);
  const Task task = tiny_task(maml->model(), 1, torch::kFloat64);
  const auto second = maml->meta_gradient(parameters, task).gradient;
  const auto first = fomaml->meta_gradient(parameters, task).gradient;
  EXPECT_GT(relative_error(first, second), 0.02);
}

/// What the inner loop keeps changes time and memory, not a bit.
class Keep : public testing::TestWithParam<std::int64_t> {};

TEST_P(Keep, ChangesNoBit) {
  TinySettings settings;
  settings.inner_steps = GetParam();
  const auto gradient = [&](const std::string& keep, bool fused) {
    settings.keep = keep;
    settings.fused = fused;
    const auto learner = tiny_learner(settings);
    const auto parameters = ParameterList::initial(learner->model().layout(), 3, torch::kFloat32);
    return learner->meta_gradient(parameters, tiny_task(learner->model(), 1, torch::kFloat32))
        .gradient;
  };
  for (const bool fused : {true, false}) {
    const auto expected = gradient("parameters", fused);
    for (const auto& keep : {"all", "sqrt"})
      EXPECT_TRUE(torch::equal(gradient(keep, fused), expected)) << keep;
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, Keep, testing::Values(0, 1, 2, 5, 9, 10, 23));

/// Reptile against LibTorch's own optimizers on the same loss.
/// LibTorch's own optimizer on a copy of the parameters, at rate 0.01.
struct Walk {
  Walk(const ParameterList& from, const std::string& name) : start(from) {
    for (const auto& value : start.tensors())
      theta.push_back(value.detach().clone().requires_grad_());
    if (name == "adam")
      optimizer = std::make_unique<torch::optim::Adam>(
          theta, torch::optim::AdamOptions(0.01).betas({0.0, 0.999}));
    else
      optimizer = std::make_unique<torch::optim::SGD>(theta, torch::optim::SGDOptions(0.01));
  }
  torch::Tensor travelled() const {
    Tensors way;
    for (std::size_t i = 0; i < theta.size(); ++i)
      way.push_back((start.tensors()[i] - theta[i]).detach());
    return start.layout().flatten(way);
  }
  const ParameterList& start;
  Tensors theta;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
};

class Reptile : public testing::TestWithParam<const char*> {};

TEST_P(Reptile, IsTheWayTravelledByAnIndependentOptimizer) {
  TinySettings settings;
  settings.algorithm = "reptile";
  settings.inner_steps = 4;
  settings.inner_lr = 0.01;
  settings.inner_optimizer = GetParam();
  const auto learner = tiny_learner(settings);
  const auto parameters = start(*learner);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  Walk walk(parameters, settings.inner_optimizer);
  const Batch all = concatenate(task.support, task.query);
  for (int k = 0; k < 4; ++k) {
    walk.optimizer->zero_grad();
    F::cross_entropy(learner->model().forward(walk.theta, all, {k}), all.labels).backward();
    walk.optimizer->step();
  }
  EXPECT_LT(relative_error(learner->meta_gradient(parameters, task).gradient, walk.travelled()),
            1e-6);
}

/// With mini-batches, against a loop that draws and picks its samples by itself.
TEST_P(Reptile, GoesByMiniBatchesInTurn) {
  TinySettings settings;
  settings.algorithm = "reptile";
  settings.inner_steps = 5;
  settings.inner_lr = 0.01;
  settings.inner_optimizer = GetParam();
  settings.norm = "none";  // samples of a mini-batch do not touch
  const auto learner = tiny_learner(settings, {{"inner_batch", "6"}});
  const auto parameters = start(*learner);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const Batch all = concatenate(task.support, task.query);  // of 6 and 9 samples
  ASSERT_EQ(all.size, 15);
  Random random(task.key.with(Stream::kModel, 9));
  std::vector<std::int64_t> order;  // two rounds: the third batch spans them
  for (int round = 0; round < 2; ++round)
    for (const std::int64_t i : random.sample(15, 15)) order.push_back(i);
  EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.begin() + 15).size(), 15u);
  Walk walk(parameters, settings.inner_optimizer);
  double loss_before_last = 0;
  for (int k = 0; k < 5; ++k) {
    walk.optimizer->zero_grad();
    const auto logits =
        learner->model().forward(walk.theta, all, {k});  // of all, the batch picked after
    const auto chosen = torch::tensor(
        std::vector<std::int64_t>(order.begin() + 6 * k, order.begin() + 6 * (k + 1)));
    const auto loss =
        F::cross_entropy(logits.index_select(0, chosen), all.labels.index_select(0, chosen));
    loss_before_last = loss.item<double>();
    loss.backward();
    walk.optimizer->step();
  }
  const auto result = learner->meta_gradient(parameters, task);
  EXPECT_LT(relative_error(result.gradient, walk.travelled()), 1e-6);
  EXPECT_NEAR(result.values[0], loss_before_last, 1e-9);
  const auto whole = tiny_learner(settings)->meta_gradient(parameters, task).gradient;
  EXPECT_GT(relative_error(result.gradient, whole), 0.01);
  const auto with_all = tiny_learner(settings, {{"inner_batch", "15"}});
  EXPECT_TRUE(torch::equal(with_all->meta_gradient(parameters, task).gradient, whole));
}

INSTANTIATE_TEST_SUITE_P(Optimizers, Reptile, testing::Values("sgd", "adam"));

}  // namespace
}  // namespace cuttle
