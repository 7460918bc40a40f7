// MAML from several initialisations in float64 against one plain graph: the task's numbers sample
// by sample, the shares of the clusters, the sum of whole initialisations, and the loop from there.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapt/variants.hpp"

namespace cuttle {
namespace {

const Values kThree{{"clusters", "3"}, {"width", "5"}};

torch::Tensor scaled(const Tensors& numbers) {
  const auto all = torch::stack(numbers);
  return all / (all.square().mean() + 1e-12).sqrt();
}

/// One graph from the parameters to the query's outputs.
struct PlainGraph {
  const Learner& learner;
  const Task& task;
  Tensors leaves;
  std::map<std::string, std::size_t> places;

  PlainGraph(const Learner& of, const ParameterList& parameters, const Task& asked)
      : learner(of),
        task(asked),
        leaves(leaves_of(parameters)),
        places(places_of(*of.model().layout())) {}

  const torch::Tensor& own(const std::string& name) const {
    return leaves[places.at("learner." + name)];
  }

  /// What the task is mapped from: of every part, means, then spreads; values before it.
  torch::Tensor numbers() const {
    const auto embedding = learner.model().embed(leaves, task.support, {});
    Tensors all;
    const auto& y = task.support.targets;
    if (y.defined()) {
      Tensors means, spreads;
      for (std::int64_t v = 0; v < y.size(1); ++v) {
        means.push_back(y.select(1, v).mean());
        spreads.push_back((y.select(1, v).var(false) + 1e-12).sqrt());
      }
      means.insert(means.end(), spreads.begin(), spreads.end());
      all.push_back(scaled(means));
    }
    for (std::size_t p = 0; p < embedding.parts.size(); ++p) {
      const auto has = embedding.mask.select(1, static_cast<std::int64_t>(p)).gt(0);
      if (has.sum().item<std::int64_t>() == 0) {
        all.push_back(torch::zeros({2 * embedding.parts[p].size(1)}, torch::kFloat64));
        continue;
      }
      const auto rows = embedding.parts[p].index_select(0, has.nonzero().squeeze(1));
      Tensors means, spreads, products;
      for (std::int64_t c = 0; c < rows.size(1); ++c) {
        const auto column = rows.select(1, c);
        means.push_back(column.mean());
        spreads.push_back((column.var(false) + 1e-12).sqrt());
      }
      for (std::int64_t v = 0; y.defined() && v < y.size(1); ++v)
        for (std::int64_t c = 0; c < rows.size(1); ++c)
          products.push_back(
              (y.select(1, v) * (rows.select(1, c) - means[static_cast<std::size_t>(c)])).mean());
      means.insert(means.end(), spreads.begin(), spreads.end());
      all.push_back(scaled(means));
      if (y.defined()) all.push_back(scaled(products));
    }
    return torch::cat(all);
  }
  /// By cluster.
  Tensors shares() const {
    const auto z = own("map.weight").matmul(numbers());
    const auto unit = z / (z.square().mean() + 1e-12).sqrt();
    Tensors weights;
    auto sum = torch::zeros({}, torch::kFloat64);
    for (std::int64_t k = 0; k < 3; ++k) {
      const auto far = (unit - own("centres")[k]).square().sum() / 5;
      weights.push_back(torch::exp(-torch::exp(own("sharpness")[0]) * far));
      sum = sum + weights.back();
    }
    for (auto& weight : weights) weight = weight / sum;
    return weights;
  }
  /// Parameters after the inner steps.
  Tensors adapted(std::int64_t steps, double rate) const {
    const auto share = shares();
    Tensors theta = leaves, moving;
    std::vector<std::size_t> fast;
    for (const auto& [name, i] : places) {
      if (places.count("learner.cluster.1." + name) == 0) continue;
      fast.push_back(i);
      const auto second = leaves[i] + own("cluster.1." + name);
      const auto third = leaves[i] + own("cluster.2." + name);
      theta[i] = share[0] * leaves[i] + share[1] * second + share[2] * third;
    }
    for (std::int64_t k = 0; k < steps; ++k) {
      moving.clear();
      for (const std::size_t i : fast) moving.push_back(theta[i]);
      const auto loss = loss_of(learner.model().forward(theta, task.support, {k}), task.support);
      const auto g = torch::autograd::grad({loss}, moving, {}, true, true, true);
      for (std::size_t j = 0; j < fast.size(); ++j)
        if (g[j].defined()) theta[fast[j]] = theta[fast[j]] - rate * g[j];
    }
    return theta;
  }
  static torch::Tensor loss_of(const torch::Tensor& outputs, const Batch& batch) {
    if (batch.targets.defined()) return (outputs - batch.targets).square().mean();
    return F::cross_entropy(outputs, batch.labels);
  }
};

void expect_as_plain(const Learner& learner, const Task& task, double rate) {
  const auto parameters = start(learner, 0.3);
  const PlainGraph plain(learner, parameters, task);
  const auto outputs = learner.model().forward(plain.adapted(2, rate), task.query, {2});
  const auto loss = PlainGraph::loss_of(outputs, task.query);
  const auto result = learner.meta_gradient(parameters, task);
  EXPECT_NEAR(result.values[0], loss.item<double>(), 1e-12);
  EXPECT_LT(largest(outputs.detach() - predicted(learner, parameters, task)), 1e-12);
  const auto reference = flat_gradient(learner, loss, plain.leaves);
  EXPECT_LT(relative_error(result.gradient, reference), 1e-9);
  // Everything of the learner's own, not hidden by the initialisation's gradient.
  const auto mine = learner.model().layout()->views(result.gradient);
  const auto theirs = learner.model().layout()->views(reference);
  for (const auto* name : {"map.weight", "centres", "sharpness"}) {
    const auto i = plain.places.at(std::string("learner.") + name);
    EXPECT_GT(largest(theirs[i]), 1e-8) << name;
    EXPECT_LT(relative_error(mine[i], theirs[i]), 1e-7) << name;
  }
}

TEST(MamlClusters, GradientEqualsThePlainGraph) {
  for (const std::string variant : {"concat", "gated", "late", "lacking"}) {
    const auto learner =
        learner_of("maml_clusters", 2, variant == "lacking" ? "late" : variant, "batch", kThree);
    Task task = tiny_task(learner->model(), 1, torch::kFloat64);
    if (variant == "lacking") task.support = keep_modalities(task.support, {true, false});
    SCOPED_TRACE(variant);
    expect_as_plain(*learner, task, 0.1);
  }
}

/// With a head for two values.
std::unique_ptr<const Learner> learner_of_values() {
  ModelOptions options;
  options.encoders["x"] = Section("mlp", {{"width", "16"}, {"depth", "1"}});
  const ModalitySpec x{"x", ModalityKind::kVector, {3}, 0.0, {}, {}};
  const auto model =
      std::make_shared<Model>(options, std::vector<ModalitySpec>{x}, 2, 2, ModelRegistry{});
  const Section target("value"),
      adapt("maml_clusters",
            {{"clusters", "3"}, {"width", "5"}, {"inner_steps", "2"}, {"inner_lr", "0.1"}});
  std::shared_ptr<const TaskKind> kind = builtin_task_kinds().at("value").make({target});
  TaskInputs inputs{{x}, 2, 2};
  inputs.outputs = 2;
  return make_learner(builtin_learners(), {adapt, model, kind, std::make_shared<const Objectives>(),
                                           model->declare(), inputs});
}

TEST(MamlClusters, OfValuesLooksAtThemToo) {
  expect_as_plain(*learner_of_values(), value_task(), 0.1);
}

TEST(MamlClusters, GradientEqualsDifferences) {
  const auto learner = learner_of("maml_clusters", 2, "concat", "support", kThree);
  expect_differences(*learner, start(*learner, 0.3),
                     tiny_task(learner->model(), 1, torch::kFloat64));
}

TEST(MamlClusters, OfOneClusterIsMamlBitForBit) {
  const auto one = learner_of("maml_clusters", 2, "concat", "batch", {{"clusters", "1"}});
  const auto maml = learner_of("maml", 2, "concat", "batch");
  ASSERT_EQ(one->model().layout()->flat_size(), maml->model().layout()->flat_size());
  const auto parameters = ParameterList::initial(one->model().layout(), 3);
  const ParameterList same(maml->model().layout(), parameters.flat());
  const Task task = tiny_task(one->model(), 1, torch::kFloat32);
  EXPECT_TRUE(one->meta_gradient(parameters, task)
                  .gradient.equal(maml->meta_gradient(same, task).gradient));
  EXPECT_TRUE(predicted(*one, parameters, task).equal(predicted(*maml, same, task)));
}

/// At first nothing is added to the first initialisation, whatever the shares.
TEST(MamlClusters, StartsAsMaml) {
  const auto learner = learner_of("maml_clusters", 2, "concat", "batch", kThree);
  const auto maml = learner_of("maml", 2, "concat", "batch");
  const auto parameters = ParameterList::initial(learner->model().layout(), 3, torch::kFloat64);
  const auto same = ParameterList::initial(maml->model().layout(), 3, torch::kFloat64);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  EXPECT_EQ(learner->meta_gradient(parameters, task).values,
            maml->meta_gradient(same, task).values);
}

TEST(MamlClusters, KeepsOnlyWhatMovesByCluster) {
  const auto learner =
      learner_of("maml_clusters", 2, "concat", "batch", {{"clusters", "3"}, {"fast", "[head]"}});
  const auto& layout = *learner->model().layout();
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    const std::string name = layout.spec(i).name;
    const bool added = name.rfind("learner.cluster.", 0) == 0;
    EXPECT_TRUE(!added || name.find(".head.") != std::string::npos) << name;
  }
}

/// What the clusters were is in the sum that the inner loop began with.
TEST(MamlClusters, AnAdaptedModelIsAsLargeAsMamls) {
  const auto layout =
      learner_of("maml_clusters", 2, "concat", "batch", {{"clusters", "3"}})->model().layout();
  const auto maml = learner_of("maml", 2)->model().layout();
  EXPECT_EQ(layout->kept_size(), maml->flat_size());
  EXPECT_GT(layout->flat_size(), 3 * maml->flat_size());
}

}  // namespace
}  // namespace cuttle
