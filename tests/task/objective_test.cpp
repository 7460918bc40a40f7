// The contrastive objective against InfoNCE written as two loops, and how objectives join inner and
// outer losses, against the plain unrolled graph and finite differences, in float64.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "support/tiny_task.hpp"

namespace cuttle {
namespace {

namespace F = torch::nn::functional;
using testing::ElementsAre;

constexpr double kWeight = 0.7, kTemperature = 0.5;

double relative_error(const torch::Tensor& value, const torch::Tensor& reference) {
  return (value - reference).norm().item<double>() / reference.norm().item<double>();
}

torch::Tensor named(const ParameterLayout& layout, const Tensors& values, const std::string& name) {
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (layout.spec(i).name == name) return values[static_cast<std::size_t>(i)];
  ADD_FAILURE() << name;
  return {};
}

std::int64_t place_in(const torch::Tensor& rows, std::int64_t sample) {
  for (std::int64_t i = 0; i < rows.numel(); ++i)
    if (rows[i].item<std::int64_t>() == sample) return i;
  return -1;
}

using Vector = std::vector<double>;

/// A row of features projected and brought to length 1.
Vector seen(const torch::Tensor& features, const torch::Tensor& weight) {
  Vector y;
  double length = 0;
  for (std::int64_t r = 0; r < weight.size(0); ++r) {
    double sum = 0;
    for (std::int64_t c = 0; c < weight.size(1); ++c)
      sum += weight[r][c].item<double>() * features[c].item<double>();
    y.push_back(sum);
    length += sum * sum;
  }
  for (double& v : y) v /= std::sqrt(length);
  return y;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Of two senses of a batch: both directions, over the samples that have both.
double info_nce(const Pass& pass, const Batch& batch, std::size_t one, std::size_t other,
                const torch::Tensor& weight_one, const torch::Tensor& weight_other,
                double temperature) {
  std::vector<Vector> a, b;
  for (std::int64_t sample = 0; sample < batch.size; ++sample) {
    const auto i = place_in(batch.modalities[one].rows, sample);
    const auto j = place_in(batch.modalities[other].rows, sample);
    if (i < 0 || j < 0) continue;
    a.push_back(seen(pass.features[one].pooled[i].detach(), weight_one.detach()));
    b.push_back(seen(pass.features[other].pooled[j].detach(), weight_other.detach()));
  }
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double row = 0, column = 0;
    for (std::size_t j = 0; j < a.size(); ++j) {
      row += std::exp(dot(a[i], b[j]) / temperature);
      column += std::exp(dot(a[j], b[i]) / temperature);
    }
    const double own = std::exp(dot(a[i], b[i]) / temperature);
    sum -= 0.5 * (std::log(own / row) + std::log(own / column));
  }
  return sum / static_cast<double>(a.size());
}

/// The same, to be differentiated: as matrices, of the two senses of tiny_task.
torch::Tensor info_nce_graph(const Model& model, const Tensors& theta, const Batch& batch,
                             std::int64_t step) {
  const Pass pass = model.look(theta, batch, {step});
  std::vector<std::int64_t> of_image, of_text;
  for (std::int64_t sample = 0; sample < batch.size; ++sample) {
    const auto i = place_in(batch.modalities[0].rows, sample);
    const auto j = place_in(batch.modalities[1].rows, sample);
    if (i < 0 || j < 0) continue;
    of_image.push_back(i);
    of_text.push_back(j);
  }
  const auto rows = [&](std::size_t m, const std::vector<std::int64_t>& which, const char* name) {
    const auto x = pass.features[m]
                       .pooled.index_select(0, torch::tensor(which, torch::kInt64))
                       .matmul(named(*model.layout(), theta, name).t());
    return x / x.norm(2, 1, true);
  };
  const auto scores = rows(0, of_image, "objective.agree.image.weight")
                          .matmul(rows(1, of_text, "objective.agree.text.weight").t()) /
                      kTemperature;
  const auto own = scores.diag();
  return 0.5 *
         ((torch::logsumexp(scores, 1) - own).mean() + (torch::logsumexp(scores, 0) - own).mean());
}

std::unique_ptr<const Learner> learner_of(const std::string& algorithm, std::int64_t steps,
                                          const std::string& where) {
  torch::set_num_threads(1);
  TinySettings settings;
  settings.algorithm = algorithm;
  settings.inner_steps = steps;
  if (!where.empty())
    settings.objectives["agree"] = {
        Section("contrastive", {{"width", "5"}, {"temperature", "0.5"}}), kWeight, where};
  return tiny_learner(settings);
}

/// By name, so that a parameter has the same values in every layout.
ParameterList start(const Learner& learner) {
  const auto layout = learner.model().layout();
  const auto parameters = ParameterList::initial(layout, 3, torch::kFloat64);
  for (std::int64_t i = 0; i < layout->count(); ++i) {
    torch::manual_seed(std::hash<std::string>()(layout->spec(i).name) % 1000);
    const auto& value = parameters.tensors()[static_cast<std::size_t>(i)];
    value.add_(0.1 * torch::randn(value.sizes(), torch::kFloat64));
  }
  return parameters;
}

TEST(Contrastive, IsSymmetricInfoNceOfSamplesThatHaveBothSenses) {
  for (const char* algorithm : {"maml", "protonet"}) {
    const auto learner = learner_of(algorithm, 0, "outer");
    const Model& model = learner->model();
    EXPECT_THAT(learner->reports(), ElementsAre("loss", "accuracy", "objective.agree"));
    const auto parameters = start(*learner);
    const Task task = tiny_task(model, 1, torch::kFloat64);
    // A learner that compares looks at both sets at once.
    const Batch batch =
        std::string(algorithm) == "maml" ? task.query : concatenate(task.support, task.query);
    const auto& p = parameters.tensors();
    const Pass pass = model.look(p, batch, {});
    const auto values = learner->meta_gradient(parameters, task).values;
    ASSERT_EQ(values.size(), 3u);
    EXPECT_NEAR(
        values[2],
        info_nce(pass, batch, 0, 1, named(*model.layout(), p, "objective.agree.image.weight"),
                 named(*model.layout(), p, "objective.agree.text.weight"), kTemperature),
        1e-10);
    // The task's own loss is reported without it.
    const auto plain = learner_of(algorithm, 0, "");
    EXPECT_NEAR(values[0], plain->meta_gradient(start(*plain), task).values[0], 1e-12);
  }
}

TEST(Contrastive, JoinsTheOuterGradientByItsWeight) {
  for (const auto& [algorithm, steps] :
       {std::pair("maml", 0), {"anil", 0}, {"protonet", 0}, {"r2d2", 0}}) {
    const auto learner = learner_of(algorithm, steps, "outer");
    const auto plain = learner_of(algorithm, steps, "");
    const auto parameters = start(*learner);
    const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
    const auto& layout = *learner->model().layout();
    const auto& without = *plain->model().layout();
    const auto gradient = learner->meta_gradient(parameters, task).gradient;
    // What is left when the learner's gradient without the objective is taken away.
    const auto alone = plain->meta_gradient(start(*plain), task).gradient;
    auto rest = gradient.clone();
    for (std::int64_t i = 0; i < without.count(); ++i)
      named(layout, layout.views(rest), without.spec(i).name) -=
          without.views(alone)[static_cast<std::size_t>(i)];
    const double size = rest.norm().item<double>();
    ASSERT_GT(size, 1e-3);
    torch::manual_seed(5);
    for (auto direction : {rest, torch::randn_like(rest), torch::randn_like(rest)}) {
      direction = direction / direction.norm();
      const auto value = [&](double step) {
        return learner
            ->meta_gradient({parameters.shared_layout(), parameters.flat() + step * direction},
                            task)
            .values[2];
      };
      EXPECT_NEAR(kWeight * (value(1e-6) - value(-1e-6)) / 2e-6, rest.dot(direction).item<double>(),
                  1e-6 * size)
          << algorithm;
    }
  }
}

/// MAML with the objective in its inner loop, its outer loss, or both: one graph through all steps.
class Where : public testing::TestWithParam<const char*> {};

TEST_P(Where, EqualsThePlainUnrolledGraph) {
  const std::string where = GetParam();
  constexpr std::int64_t kSteps = 3;
  const auto learner = learner_of("maml", kSteps, where);
  const Model& model = learner->model();
  const auto parameters = start(*learner);
  const Task task = tiny_task(model, 1, torch::kFloat64);
  Tensors leaves;
  for (const auto& value : parameters.tensors()) leaves.push_back(value.clone().requires_grad_());
  Tensors theta = leaves;
  for (std::int64_t k = 0; k < kSteps; ++k) {
    auto loss = F::cross_entropy(model.forward(theta, task.support, {k}), task.support.labels);
    if (where != "outer") loss = loss + kWeight * info_nce_graph(model, theta, task.support, k);
    // The objective's own parameters are learned by the outer loop alone.
    std::vector<std::size_t> fast;
    Tensors moving;
    for (std::size_t i = 0; i < theta.size(); ++i) {
      if (model.layout()->spec(static_cast<std::int64_t>(i)).role == ParameterRole::kObjective)
        continue;
      fast.push_back(i);
      moving.push_back(theta[i]);
    }
    const auto g = torch::autograd::grad({loss}, moving, {}, true, true, true);
    for (std::size_t j = 0; j < fast.size(); ++j)
      if (g[j].defined()) theta[fast[j]] = theta[fast[j]] - 0.1 * g[j];
  }
  auto loss = F::cross_entropy(model.forward(theta, task.query, {kSteps}), task.query.labels);
  const double own = loss.item<double>();
  const auto agree = info_nce_graph(model, theta, task.query, kSteps);
  if (where != "inner") loss = loss + kWeight * agree;
  const auto expected =
      model.layout()->flatten(torch::autograd::grad({loss}, leaves, {}, false, false, true));
  const auto result = learner->meta_gradient(parameters, task);
  EXPECT_LT(relative_error(result.gradient, expected), 1e-9);
  EXPECT_NEAR(result.values[0], own, 1e-11);
  if (where == "inner") {
    EXPECT_THAT(learner->reports(), ElementsAre("loss", "accuracy"));
    EXPECT_EQ(result.values.size(), 2u);
  } else {
    EXPECT_NEAR(result.values.at(2), agree.item<double>(), 1e-11);
  }
  for (const char* name : {"objective.agree.image.weight", "objective.agree.text.weight"}) {
    const auto mine = named(*model.layout(), model.layout()->views(result.gradient), name);
    const auto theirs = named(*model.layout(), model.layout()->views(expected), name);
    EXPECT_GT(theirs.norm().item<double>(), 0.0);
    EXPECT_LT(relative_error(mine, theirs), 1e-8);
  }
  // Adaptation in use descends the same inner loss.
  for (auto& value : theta) value = value.detach();
  const auto predicted = learner->adapt(parameters, task.support, task.key)->predict(task.query);
  EXPECT_LT((predicted - model.forward(theta, task.query, {kSteps})).abs().max().item<double>(),
            1e-11);
}

INSTANTIATE_TEST_SUITE_P(Loops, Where, testing::Values("outer", "inner", "both"));

/// ANIL's inner loop moves the head, on which the objective does not depend; others have none.
TEST(Contrastive, IsRefusedInAnInnerLoopThatItCouldNotMove) {
  for (const char* algorithm : {"anil", "protonet", "r2d2", "snail"})
    for (const char* where : {"inner", "both"}) {
      std::string refusal;
      try {
        learner_of(algorithm, 3, where);
      } catch (const UserError& problem) {
        refusal = problem.what();
      }
      EXPECT_THAT(refusal, testing::HasSubstr("has no inner loop that it could move; use outer"))
          << algorithm;
    }
}

/// Three senses: the mean over the pairs that at least two samples have.
TEST(Contrastive, IsTheMeanOverPairsOfSenses) {
  std::vector<ModalitySpec> specs(3);
  ModelOptions options;
  for (std::size_t m = 0; m < 3; ++m) {
    specs[m].name = std::string(1, static_cast<char>('a' + m));
    specs[m].kind = ModalityKind::kVector;
    specs[m].shape = {3};
    options.encoders[specs[m].name] =
        Section("mlp", {{"width", "12"}, {"depth", "1"}, {"fused", "false"}});
  }
  Model model(options, specs, 2, 1, ModelRegistry{});
  const Section section("contrastive", {{"width", "3"}, {"temperature", "0.3"}});
  const auto kind = builtin_task_kinds().at("class").make({Section("class")});
  const auto objective = builtin_objectives()
                             .at("contrastive")
                             .make({section, model, model.declare(), "objective.o", *kind});
  const auto p = ParameterList::initial(model.layout(), 3, torch::kFloat64).tensors();
  torch::manual_seed(1);
  // Samples by sense; b and c share one sample only in the second batch, a and c in both.
  using Rows = std::vector<std::vector<std::int64_t>>;
  for (const Rows& rows : {Rows{{0, 1, 2, 4}, {0, 1, 3, 4, 5}, {1, 2, 4, 5}},
                           Rows{{0, 1, 2, 4, 5}, {0, 1, 5}, {1, 2, 3, 4}}, Rows{{0}, {0}, {}}}) {
    Batch batch;
    batch.size = 6;
    batch.way = 2;
    for (const auto& has : rows) {
      ModalityInput input;
      const auto n = static_cast<std::int64_t>(has.size());
      if (n > 0) input.values = torch::randn({n, 3}, torch::kFloat64);
      input.rows = torch::tensor(has, torch::kInt64);
      batch.modalities.push_back(input);
    }
    const Pass pass = model.look(p, batch, {});
    double sum = 0;
    int pairs = 0;
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t b = a + 1; b < 3; ++b) {
        std::size_t shared = 0;
        for (const auto row : rows[a]) shared += std::count(rows[b].begin(), rows[b].end(), row);
        if (shared < 2) continue;
        const auto weight = [&](std::size_t m) {
          return named(*model.layout(), p, "objective.o." + specs[m].name + ".weight");
        };
        sum += info_nce(pass, batch, a, b, weight(a), weight(b), 0.3);
        ++pairs;
      }
    EXPECT_NEAR(objective->loss(p, pass, batch, {}).item<double>(), pairs == 0 ? 0.0 : sum / pairs,
                1e-7)  // lengths are kept above zero, and some of these are short
        << pairs;
  }
}

TEST(Contrastive, OneSenseAloneIsRefused) {
  ModalitySpec spec;
  spec.name = "x";
  spec.kind = ModalityKind::kVector;
  spec.shape = {3};
  Model model({}, {spec}, 2, 1, ModelRegistry{});
  const auto kind = builtin_task_kinds().at("class").make({Section("class")});
  EXPECT_THROW(make_objectives({{"o", {}}}, builtin_objectives(), model, *kind), UserError);
}

}  // namespace
}  // namespace cuttle
