// iMAML in float64: its implicit gradient against closed forms, against the graph of all inner
// steps, and against the equation that it solves; and what it holds in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>

#include "adapt/inner_loop_proofs.hpp"
#include "adapt/linear_systems.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/train/environment.hpp"
#include "train/tensor_memory.hpp"

namespace cuttle {
namespace {

/// An inner problem that is a quadratic: squared errors of a linear head on features that stand
/// still. Its minimum is a ridge regression towards the initialisation.
struct Quadratic {
  Tensors leaves;
  torch::Tensor hessian;        ///< of one output's row of the head
  torch::Tensor start, solved;  ///< the head, [width + 1, outputs]
  torch::Tensor pull;           ///< dL_query/dphi there
  torch::Tensor query_loss;     ///< after it
  std::size_t weight = 0, bias = 0;

  Quadratic(const Assembly& parts, const ParameterList& parameters, const Task& task, double lambda)
      : leaves(leaves_of(parameters)) {
    const auto places = places_of(*parts.model->layout());
    weight = places.at("head.weight"), bias = places.at("head.bias");
    const auto features = [&](const Batch& batch) {
      const auto& layer = [&](const char* name) { return leaves[places.at(name)]; };
      const auto hidden =
          torch::relu(batch.modalities[0].values.matmul(layer("encoder.x.0.weight").t()) +
                      layer("encoder.x.0.bias"));
      return torch::cat({hidden, torch::ones({batch.size, 1}, torch::kFloat64)}, 1);
    };
    const auto x = features(task.support);
    const double share = 2.0 / static_cast<double>(task.support.targets.numel());
    hessian = share * x.t().matmul(x);
    start = torch::cat({leaves[weight], leaves[bias].unsqueeze(1)}, 1).t();
    solved = torch::linalg_solve(hessian + lambda * torch::eye(hessian.size(0), torch::kFloat64),
                                 share * x.t().matmul(task.support.targets) + lambda * start);
    query_loss = F::mse_loss(features(task.query).matmul(solved), task.query.targets);
    pull = torch::autograd::grad({query_loss}, {solved}, {}, true)[0];
  }
  /// What the head's initialisation gets, of a flat gradient.
  torch::Tensor of_head(const Assembly& parts, const torch::Tensor& flat) const {
    const auto views = parts.model->layout()->views(flat);
    return torch::cat({views[weight], views[bias].unsqueeze(1)}, 1).t();
  }
};

const Values kToTheEnd{{"inner_steps", "150"}, {"inner_lr", "0.1"}, {"lambda", "2.0"}};

TEST(Imaml, OnAQuadraticIsTheGradientThroughItsSolution) {
  const Task task = values_task();
  for (const char* solver : {"cg", "neumann"}) {
    const auto parts = of_vectors(
        "imaml", with(kToTheEnd, {{"fast", "[head]"}, {"solver", solver}, {"solver_steps", "80"}}),
        1);
    const auto parameters = start(*parts.learner, 0);
    const Quadratic reference(parts, parameters, task, 2.0);
    const auto result = parts.learner->meta_gradient(parameters, task);
    EXPECT_NEAR(result.values[0], reference.query_loss.item<double>(), 1e-12);
    const auto expected = flat_gradient(*parts.learner, reference.query_loss, reference.leaves);
    // The encoder stands still in the inner loop and shifts its minimum all the same.
    EXPECT_LT(relative_error(result.gradient, expected), 1e-10) << solver;
    EXPECT_GT(relative_error(reference.of_head(parts, expected), reference.pull), 0.1);
  }
}

TEST(Imaml, DampingAndTheSeriesAreThoseOfTheEquation) {
  const Task task = values_task();
  for (const double damping : {0.0, 0.7}) {
    const Values damped = with(
        kToTheEnd, {{"fast", "[head]"}, {"damping", std::to_string(damping)}, {"lambda", "2.0"}});
    const auto parts = of_vectors("imaml", with(damped, {{"solver_steps", "80"}}), 1);
    const auto parameters = start(*parts.learner, 0);
    const Quadratic reference(parts, parameters, task, 2.0);
    const auto eye = torch::eye(reference.hessian.size(0), torch::kFloat64);
    const auto ours = [&](const Assembly& learner) {
      return reference.of_head(learner, learner.learner->meta_gradient(parameters, task).gradient);
    };
    const auto exact =
        torch::linalg_solve((1 + damping) * eye + reference.hessian / 2.0, reference.pull);
    EXPECT_LT(relative_error(ours(parts), exact), 1e-10);
    auto power = reference.pull / (1 + damping), sum = power;
    for (int j = 1; j <= 3; ++j) {
      power = -reference.hessian.matmul(power) / (2.0 * (1 + damping));
      sum = sum + power;
    }
    const auto cut =
        of_vectors("imaml", with(damped, {{"solver", "neumann"}, {"solver_steps", "3"}}), 1);
    EXPECT_LT(relative_error(ours(cut), sum), 1e-10);
    EXPECT_GT(relative_error(sum, exact), 1e-4);
  }
}

/// A network whose inner loop reaches its minimum, against the graph of all its steps.
TEST(Imaml, EqualsMamlWithTheProximalTermUnrolledToTheEnd) {
  const auto parts = of_vectors("imaml", with(kToTheEnd, {{"solver_steps", "60"}}), 1);
  const Model& model = *parts.model;
  const auto parameters = start(*parts.learner, 0);
  const Task task = values_task();
  const Tensors leaves = leaves_of(parameters);
  Tensors phi = leaves;
  for (int k = 0; k < 150; ++k) {
    auto loss = F::mse_loss(model.forward(phi, task.support, {}), task.support.targets);
    for (std::size_t i = 0; i < phi.size(); ++i)
      loss = loss + 0.5 * 2.0 * (phi[i] - leaves[i]).square().sum();
    const auto slopes = slopes_of(loss, phi);
    for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = phi[i] - 0.1 * slopes[i];
  }
  const auto query_loss = [&](const torch::Tensor& outputs) {
    return F::mse_loss(outputs, task.query.targets);
  };
  const auto expected =
      flat_gradient(*parts.learner, query_loss(model.forward(phi, task.query, {})), leaves);
  const auto result = parts.learner->meta_gradient(parameters, task);
  EXPECT_LT(relative_error(result.gradient, expected), 1e-8);
  const Loss adapted = [&](const ParameterList& at) {
    return query_loss(parts.learner->adapt(at, task.support, task.key)->predict(task.query))
        .item<double>();
  };
  EXPECT_NEAR(result.values[0], adapted(parameters), 1e-12);
  expect_differences(adapted, parameters, result.gradient);
}

const Values kHeld{{"inner_lr", "0.015"}, {"lambda", "30.0"}, {"solver_steps", "60"}};

/// (I + H / lambda) v = dL_query/dphi where the loop ends: v by own kernels, the equation by
/// LibTorch's.
TEST(Imaml, SolvesTheEquationOnEveryTask) {
  for (const auto& [fusion, variant] : kVariants) {
    SCOPED_TRACE(std::string(fusion) + " " + variant);
    const auto learner = learner_of("imaml", 5, fusion, "batch", kHeld);
    TinySettings plain;
    plain.algorithm = "imaml";
    plain.fusion = fusion;
    plain.fused = false;
    const auto other = tiny_learner(plain);
    const Model& model = other->model();
    const auto parameters = start(*learner, 0);
    const Task task = odd_task(model, variant);
    const auto slopes_at = [&](const Tensors& phi) {
      return slopes_of(support_loss(model.forward(phi, task.support, {}), task.support), phi);
    };
    Tensors phi = leaves_of(parameters);
    for (int k = 0; k < 5; ++k) {
      const auto slopes = slopes_at(phi);
      for (std::size_t i = 0; i < phi.size(); ++i)
        phi[i] = (phi[i] - 0.015 * (slopes[i] + 30.0 * (phi[i] - parameters.tensors()[i])))
                     .detach()
                     .requires_grad_();
    }
    const auto outputs = model.forward(phi, task.query, {});
    const auto pull = flat_gradient(*other, F::cross_entropy(outputs, task.query.labels), phi);
    const auto v = learner->meta_gradient(parameters, task).gradient;
    const auto parts = model.layout()->views(v);
    torch::Tensor along;
    const auto slopes = slopes_at(phi);
    for (std::size_t i = 0; i < phi.size(); ++i) {
      const auto product = (slopes[i] * parts[i]).sum();
      along = i == 0 ? product : along + product;
    }
    const auto curved = flat_gradient(*other, along, phi);
    EXPECT_LT(relative_error(v + curved / 30.0, pull), 1e-8);
    EXPECT_GT(relative_error(v, pull), 0.05);
    const auto predicted = learner->adapt(parameters, task.support, task.key)->predict(task.query);
    EXPECT_LT(largest(predicted - outputs), 1e-11);
  }
}

TEST(Imaml, TheSolverAndTheProximalTermMatter) {
  const auto learner = [](const Values& values) {
    return learner_of("imaml", 50, "concat", "support", with(kHeld, values));
  };
  const auto exact = learner({});
  const auto parameters = start(*exact, 0);
  const Task task = tiny_task(exact->model(), 1, torch::kFloat64);
  const auto gradient = [&](const Values& values) {
    return learner(values)->meta_gradient(parameters, task).gradient;
  };
  const auto expected = exact->meta_gradient(parameters, task).gradient;
  const auto first_order = gradient({{"solver_steps", "0"}});
  EXPECT_GT(relative_error(first_order, expected), 0.05);
  const double far = relative_error(gradient({{"solver_steps", "2"}}), expected);
  EXPECT_LT(relative_error(gradient({{"solver_steps", "8"}}), expected), 0.5 * far);
  EXPECT_LT(far, relative_error(first_order, expected));
  // The stronger it holds, the nearer the minimum is to where the loop began.
  const auto travelled = [&](const char* lambda) {
    const auto held = learner({{"lambda", lambda}});
    const auto phi = held->adapt(parameters, task.support, task.key)->state().at("fast_weights");
    return (phi - parameters.flat()).norm().item<double>();
  };
  EXPECT_LT(travelled("60.0"), 0.6 * travelled("20.0"));
}

/// One minimum is of one inner loss.
TEST(Imaml, NormsOfEveryStepAreTheSame) {
  const auto learner = learner_of("imaml", 5, "concat", "batch_per_step");
  const auto& layout = *learner->model().layout();
  const auto places = places_of(layout);
  const auto& spec =
      layout.spec(static_cast<std::int64_t>(places.at("encoder.image.0.norm.weight")));
  EXPECT_EQ(spec.shape.front(), 1);
}

TEST(Imaml, WhatIsNotFiniteStaysSo) {
  for (const char* solver : {"cg", "neumann"}) {
    const auto parts = of_vectors("imaml", {{"solver", solver}}, 1);
    Task task = values_task();
    task.query.targets[0][0] = std::nan("");
    const auto gradient = parts.learner->meta_gradient(start(*parts.learner, 0), task).gradient;
    EXPECT_FALSE(gradient.isfinite().all().item<bool>()) << solver;
  }
}

TEST(Imaml, RefusesALoopThatTheProximalTermAloneThrowsAway) {
  EXPECT_THAT([] { learner_of("imaml", 3, "concat", "batch", {{"lambda", "20.0"}}); },
              testing::ThrowsMessage<UserError>(testing::HasSubstr("adapt.lambda: 20")));
}

/// What a hundred steps hold at once is what five hold.
TEST(Imaml, MemoryDoesNotDependOnTheNumberOfSteps) {
  pool_tensor_memory();
  ModalitySpec spec;
  spec.name = "x";
  spec.shape = {256};
  const Section mlp("mlp", {{"width", "256"}, {"depth", "2"}, {"fused", "false"}});
  torch::manual_seed(9);
  const auto batch = [] {
    Batch some;
    some.size = 64;
    some.way = 2;
    some.modalities = {{torch::randn({64, 256}), {}, torch::arange(64)}};
    some.targets = torch::randn({64, 2});
    return some;
  };
  const Task task{batch(), batch(), {}};
  const auto grown = [&](const char* algorithm, const Values& values) {
    const auto bytes = [&](const char* steps) {
      const auto parts =
          assembled(algorithm, with(values, {{"inner_steps", steps}}), spec, mlp, "value", 2);
      const auto parameters = ParameterList::initial(parts.model->layout(), 1);
      parts.learner->meta_gradient(parameters, task);
      return tensor_memory_bytes();
    };
    const std::size_t few = bytes("5");
    return bytes("100") - few;
  };
  EXPECT_EQ(grown("imaml", {{"inner_lr", "0.01"}}), 0u);
  EXPECT_GT(grown("meta_sgd", {{"inner_lr", "0.01"}, {"keep", "all"}}), std::size_t{10} << 20);
}

torch::Tensor solved(std::vector<double> eigenvalues, std::vector<double> b) {
  const auto diagonal = torch::tensor(eigenvalues, torch::kFloat64);
  return by_conjugate_gradient([&](const torch::Tensor& v) { return diagonal * v; },
                               torch::tensor(b, torch::kFloat64), 5);
}

TEST(ConjugateGradient, SolvesWhatHasEigenvaluesFromOneOn) {
  EXPECT_TRUE(torch::allclose(solved({1, 4, 9}, {2, -8, 27}),
                              torch::tensor({2.0, -2.0, 3.0}, torch::kFloat64), 1e-12, 1e-12));
}

/// By hand: the first step is along b, where the quadratic has its least; the second, from there,
/// is cut at the length of b.
TEST(ConjugateGradient, EndsAtTheLengthOfTheRightSide) {
  // The first step would be 2 b: cut to b.
  EXPECT_TRUE(torch::allclose(solved({0.5, 0.5}, {3, 4}),
                              torch::tensor({3.0, 4.0}, torch::kFloat64), 1e-12, 1e-12));
  // No least along b.
  EXPECT_TRUE(torch::allclose(solved({-1, -2}, {3, 4}), torch::tensor({3.0, 4.0}, torch::kFloat64),
                              1e-12, 1e-12));
  // b = (1, 1), A b = (4, -1): x = 2/3 b, residual (-5/3, 5/3), direction (10/9, 40/9), which
  // A turns by a negative curvature; from x on to |x|^2 = 2: t^2 1700/81 + t 200/27 = 10/9.
  const double t =
      (std::sqrt(200.0 * 200 / 729 + 4 * 1700.0 / 81 * 10 / 9) - 200.0 / 27) / (2 * 1700.0 / 81);
  const auto cut = solved({4, -1}, {1, 1});
  EXPECT_NEAR(cut[0].item<double>(), 2.0 / 3 + t * 10 / 9, 1e-12);
  EXPECT_NEAR(cut[1].item<double>(), 2.0 / 3 + t * 40 / 9, 1e-12);
  EXPECT_NEAR(cut.dot(cut).item<double>(), 2, 1e-12);
}

}  // namespace
}  // namespace cuttle
