// LEO in float64 against its paper's equations, class by class and pair by pair of samples, and
// against finite differences of the adapted loss.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "adapt/proofs.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kLatent = 5, kSteps = 3, kFinetuning = 2;

using Values = std::map<std::string, std::string>;

/// Rates at which every step matters, penalties that stand beside the loss, and what `more` says.
Values with(const Values& more = {}) {
  Values values{{"latent", "5"},
                {"inner_steps", "3"},
                {"finetune_steps", "2"},
                {"inner_lr", "0.3"},
                {"finetune_lr", "0.2"},
                {"kl", "0.3"},
                {"encoder_penalty", "0.7"},
                {"orthogonality", "0.4"}};
  for (const auto& [key, value] : more) values[key] = value;
  return values;
}
/// No draws and no penalties: the outer loss is the adapted one.
Values plain(const Values& more = {}) {
  Values values{
      {"sampled", "false"}, {"kl", "0"}, {"encoder_penalty", "0"}, {"orthogonality", "0"}};
  for (const auto& [key, value] : more) values[key] = value;
  return with(values);
}

/// The input without what samples `first` to `last` have of it.
ModalityInput without(const ModalityInput& input, std::int64_t first, std::int64_t last) {
  const auto kept = (input.rows.lt(first) | input.rows.gt(last)).nonzero().squeeze(1);
  return {input.values.index_select(0, kept),
          input.mask.defined() ? input.mask.index_select(0, kept) : torch::Tensor(),
          input.rows.index_select(0, kept)};
}

/// A task with something special about its support set.
Task task_of(const Model& model, const std::string& variant) {
  Task task = tiny_task(model, 1, torch::kFloat64);
  if (variant == "uneven") {
    task.support.even = false;
    task.support.labels = torch::tensor({0, 0, 1, 0, 0, 2}, torch::kInt64);
  }
  if (variant == "lacking") task.support = keep_modalities(task.support, {true, false});
  if (variant == "no image of class 1")
    task.support.modalities[0] = without(task.support.modalities[0], 2, 3);
  if (variant == "one class") {
    task.support.even = false;
    task.support.labels = torch::zeros({6}, torch::kInt64);
  }
  return task;
}

/// Section 2.3 of the paper, written down once more.
class Reference {
 public:
  Reference(const Learner& learner, const ParameterList& parameters, Task task, bool sampled,
            double kl, double encoder_penalty, double orthogonality)
      : leaves(leaves_of(parameters)),
        model_(learner.model()),
        task_(std::move(task)),
        places_(places_of(*model_.layout())),
        sampled_(sampled),
        random_(task_.key.with(Stream::kModel, 13)),
        x_(model_.embed(leaves, concatenate(task_.support, task_.query), {})) {
    const std::int64_t n = task_.support.size, parts = static_cast<std::int64_t>(x_.parts.size());
    auto penalty = torch::zeros({}, torch::kFloat64);
    Tensors codes, first;
    for (std::int64_t p = 0; p < parts; ++p) {
      const auto [mean, deviation] = code_of(p);
      penalty = penalty +
                kl * 0.5 *
                    (mean * mean + deviation * deviation - 1.0 - torch::log(deviation * deviation))
                        .mean();
      first.push_back(draw(mean, deviation));
    }
    codes = first;
    for (std::int64_t k = 0; k < kSteps; ++k)
      step(codes, support_loss(decode(codes)), "learner.inner_lr");
    for (std::int64_t p = 0; p < parts; ++p) {
      const auto i = static_cast<std::size_t>(p);
      penalty = penalty + encoder_penalty * torch::pow(codes[i].detach() - first[i], 2).mean();
      const auto decoder = own(p, "decoder");
      auto sum = torch::zeros({}, torch::kFloat64);
      for (std::int64_t a = 0; a < kLatent; ++a)
        for (std::int64_t b = 0; b < kLatent; ++b) {
          const auto u = decoder.select(1, a), v = decoder.select(1, b);
          sum = sum + torch::pow(u.dot(v) / (u.norm() * v.norm()) - (a == b ? 1.0 : 0.0), 2);
        }
      penalty = penalty + orthogonality * sum / (kLatent * kLatent);
    }
    auto weights = decode(codes);
    for (std::int64_t k = 0; k < kFinetuning; ++k)
      step(weights, support_loss(weights), "learner.finetune_lr");
    outputs = answers(weights, n, task_.query.size);
    loss = F::cross_entropy(outputs, task_.query.labels);
    objective = loss + penalty;
  }

  Tensors leaves;
  torch::Tensor outputs, loss, objective;

 private:
  torch::Tensor own(std::int64_t part, const std::string& name) const {
    return leaves[places_.at("learner." + std::to_string(part) + "." + name + ".weight")];
  }
  bool has(std::int64_t part, std::int64_t sample) const {
    return x_.mask[sample][part].item<double>() > 0;
  }
  std::int64_t label(std::int64_t sample) const {
    return task_.support.labels[sample].item<std::int64_t>();
  }
  /// What a sample counts: classes count alike.
  double count(std::int64_t sample) const {
    return 1.0 / static_cast<double>(task_.support.labels.eq(label(sample)).sum().item<int>());
  }
  torch::Tensor draw(const torch::Tensor& mean, const torch::Tensor& deviation) {
    if (!sampled_) return mean;
    const auto noise = torch::empty(mean.sizes(), torch::kFloat64);
    for (std::int64_t i = 0; i < noise.numel(); ++i) noise.view({-1})[i] = random_.normal();
    return mean + deviation * noise;
  }
  /// Of numbers that a code of kLatent columns is behind.
  static torch::Tensor deviation(const torch::Tensor& numbers, std::int64_t columns) {
    return torch::log(1.0 + torch::exp(numbers)) / std::log(2.0) *
               std::sqrt(2.0 / static_cast<double>(kLatent + columns)) +
           1e-10;
  }
  std::pair<torch::Tensor, torch::Tensor> code_of(std::int64_t part) const {
    const auto& x = x_.parts[static_cast<std::size_t>(part)];
    const auto encoder = own(part, "encoder");
    Tensors rows;
    for (std::int64_t c = 0; c < task_.support.way; ++c) {
      auto sum = 0.0 * encoder.sum() + torch::zeros({2 * kLatent}, torch::kFloat64);
      double total = 0;
      for (std::int64_t i = 0; i < task_.support.size; ++i)
        for (std::int64_t m = 0; m < task_.support.size && label(i) == c; ++m) {
          if (!has(part, i) || !has(part, m)) continue;
          auto relation = torch::cat({encoder.matmul(x[i]), encoder.matmul(x[m])});
          relation = torch::clamp_min(own(part, "relation.0").matmul(relation), 0);
          relation = torch::clamp_min(own(part, "relation.1").matmul(relation), 0);
          sum = sum + count(m) * own(part, "relation.2").matmul(relation);
          total += count(m);
        }
      rows.push_back(total > 0 ? sum / total : sum);
    }
    const auto numbers = torch::stack(rows);
    return {numbers.slice(1, 0, kLatent), deviation(numbers.slice(1, kLatent), kLatent)};
  }
  Tensors decode(const Tensors& codes) {
    Tensors weights;
    for (std::size_t p = 0; p < codes.size(); ++p) {
      const std::int64_t width = x_.parts[p].size(1);
      const auto numbers = codes[p].matmul(own(static_cast<std::int64_t>(p), "decoder").t());
      weights.push_back(
          draw(numbers.slice(1, 0, width), deviation(numbers.slice(1, width), width)));
    }
    return weights;
  }
  /// Of samples from `first` on: the mean over the parts that they and the support have.
  torch::Tensor answers(const Tensors& weights, std::int64_t first, std::int64_t size) const {
    Tensors rows;
    for (std::int64_t i = first; i < first + size; ++i) {
      auto sum = torch::zeros({task_.support.way}, torch::kFloat64);
      auto total = torch::zeros({}, torch::kFloat64);
      for (std::size_t p = 0; p < weights.size(); ++p) {
        const auto part = static_cast<std::int64_t>(p);
        bool known = false;
        for (std::int64_t m = 0; m < task_.support.size; ++m) known = known || has(part, m);
        if (!known || !has(part, i)) continue;
        const auto weight =
            weights.size() > 1 ? x_.weights[part] : torch::ones({}, torch::kFloat64);
        sum = sum + weight * weights[p].matmul(x_.parts[p][i]);
        total = total + weight;
      }
      rows.push_back(total.item<double>() > 0 ? sum / total : sum);
    }
    return torch::stack(rows);
  }
  torch::Tensor support_loss(const Tensors& weights) const {
    const auto right = torch::log_softmax(answers(weights, 0, task_.support.size), 1);
    auto sum = torch::zeros({}, torch::kFloat64);
    double total = 0;
    for (std::int64_t i = 0; i < task_.support.size; ++i) {
      sum = sum - count(i) * right[i][label(i)];
      total += count(i);
    }
    return sum / total;
  }
  void step(Tensors& values, const torch::Tensor& of, const std::string& rate) const {
    const auto slopes = torch::autograd::grad({of}, values, {}, true, true, true);
    for (std::size_t p = 0; p < values.size(); ++p)
      if (slopes[p].defined()) values[p] = values[p] - leaves[places_.at(rate)] * slopes[p];
  }

  const Model& model_;
  Task task_;
  std::map<std::string, std::size_t> places_;
  bool sampled_;
  Random random_;
  Embedding x_;
};

struct Variant {
  const char *name, *fusion;
};
const std::vector<Variant> kVariants{{"joint", "concat"},    {"joint", "gated"},
                                     {"parts", "late"},      {"uneven", "late"},
                                     {"lacking", "late"},    {"no image of class 1", "late"},
                                     {"one class", "concat"}};

TEST(Leo, GradientWithDrawsAndPenaltiesEqualsThePapersEquations) {
  for (const auto& [name, fusion] : kVariants) {
    const auto learner = learner_of("leo", 1, fusion, "batch", with());
    const Model& model = learner->model();
    const auto parameters = start(*learner, 0.3);
    const Task task = task_of(model, name);
    const Reference reference(*learner, parameters, task, true, 0.3, 0.7, 0.4);
    const auto result = learner->meta_gradient(parameters, task);
    EXPECT_NEAR(result.values[0], reference.loss.item<double>(), 1e-9) << name;
    const auto expected = flat_gradient(*learner, reference.objective, reference.leaves);
    EXPECT_LT(relative_error(result.gradient, expected), 1e-8) << name << fusion;
    const auto mine = model.layout()->views(result.gradient);
    const auto theirs = model.layout()->views(expected);
    for (const auto& [parameter, i] : places_of(*model.layout())) {
      if (parameter.rfind("learner.", 0) != 0) continue;
      if (std::string(name) != "lacking" && std::string(name) != "one class") {
        EXPECT_GT(largest(theirs[i]), 0.0) << name << parameter;
      }
      EXPECT_LT(largest(mine[i] - theirs[i]), 1e-8 * largest(expected)) << name << parameter;
    }
  }
}

TEST(Leo, UseTakesMeansAndAnswersByThePapersEquations) {
  for (const auto& [name, fusion] : kVariants) {
    const auto learner = learner_of("leo", 1, fusion, "batch", with());
    const auto parameters = start(*learner, 0.3);
    const Task task = task_of(learner->model(), name);
    const Reference reference(*learner, parameters, task, false, 0, 0, 0);
    RandomKey other = task.key;
    other.slot = 99;
    const auto answers = learner->adapt(parameters, task.support, other)->predict(task.query);
    EXPECT_LT(largest(answers - reference.outputs), 1e-9) << name << fusion;
  }
}

TEST(Leo, EqualsFiniteDifferences) {
  for (const auto& [fusion, norm] : {std::pair("concat", "support"), {"late", "batch"}}) {
    const auto learner = learner_of("leo", 1, fusion, norm, plain());
    expect_differences(*learner, start(*learner, 0.3),
                       tiny_task(learner->model(), 1, torch::kFloat64));
  }
}

/// Each mechanism has its part in the answers, or in the gradient.
TEST(Leo, EveryMechanismCounts) {
  const auto base = learner_of("leo", 1, "concat", "none", with());
  const auto parameters = start(*base, 0.3);
  const Task task = tiny_task(base->model(), 1, torch::kFloat64);
  const auto told = [&](const Learner& learner) {
    return std::pair(learner.adapt(parameters, task.support, task.key)->predict(task.query),
                     learner.meta_gradient(parameters, task).gradient);
  };
  const auto [answers, gradient] = told(*base);
  for (const auto& [key, off] : Values{{"inner_steps", "0"},
                                       {"finetune_steps", "0"},
                                       {"sampled", "false"},
                                       {"kl", "0"},
                                       {"encoder_penalty", "0"},
                                       {"orthogonality", "0"}}) {
    const auto [others, slope] = told(*learner_of("leo", 1, "concat", "none", with({{key, off}})));
    EXPECT_GT(relative_error(slope, gradient), 1e-3) << key;
    const bool in_use = key.find("steps") != std::string::npos;
    EXPECT_EQ(largest(others - answers) > 1e-3, in_use) << key;
  }
}

TEST(Leo, DrawsAreTheTasksKeys) {
  const auto learner = learner_of("leo", 1, "concat", "batch", with());
  const auto parameters = start(*learner, 0.3);
  Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto once = learner->meta_gradient(parameters, task).gradient;
  EXPECT_TRUE(torch::equal(learner->meta_gradient(parameters, task).gradient, once));
  task.key.step = 1;
  EXPECT_GT(relative_error(learner->meta_gradient(parameters, task).gradient, once), 1e-2);
}

/// Weights are made for each class: no way is learned.
TEST(Leo, AnyNumberOfClassesInUse) {
  const auto learner = learner_of("leo", 1, "late", "batch", with());
  const auto parameters = start(*learner, 0.3);
  for (const std::int64_t way : {1, 2, 5}) {
    Task task = tiny_task(learner->model(), 1, torch::kFloat64);
    task.support.way = task.query.way = way;
    task.support.even = false;
    task.support.labels = torch::arange(6).remainder(way);
    task.query.labels = task.query.labels.remainder(way);
    const auto answers = learner->adapt(parameters, task.support, task.key)->predict(task.query);
    EXPECT_EQ(answers.sizes(), torch::IntArrayRef({9, way}));
    const Reference reference(*learner, parameters, task, false, 0, 0, 0);
    EXPECT_LT(largest(answers - reference.outputs), 1e-9) << way;
  }
}

TEST(Leo, TraceGoesFromTheFirstCodesToTheAdaptedWeights) {
  const auto learner = learner_of("leo", 1, "late", "batch", with({{"inner_steps", "4"}}));
  const auto parameters = start(*learner, 0.02);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto lines = learner->trace(parameters, task);
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(static_cast<std::int64_t>(lines.size()), learner->eval_steps() + 1);
  for (std::size_t k = 1; k < lines.size(); ++k) {
    EXPECT_EQ(lines[k].step, static_cast<std::int64_t>(k));
    EXPECT_LT(lines[k].support_loss, lines[k - 1].support_loss) << k;
  }
  EXPECT_NEAR(lines.back().query_loss, adapted_loss(*learner, parameters, task), 1e-12);
}

}  // namespace
}  // namespace cuttle
