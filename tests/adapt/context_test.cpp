// Learners that answer in one pass over the support (caml, neural_process), in float64, against
// their formulas written down token after token, and what their parts do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "adapt/variants.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

const Values kSmallCaml{{"width", "6"}, {"layers", "2"}};

torch::Tensor normed(const torch::Tensor& x, const torch::Tensor& gain, const torch::Tensor& bias) {
  const auto mean = x.mean();
  return (x - mean) / ((x - mean).square().mean() + 1e-5).sqrt() * gain + bias;
}

/// A transformer over [query, support...], token after token, for a width of one head.
struct CamlReference {
  Own own;
  torch::Tensor codes;  ///< a row for each label; for values undefined
  bool copy = true;
  bool joint = true;  ///< whether the support looks at the query

  torch::Tensor answer(const torch::Tensor& asked, const torch::Tensor& known,
                       const torch::Tensor& answers, const torch::Tensor& counts) const {
    Tensors x{own.affine("project", asked) + own("label.unknown")};
    for (std::int64_t s = 0; s < known.size(0); ++s)
      x.push_back(own.affine("project", known[s]) + own("label.weight").matmul(answers[s]));
    for (int layer = 0; layer < 2; ++layer) attend("layers." + std::to_string(layer) + ".", x);
    for (auto& token : x) token = normed(token, own("norm.weight"), own("norm.bias"));
    auto said = own("head.weight").matmul(x[0]);
    if (copy) {
      Tensors weights;
      for (std::size_t s = 1; s < x.size(); ++s)
        weights.push_back(counts[static_cast<std::int64_t>(s) - 1] *
                          torch::exp(x[0].dot(x[s]) / std::sqrt(6.0)));
      const auto share = torch::stack(weights) / torch::stack(weights).sum();
      const auto copied = answers.t().matmul(share);  // deviations, the rest, have no copy
      said = torch::cat({said.narrow(0, 0, copied.size(0)) + copied,
                         said.narrow(0, copied.size(0), said.size(0) - copied.size(0))});
    }
    return codes.defined() ? torch::exp(own("scale")) * codes.matmul(said) : said;
  }

 private:
  void attend(const std::string& at, Tensors& x) const {
    Tensors queries, keys, values;
    for (const auto& token : x) {
      const auto seen = normed(token, own(at + "norm1.weight"), own(at + "norm1.bias"));
      const auto all =
          own(at + "self_attn.in_proj_weight").matmul(seen) + own(at + "self_attn.in_proj_bias");
      queries.push_back(all.narrow(0, 0, 6));
      keys.push_back(all.narrow(0, 6, 6));
      values.push_back(all.narrow(0, 12, 6));
    }
    if (!joint) {  // nobody looks at the query, which stands first
      keys.erase(keys.begin());
      values.erase(values.begin());
    }
    for (std::size_t t = 0; t < x.size(); ++t) {
      const auto scores = torch::stack(keys).matmul(queries[t]) / std::sqrt(6.0);
      const auto mixed = torch::stack(values).t().matmul(torch::softmax(scores, 0));
      x[t] = x[t] + own.affine(at + "self_attn.out_proj", mixed);
    }
    for (auto& token : x) {
      const auto seen = normed(token, own(at + "norm2.weight"), own(at + "norm2.bias"));
      const auto up = own.affine(at + "linear1", seen);
      token = token + own.affine(at + "linear2", up * (1 + torch::erf(up / std::sqrt(2.0))) / 2);
    }
  }
};

/// Corner c of the simplex of n corners.
torch::Tensor corner(std::int64_t c, std::int64_t n) {
  const auto count = static_cast<double>(n);
  auto code = torch::full({n}, -1 / std::sqrt(count * (count - 1)), torch::kFloat64);
  code[c] = std::sqrt((count - 1) / count);
  return code;
}

/// Two means as they are, and the deviations that are made of the two numbers beside them.
torch::Tensor with_deviations(const torch::Tensor& said) {
  if (said.size(-1) == 2) return said;
  return torch::cat(
      {said.narrow(-1, 0, 2), 0.1 + 0.9 * torch::log1p(torch::exp(said.narrow(-1, 2, 2)))}, -1);
}

/// Outputs for two values, or for two means and their deviations, and the gradient of the squared
/// error or of the normal density.
void expect_answers(const Learner& learner, const ParameterList& parameters, const Task& task,
                    const torch::Tensor& outputs, const Tensors& leaves) {
  EXPECT_LT(largest(predicted(learner, parameters, task) - outputs), 1e-11);
  const auto off = outputs.narrow(1, 0, 2) - task.query.targets;
  auto loss = off.square().mean();
  if (outputs.size(1) == 4) {
    const auto deviation = outputs.narrow(1, 2, 2);
    loss =
        -torch::log(torch::exp(-(off / deviation).square() / 2) / (deviation * std::sqrt(2 * M_PI)))
             .mean();
  }
  const auto result = learner.meta_gradient(parameters, task);
  EXPECT_LT(relative_error(result.gradient, flat_gradient(learner, loss, leaves)), 1e-9);
  expect_differences(told_loss(learner, task), parameters, result.gradient);
}

TEST(Caml, CodesAreEquallyLongAndEquallyFar) {
  for (std::int64_t a = 0; a < 4; ++a)
    for (std::int64_t b = 0; b < 4; ++b)
      EXPECT_NEAR(corner(a, 4).dot(corner(b, 4)).item<double>(), a == b ? 1.0 : -1.0 / 3, 1e-12);
}

/// Outputs [n, 3] by the reference, label c having corner dealt[c].
torch::Tensor caml_reference(const Learner& learner, const Tensors& p, const Task& task,
                             const std::vector<std::int64_t>& dealt, const std::string& variant,
                             std::int64_t corners = 3, bool copy = true, bool joint = true) {
  Tensors codes;
  for (const auto c : dealt) codes.push_back(corner(c, corners));
  const CamlReference reference{own_of(learner, p), torch::stack(codes), copy, joint};
  const auto rows =
      rows_of_embedding(learner.model().embed(p, concatenate(task.support, task.query), {}));
  const auto answers = reference.codes.index_select(0, task.support.labels);
  Tensors outputs;
  for (std::int64_t i = 0; i < task.query.size; ++i)
    outputs.push_back(reference.answer(rows[task.support.size + i],
                                       rows.narrow(0, 0, task.support.size), answers,
                                       counts_of(variant)));
  return torch::stack(outputs);
}

/// The ways to give three labels corners of `corners`.
std::vector<std::vector<std::int64_t>> deals(std::int64_t corners) {
  std::vector<std::vector<std::int64_t>> all;
  for (std::int64_t a = 0; a < corners; ++a)
    for (std::int64_t b = 0; b < corners; ++b)
      for (std::int64_t c = 0; c < corners; ++c)
        if (a != b && b != c && a != c) all.push_back({a, b, c});
  return all;
}

TEST(Caml, AnswersAndLearnsAsWrittenDown) {
  for (const std::string variant :
       {"concat", "gated", "late", "uneven", "lacking", "plain", "once"}) {
    SCOPED_TRACE(variant);
    auto values = kSmallCaml;
    const bool copy = variant != "plain", joint = variant != "once";
    if (!copy) values["copy"] = "false";
    if (!joint) values["joint"] = "false";
    const auto fusion = variant == "gated"                       ? "gated"
                        : variant == "concat" || !copy || !joint ? "concat"
                                                                 : "late";
    const auto learner = learner_of("caml", 1, fusion, "none", values);
    const auto parameters = start(*learner, 0.3);
    const Task task = odd_task(learner->model(), variant);
    const auto outputs = predicted(*learner, parameters, task);
    const auto result = learner->meta_gradient(parameters, task);
    int fitting = 0;  // the key chooses one of the deals
    for (const auto& deal : deals(3)) {
      const auto leaves = leaves_of(parameters);
      const auto expected = caml_reference(*learner, leaves, task, deal, variant, 3, copy, joint);
      if (largest(expected - outputs) > 1e-11) continue;
      ++fitting;
      const auto loss = F::cross_entropy(expected, task.query.labels);
      EXPECT_LT(relative_error(result.gradient, flat_gradient(*learner, loss, leaves)), 1e-9);
    }
    EXPECT_EQ(fitting, 1);
    expect_differences(*learner, parameters, task);
  }
}

/// What is kept of the support serves any number of queries, in any order.
TEST(Caml, OnceReadTheSupportAnswersAnyQuery) {
  auto values = kSmallCaml;
  values["joint"] = "false";
  const auto learner = learner_of("caml", 1, "concat", "none", values);
  const auto parameters = start(*learner, 0.3);
  const Task task = odd_task(learner->model(), "concat");
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  Tensors rows;
  for (std::int64_t i = 0; i < task.query.size; ++i)
    rows.push_back(adapted->predict(select_rows(task.query, {i})));
  EXPECT_LT(largest(adapted->predict(task.query) - torch::cat(rows)), 1e-12);
  EXPECT_TRUE(torch::equal(adapted->predict(select_rows(task.query, {0})), rows[0]));
  const auto restored = learner->restore(adapted->state(), task.support.way);
  EXPECT_TRUE(torch::equal(restored->predict(select_rows(task.query, {0})), rows[0]));
}

TEST(Caml, ValuesAreTheirOwnCodes) {
  for (const char* target : {"value", "gaussian"}) {
    const auto learner = value_learner("caml", kSmallCaml, target);
    const auto parameters = start(*learner, 0.3);
    const Task task = value_task();
    const auto leaves = leaves_of(parameters);
    const CamlReference reference{own_of(*learner, leaves), {}};
    const auto known = learner->model().embed(leaves, task.support, {}).parts[0];
    const auto asked = learner->model().embed(leaves, task.query, {}).parts[0];
    Tensors outputs;
    for (std::int64_t i = 0; i < 4; ++i)
      outputs.push_back(reference.answer(asked[i], known, task.support.targets,
                                         torch::ones({5}, torch::kFloat64)));
    expect_answers(*learner, parameters, task, with_deviations(torch::stack(outputs)), leaves);
  }
}

/// Standardised by hand, answered, and put back into the values' own units.
TEST(Caml, ValuesInTheSupportsUnits) {
  for (const char* target : {"value", "gaussian"}) {
    const auto learner = value_learner(
        "caml", {{"width", "6"}, {"layers", "2"}, {"standardise", "true"}, {"joint", "false"}},
        target);
    const auto parameters = start(*learner, 0.3);
    Task task = value_task();
    task.support.targets = 40 * task.support.targets + 7;
    task.query.targets = 40 * task.query.targets + 7;
    const auto leaves = leaves_of(parameters);
    const CamlReference reference{own_of(*learner, leaves), {}, true, false};
    const auto known = learner->model().embed(leaves, task.support, {}).parts[0];
    const auto asked = learner->model().embed(leaves, task.query, {}).parts[0];
    const auto mean = task.support.targets.mean(0);
    const auto unit = (task.support.targets - mean).square().mean(0).sqrt();
    Tensors outputs;
    for (std::int64_t i = 0; i < 4; ++i) {
      const auto said =
          with_deviations(reference.answer(asked[i], known, (task.support.targets - mean) / unit,
                                           torch::ones({5}, torch::kFloat64)));
      outputs.push_back(torch::cat(
          {said.narrow(0, 0, 2) * unit + mean,
           said.narrow(0, 2, said.size(0) - 2) * unit.repeat({(said.size(0) - 2) / 2})}));
    }
    expect_answers(*learner, parameters, task, torch::stack(outputs), leaves);
  }
}

/// Metres or millimetres: the same answers, deviations and all, in another unit.
TEST(Caml, AnswersGoWithTheUnitOfValues) {
  const auto learner =
      value_learner("caml", {{"width", "6"}, {"layers", "2"}, {"standardise", "true"}}, "gaussian");
  const auto parameters = start(*learner, 0.3);
  const auto outputs = predicted(*learner, parameters, value_task());
  for (const double factor : {1e-3, 1e3}) {
    Task task = value_task();
    task.support.targets = factor * task.support.targets;
    EXPECT_LT(relative_error(predicted(*learner, parameters, task), factor * outputs), 1e-12);
  }
  // Of values that are equal but for rounding the unit is not known: it is 1.
  Task task = value_task();
  task.support.targets.fill_(0.1).select(0, 0).add_(1e-9);
  const auto deviations = predicted(*learner, parameters, task).narrow(1, 2, 2);
  EXPECT_GE(deviations.min().item<double>(), 0.1);
}

TEST(Caml, NoOrderOfTheSupportChangesAnAnswer) {
  const auto learner = learner_of("caml", 1, "late", "none", kSmallCaml);
  const auto parameters = start(*learner, 0.3);
  const Task task = odd_task(learner->model(), "uneven");
  EXPECT_LT(largest(predicted(*learner, parameters, task) -
                    predicted(*learner, parameters, with_order(task, {4, 2, 0, 5, 1, 3}))),
            1e-12);
}

/// What a label is called says nothing: renamed ones have answers that other keys give, renamed.
/// What attention copies knows no names at all.
TEST(Caml, RenamingLabelsRenamesAnswers) {
  const auto learner = learner_of("caml", 1, "concat", "none", kSmallCaml);
  const auto parameters = start(*learner, 0.3), copying = parameters.clone();
  const auto places = places_of(*learner->model().layout());
  for (const char* name : {"learner.label.weight", "learner.head.weight"})
    copying.tensors()[places.at(name)].zero_();
  const auto renamed = torch::tensor({2, 0, 1});  // label c is called renamed[c]
  const Task task = odd_task(learner->model(), "concat");
  Task other = task;
  other.support.labels = renamed.index_select(0, task.support.labels);
  const auto of_other = [&](const ParameterList& at) {
    return predicted(*learner, at, other).index_select(1, renamed);
  };
  EXPECT_LT(largest(of_other(copying) - predicted(*learner, copying, task)), 1e-12);
  EXPECT_GT(largest(of_other(parameters) - predicted(*learner, parameters, task)), 1e-3);
  Task by_key = task;
  int same = 0;
  for (std::uint32_t slot = 0; slot < 40; ++slot) {
    by_key.key = {9, Stream::kTesting, 0, slot};
    same += largest(of_other(parameters) - predicted(*learner, parameters, by_key)) < 1e-11;
  }
  EXPECT_GT(same, 0);
  EXPECT_LT(same, 40);
}

TEST(Caml, TheKeyDealsTheCodesSoThatLabelsMeanNothingBeyondTheTask) {
  for (const char* max_way : {"0", "5"}) {
    auto values = kSmallCaml;
    values["max_way"] = max_way;
    const auto learner = learner_of("caml", 1, "concat", "none", values);
    const auto parameters = start(*learner, 0.3);
    Task task = odd_task(learner->model(), "concat");
    std::set<double> losses;
    for (std::uint32_t slot = 0; slot < 40; ++slot) {
      task.key = {9, Stream::kTesting, 0, slot};
      losses.insert(learner->meta_gradient(parameters, task).values[0]);
    }
    // Three codes have 6 orders, three of five have 60.
    if (std::string(max_way) == "0")
      EXPECT_EQ(losses.size(), 6u);
    else
      EXPECT_GT(losses.size(), 12u);
  }
}

TEST(Caml, TakesAnyWayThatThereAreCodesFor) {
  auto values = kSmallCaml;
  values["max_way"] = "5";
  const auto learner = learner_of("caml", 1, "concat", "none", values);
  const auto parameters = start(*learner, 0.3);
  Task task = odd_task(learner->model(), "concat");
  const auto outputs = predicted(*learner, parameters, task);
  int fitting = 0;
  for (const auto& deal : deals(5))
    fitting += largest(caml_reference(*learner, parameters.tensors(), task, deal, "", 5) -
                       outputs) < 1e-11;
  EXPECT_EQ(fitting, 1);
  task.support.way = 5;
  EXPECT_EQ(predicted(*learner, parameters, task).sizes(), torch::IntArrayRef({9, 5}));
  task.support.way = 6;
  try {
    learner->adapt(parameters, task.support, task.key);
    FAIL();
  } catch (const UserError& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("has 6 classes, and there are codes for 5"));
  }
  values["max_way"] = "2";
  EXPECT_THROW(learner_of("caml", 1, "concat", "none", values), UserError);
  EXPECT_THROW(learner_of("caml", 1, "concat", "none", {{"standardise", "true"}}), UserError);
}

TEST(Caml, SupportOfOneClassIsAnswered) {
  const auto learner = learner_of("caml", 1, "concat", "none", kSmallCaml);
  Task task = odd_task(learner->model(), "concat");
  task.support.labels.zero_();
  task.support.way = task.query.way = 1;
  const auto outputs = predicted(*learner, start(*learner, 0.3), task);
  EXPECT_EQ(outputs.sizes(), torch::IntArrayRef({9, 1}));
  EXPECT_TRUE(outputs.isfinite().all().item<bool>());
}

/// Equations of neural processes, sample after sample: with `classes`, that many means side by
/// side.
torch::Tensor process_reference(const Own& own, std::int64_t classes, const torch::Tensor& known,
                                const torch::Tensor& answers, const torch::Tensor& counts,
                                const torch::Tensor& asked) {
  const auto perceptron = [&](const std::string& name, const torch::Tensor& x) {
    return own.affine(name + ".1", torch::relu(own.affine(name + ".0", x)));
  };
  Tensors outputs;
  for (std::int64_t q = 0; q < asked.size(0); ++q) {
    Tensors seen{asked[q]};
    for (std::int64_t c = 0; c < std::max<std::int64_t>(classes, 1); ++c) {
      auto sum = torch::zeros({4}, torch::kFloat64), total = torch::zeros({}, torch::kFloat64);
      for (std::int64_t i = 0; i < known.size(0); ++i) {
        auto weight = classes > 0 ? answers[i][c] : counts[i];
        if (own.has("key.weight"))
          weight =
              weight * torch::exp(own.affine("key", asked[q]).dot(own.affine("key", known[i])) /
                                  std::sqrt(4.0));
        sum = sum + weight * perceptron("encoder", torch::cat({known[i], answers[i]}));
        total = total + weight;
      }
      seen.push_back(total.item<double>() > 0 ? sum / total : sum);
    }
    outputs.push_back(perceptron("decoder", torch::cat(seen)));
  }
  return torch::stack(outputs);
}

void expect_process(const std::string& variant, bool attention) {
  SCOPED_TRACE(variant + (attention ? ", attentive" : ", conditional"));
  const auto learner =
      learner_of("neural_process", 1, variant == "concat" ? "concat" : "late", "none",
                 {{"width", "4"}, {"attention", attention ? "true" : "false"}});
  const auto parameters = start(*learner, 0.5);
  const Task task = odd_task(learner->model(), variant);
  const auto leaves = leaves_of(parameters);
  const auto outputs = process_reference(
      own_of(*learner, leaves), attention ? 0 : 3,
      rows_of_embedding(learner->model().embed(leaves, task.support, {})),
      torch::one_hot(task.support.labels, 3).to(torch::kFloat64), counts_of(variant),
      rows_of_embedding(learner->model().embed(leaves, task.query, {})));
  EXPECT_LT(largest(predicted(*learner, parameters, task) - outputs), 1e-11);
  const auto loss = F::cross_entropy(outputs, task.query.labels);
  EXPECT_LT(relative_error(learner->meta_gradient(parameters, task).gradient,
                           flat_gradient(*learner, loss, leaves)),
            1e-9);
  expect_differences(*learner, parameters, task);
  EXPECT_LT(largest(predicted(*learner, parameters, with_order(task, {4, 2, 0, 5, 1, 3})) -
                    predicted(*learner, parameters, task)),
            1e-11);
}

TEST(NeuralProcess, AnswersAndLearnsAsWrittenDown) {
  for (const char* variant : {"concat", "late", "uneven", "lacking"})
    for (const bool attention : {true, false}) expect_process(variant, attention);
  expect_process("no_class_2", false);
}

TEST(NeuralProcess, PredictsValues) {
  for (const auto& [target, attention] :
       {std::pair("value", "true"), {"gaussian", "true"}, {"value", "false"}}) {
    const auto learner =
        value_learner("neural_process", {{"width", "4"}, {"attention", attention}}, target);
    const auto parameters = start(*learner, 0.5);
    const Task task = value_task();
    const auto leaves = leaves_of(parameters);
    const auto outputs = process_reference(
        own_of(*learner, leaves), 0, learner->model().embed(leaves, task.support, {}).parts[0],
        task.support.targets, torch::ones({5}, torch::kFloat64),
        learner->model().embed(leaves, task.query, {}).parts[0]);
    expect_answers(*learner, parameters, task, with_deviations(outputs), leaves);
  }
}

TEST(Gaussian, IsRefusedWhereNoDeviationsArePredicted) {
  for (const char* algorithm : {"maml", "r2d2", "snail", "matching"}) {
    try {
      value_learner(algorithm, {}, "gaussian");
      FAIL() << algorithm;
    } catch (const UserError& problem) {
      EXPECT_THAT(problem.what(), HasSubstr("predicts values without standard deviations"));
    }
  }
}

}  // namespace
}  // namespace cuttle
