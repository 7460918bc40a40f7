// Pretraining in float64 against a plain softmax regression, and what it makes of a support set
// against LibTorch's own optimizer and distances written out.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <string>

#include "cuttle/core/error.hpp"
#include "support/tiny_task.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kClasses = 6;  // of the training split, in tiny_task

double relative_error(const torch::Tensor& value, const torch::Tensor& reference) {
  return (value - reference).norm().item<double>() / reference.norm().item<double>();
}

struct Case {
  const char *classifier, *fusion, *norm;
};

class Pretrain : public testing::TestWithParam<Case> {
 protected:
  Pretrain() { torch::set_num_threads(1); }

  std::unique_ptr<const Learner> learner_of(std::map<std::string, std::string> values = {}) const {
    TinySettings settings;
    settings.algorithm = "pretrain";
    settings.fusion = GetParam().fusion;
    settings.norm = GetParam().norm;
    values["classifier"] = GetParam().classifier;
    return tiny_learner(settings, values);
  }
  bool cosine() const { return std::string(GetParam().classifier) == "cosine"; }
};

ParameterList start(const Learner& learner) {
  return ParameterList::initial(learner.model().layout(), 3, torch::kFloat64);
}

/// A minibatch of all classes.
Task minibatch(const Model& model) {
  Task task = tiny_task(model, 1, torch::kFloat64);
  task.query.labels = torch::tensor({5, 0, 3, 1, 1, 4, 2, 5, 0}, torch::kInt64);
  task.query.way = kClasses;
  task.support = select_rows(task.query, {});
  return task;
}

/// What is told of a sample: the parts side by side, and which of them there are.
torch::Tensor features_of(const Embedding& embedding) {
  if (embedding.parts.size() == 1) return embedding.parts[0];
  return torch::cat({embedding.parts[0], embedding.parts[1], embedding.mask}, 1);
}

torch::Tensor directions(const torch::Tensor& x) {
  return x / x.norm(2, 1, true);
}

torch::Tensor parameter(const ParameterLayout& layout, const Tensors& values,
                        const std::string& name) {
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (layout.spec(i).name == name) return values[static_cast<std::size_t>(i)];
  return {};
}

TEST_P(Pretrain, GradientIsThatOfSoftmaxRegressionOnTheFeatures) {
  const auto learner = learner_of({{"scale", "7"}});
  const Model& model = learner->model();
  const auto parameters = start(*learner);
  const Task task = minibatch(model);
  Tensors leaves;
  for (const auto& value : parameters.tensors()) leaves.push_back(value.clone().requires_grad_());
  const auto x = features_of(model.embed(leaves, task.query, {}));
  const auto weight = parameter(*model.layout(), leaves, "learner.weight");
  const auto bias = parameter(*model.layout(), leaves, "learner.bias");
  EXPECT_EQ(weight.sizes(), torch::IntArrayRef({kClasses, x.size(1)}));
  EXPECT_EQ(bias.defined(), !cosine());
  const auto logits =
      cosine() ? 7.0 * directions(x).matmul(directions(weight).t()) : x.matmul(weight.t()) + bias;
  auto loss = torch::zeros({}, torch::kFloat64);
  for (std::int64_t i = 0; i < 9; ++i)
    loss =
        loss + logits[i].exp().sum().log() - logits[i][task.query.labels[i].item<std::int64_t>()];
  loss = loss / 9.0;
  const auto result = learner->meta_gradient(parameters, task);
  EXPECT_NEAR(result.values[0], loss.item<double>(), 1e-9);  // it keeps roots above zero
  const auto expected =
      model.layout()->flatten(torch::autograd::grad({loss}, leaves, {}, false, false, true));
  EXPECT_LT(relative_error(result.gradient, expected), 1e-9);
}

TEST_P(Pretrain, GradientEqualsFiniteDifferencesOfTheReportedLoss) {
  const auto learner = learner_of();
  const auto parameters = start(*learner);
  const Task task = minibatch(learner->model());
  const auto gradient = learner->meta_gradient(parameters, task).gradient;
  const double norm = gradient.norm().item<double>();
  ASSERT_GT(norm, 1e-3);
  torch::manual_seed(5);
  for (auto direction : {gradient, torch::randn_like(gradient), torch::randn_like(gradient)}) {
    direction = direction / direction.norm();
    const auto loss = [&](double step) {
      return learner
          ->meta_gradient({parameters.shared_layout(), parameters.flat() + step * direction}, task)
          .values[0];
    };
    EXPECT_NEAR((loss(1e-6) - loss(-1e-6)) / 2e-6, gradient.dot(direction).item<double>(),
                1e-6 * norm);
  }
}

/// Logits of the training classes by parameters that are named PREFIX + their own names.
torch::Tensor outputs_by(const Model& model, const Tensors& values, const std::string& prefix,
                         const Batch& batch, bool cosine, const Context& context) {
  const ParameterLayout& layout = *model.layout();
  Tensors theirs = values;
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (layout.spec(i).role == ParameterRole::kBody)
      theirs[static_cast<std::size_t>(i)] = parameter(layout, values, prefix + layout.spec(i).name);
  const auto x = features_of(model.embed(theirs, batch, context));
  const auto weight = parameter(layout, values, prefix + "learner.weight");
  if (cosine) return 10.0 * directions(x).matmul(directions(weight).t());
  return x.matmul(weight.t()) + parameter(layout, values, prefix + "learner.bias");
}

class PretrainTaught : public Pretrain {};

/// -sum of the probabilities times log of their quotient, sample by sample and class by class.
TEST_P(PretrainTaught, TheLossIsOfLabelsAndOfWhatTheTeacherSays) {
  const auto learner = learner_of({{"teacher", "some run"},
                                   {"teacher_weight", "0.3"},
                                   {"temperature", "2.5"},
                                   {"transform", "centred_unit"}});
  const Model& model = learner->model();
  const auto parameters = start(*learner);
  const Task task = minibatch(model);
  Tensors leaves;
  for (const auto& value : parameters.tensors()) leaves.push_back(value.clone().requires_grad_());
  const auto said = outputs_by(model, leaves, "", task.query, cosine(), {});
  Context used;
  used.mode = Mode::kUse;
  const auto taught =
      outputs_by(model, parameters.tensors(), "learner.teacher.", task.query, cosine(), used);
  auto by_labels = torch::zeros({}, torch::kFloat64), by_teacher = by_labels.clone();
  for (std::int64_t i = 0; i < 9; ++i) {
    by_labels =
        by_labels - said[i][task.query.labels[i].item<std::int64_t>()] + said[i].exp().sum().log();
    const auto p = (taught[i] / 2.5).exp() / (taught[i] / 2.5).exp().sum();
    const auto q = (said[i] / 2.5).exp() / (said[i] / 2.5).exp().sum();
    for (std::int64_t c = 0; c < kClasses; ++c)
      by_teacher = by_teacher + p[c] * (p[c].log() - q[c].log());
  }
  ASSERT_GT(by_teacher.item<double>(), 1e-3);  // they are not of one mind
  const auto loss = (0.7 * by_labels + 0.3 * 2.5 * 2.5 * by_teacher) / 9.0;
  const auto result = learner->meta_gradient(parameters, task);
  EXPECT_NEAR(result.values[0], by_labels.item<double>() / 9.0, 1e-9);  // what is reported
  const auto expected =
      model.layout()->flatten(torch::autograd::grad({loss}, leaves, {}, false, false, true));
  const auto& layout = *model.layout();
  EXPECT_LT(relative_error(layout.learned(result.gradient), layout.learned(expected)), 1e-9);
}

/// All that its answers are made of is there, frozen, and comes from that run's parameters, which
/// mean the same where model and classifier are the same.
TEST_P(PretrainTaught, ATeacherIsAFrozenCopyOfEncodersAndClassifier) {
  const auto learner = learner_of({{"teacher", "some run"}, {"transform", "centred_unit"}});
  const ParameterLayout& layout = *learner->model().layout();
  const auto in_use = layout.from_kept(torch::zeros({layout.kept_size()}));
  std::size_t copies = 0, originals = 0;
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    const auto& spec = layout.spec(i);
    // Neither the teacher nor the classifier of the training classes is in an adapted model.
    const bool trains =
        spec.role == ParameterRole::kLearner && spec.name.rfind("learner.mean.", 0) != 0;
    EXPECT_NE(in_use[static_cast<std::size_t>(i)].defined(), trains) << spec.name;
    if (spec.name.rfind("learner.teacher.", 0) == 0) {
      ++copies;
      EXPECT_EQ(spec.section, ParameterSection::kFrozen);
    } else if (spec.name.rfind("learner.mean.", 0) != 0) {
      ++originals;  // means are of new tasks' features
    }
  }
  EXPECT_EQ(copies, originals);
  ASSERT_EQ(layout.copied().size(), 1U);
  EXPECT_EQ(layout.copied()[0].key, "adapt.teacher");
  EXPECT_EQ(layout.copied()[0].run, "some run");
  EXPECT_EQ(layout.copied()[0].prefix, "learner.teacher.");
  EXPECT_TRUE(learner_of()->model().layout()->copied().empty());
}

TEST_P(PretrainTaught, KeysOfATeacherThatIsNotThereAreRefused) {
  for (const char* key : {"teacher_weight", "temperature"}) {
    try {
      learner_of({{key, "0.25"}});
      FAIL() << key;
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find(std::string("adapt.") + key + ": has no effect"),
                std::string::npos);
    }
  }
}

/// A new classifier by LibTorch's SGD with momentum 0.9 and weight decay 1e-3 (not of the bias), of
/// two shots a class or of four, one and one, which count alike.
TEST_P(Pretrain, FinetuningIsWhatAnIndependentOptimizerDoes) {
  const auto learner = learner_of({{"finetune_steps", "25"}, {"finetune_lr", "0.05"}});
  const Model& model = learner->model();
  const auto parameters = start(*learner);
  for (const bool uneven : {false, true}) {
    Task task = tiny_task(model, 2, torch::kFloat64);
    if (uneven) {
      task.support.even = false;
      task.support.labels = torch::tensor({0, 2, 0, 0, 1, 0}, torch::kInt64);
    }
    const auto shots = torch::bincount(task.support.labels).index_select(0, task.support.labels);
    const auto counts = 1.0 / shots.to(torch::kFloat64);  // of each sample
    const auto x =
        features_of(model.embed(parameters.tensors(), concatenate(task.support, task.query), {}));
    const auto known = x.narrow(0, 0, 6), asked = x.narrow(0, 6, 9);
    auto weight = torch::zeros({3, x.size(1)}, torch::kFloat64);
    for (std::int64_t i = 0; cosine() && i < 6; ++i)
      weight[task.support.labels[i].item<std::int64_t>()] += known[i] * counts[i];
    weight.requires_grad_();
    auto bias = torch::zeros({3}, torch::kFloat64).requires_grad_();
    const auto logits_of = [&](const torch::Tensor& features) {
      return cosine() ? 10.0 * directions(features).matmul(directions(weight).t())
                      : features.matmul(weight.t()) + bias;
    };
    torch::optim::SGD of_weight({weight},
                                torch::optim::SGDOptions(0.05).momentum(0.9).weight_decay(1e-3));
    torch::optim::SGD of_bias({bias}, torch::optim::SGDOptions(0.05).momentum(0.9));
    for (int k = 0; k < 25; ++k) {
      of_weight.zero_grad();
      of_bias.zero_grad();
      const auto right = torch::log_softmax(logits_of(known), 1)
                             .gather(1, task.support.labels.unsqueeze(1))
                             .squeeze(1);
      (-(right * counts).sum() / counts.sum()).backward();
      of_weight.step();
      of_bias.step();
    }
    const auto predicted = learner->adapt(parameters, task.support, task.key)->predict(task.query);
    EXPECT_LT((predicted - logits_of(asked)).abs().max().item<double>(), 1e-9) << uneven;
  }
}

/// Minus the squared distances of nine queries to the means of three classes (of six samples, two
/// each): over the parts that both have, by the weights of late fusion.
torch::Tensor nearest_means(const Embedding& x) {
  auto sum = torch::zeros({9, 3}, torch::kFloat64), total = sum.clone();
  for (std::size_t p = 0; p < x.parts.size(); ++p) {
    const double weight =
        x.parts.size() == 1 ? 1.0 : x.weights[static_cast<std::int64_t>(p)].item<double>();
    const auto has = x.mask.select(1, static_cast<std::int64_t>(p));
    for (std::int64_t label = 0; label < 3; ++label) {
      torch::Tensor mean;
      double count = 0;
      for (const std::int64_t i : {2 * label, 2 * label + 1})
        if (has[i].item<double>() == 1) {
          mean = count == 0 ? x.parts[p][i] : mean + x.parts[p][i];
          ++count;
        }
      for (std::int64_t q = 0; q < 9 && count > 0; ++q)
        if (has[6 + q].item<double>() == 1) {
          sum[q][label] -= weight * (x.parts[p][6 + q] - mean / count).square().sum();
          total[q][label] += weight;
        }
    }
  }
  EXPECT_TRUE(total.gt(0).all().item<bool>());
  return sum / total;
}

TEST_P(Pretrain, CentroidIsTheNearestMean) {
  const auto learner = learner_of({{"adapt_by", "centroid"}});
  const Model& model = learner->model();
  const auto parameters = start(*learner);
  const Task task = tiny_task(model, 2, torch::kFloat64);
  const auto expected =
      nearest_means(model.embed(parameters.tensors(), concatenate(task.support, task.query), {}));
  const auto predicted = learner->adapt(parameters, task.support, task.key)->predict(task.query);
  EXPECT_LT((predicted - expected).abs().max().item<double>(), 1e-9);
}

/// Parameters in which every training mean is away from 0.
ParameterList with_means(const Learner& learner) {
  const auto parameters = start(learner);
  torch::manual_seed(8);
  for (std::int64_t i = 0; i < parameters.layout().count(); ++i)
    if (parameters.layout().spec(i).name.rfind("learner.mean.", 0) == 0)
      parameters.tensors()[static_cast<std::size_t>(i)].normal_();
  return parameters;
}

/// SimpleShot's centring: less the mean of training where the sample has the part.
Embedding centred(const ParameterList& parameters, Embedding embedding) {
  for (std::size_t i = 0; i < embedding.parts.size(); ++i) {
    const auto mean =
        parameter(parameters.layout(), parameters.tensors(), "learner.mean." + std::to_string(i));
    const auto has = embedding.mask.select(1, static_cast<std::int64_t>(i));
    embedding.parts[i] = embedding.parts[i].clone();
    for (std::int64_t n = 0; n < embedding.mask.size(0); ++n)
      if (has[n].item<double>() == 1) embedding.parts[i][n] -= mean;
  }
  return embedding;
}

TEST_P(Pretrain, TransformedFeaturesAreWhatANewClassifierSees) {
  for (const std::string by : {"centroid", "finetune"})
    for (const std::string transform : {"unit", "centred_unit"}) {
      const auto learner =
          learner_of({{"adapt_by", by}, {"transform", transform}, {"finetune_steps", "1"}});
      const auto parameters = with_means(*learner);
      const Task task = tiny_task(learner->model(), 2, torch::kFloat64);
      auto embedding =
          learner->model().embed(parameters.tensors(), concatenate(task.support, task.query), {});
      if (transform == "centred_unit") embedding = centred(parameters, embedding);
      const auto x = directions(features_of(embedding));
      const auto known = x.narrow(0, 0, 6), asked = x.narrow(0, 6, 9);
      const auto means = (known.index({torch::indexing::Slice(0, 6, 2)}) +
                          known.index({torch::indexing::Slice(1, 6, 2)})) /
                         2;
      torch::Tensor expected;
      if (by == "centroid") {
        for (auto& part : embedding.parts)  // a part that is not there has no direction
          part = part * (part.square().sum(1, true) + 1e-12).rsqrt();
        expected = nearest_means(embedding);
      } else {  // a step down from the start
        auto weight = (cosine() ? means : torch::zeros_like(means)).clone().requires_grad_();
        auto bias = torch::zeros({3}, torch::kFloat64).requires_grad_();
        const auto logits = [&](const torch::Tensor& features) {
          return cosine() ? 10.0 * directions(features).matmul(directions(weight).t())
                          : features.matmul(weight.t()) + bias;
        };
        torch::nn::functional::cross_entropy(logits(known), task.support.labels).backward();
        const torch::NoGradGuard no_grad;
        weight -= 0.1 * (weight.grad() + 1e-3 * weight);
        if (!cosine()) bias -= 0.1 * bias.grad();
        expected = logits(asked);
      }
      const auto predicted =
          learner->adapt(parameters, task.support, task.key)->predict(task.query);
      EXPECT_LT((predicted - expected).abs().max().item<double>(), 1e-9) << by << transform;
    }
}

/// Part by part, of the samples that have it; and only where it is wanted.
TEST_P(Pretrain, TheMeanInTrainingIsObserved) {
  const auto learner = learner_of({{"transform", "centred_unit"}});
  const auto parameters = with_means(*learner);
  const auto& layout = parameters.layout();
  const Task task = minibatch(learner->model());
  const auto embedding = learner->model().embed(parameters.tensors(), task.query, {});
  const auto gradient = learner->meta_gradient(parameters, task).gradient;
  for (std::size_t i = 0; i < embedding.parts.size(); ++i) {
    const auto rows = embedding.mask.select(1, static_cast<std::int64_t>(i)).nonzero().squeeze(1);
    const auto mean = embedding.parts[i].index_select(0, rows).mean(0);
    std::int64_t place = -1;
    for (std::int64_t j = 0; j < layout.count(); ++j)
      if (layout.spec(j).name == "learner.mean." + std::to_string(i)) place = j;
    ASSERT_GE(place, 0);
    EXPECT_EQ(layout.spec(place).section, ParameterSection::kStatistics);
    const auto observed = layout.views(gradient)[static_cast<std::size_t>(place)];
    EXPECT_LT((observed - mean).abs().max().item<double>(), 1e-12);
    EXPECT_EQ(gradient[layout.observed_at(place)].item<double>(), 1.0);
  }
  const auto plain = learner_of({{"transform", "unit"}});
  EXPECT_EQ(plain->model().layout()->statistics_size(), 0);
}

/// LibTorch's SGD on the body, the new classifier beside it, decaying alone.
TEST_P(Pretrain, FinetuningAllIsWhatAnIndependentOptimizerDoes) {
  const auto learner = learner_of({{"adapt_by", "finetune_all"},
                                   {"transform", "centred_unit"},
                                   {"finetune_steps", "7"},
                                   {"finetune_lr", "0.05"}});
  const Model& model = learner->model();
  const auto parameters = with_means(*learner);
  const Task task = tiny_task(model, 2, torch::kFloat64);
  Tensors theta, body;
  for (std::int64_t i = 0; i < model.layout()->count(); ++i) {
    theta.push_back(parameters.tensors()[static_cast<std::size_t>(i)].clone());
    if (model.layout()->spec(i).role == ParameterRole::kBody)
      body.push_back(theta.back().requires_grad_());
  }
  const auto seen_by = [&](const Batch& batch) {
    return directions(features_of(centred(parameters, model.embed(theta, batch, {}))));
  };
  const auto before = seen_by(task.support).detach();
  auto weight = torch::zeros({3, before.size(1)}, torch::kFloat64);
  for (std::int64_t i = 0; cosine() && i < 6; ++i)
    weight[task.support.labels[i].item<std::int64_t>()] += before[i] / 2;
  weight.requires_grad_();
  const auto bias = torch::zeros({3}, torch::kFloat64).requires_grad_();
  const auto logits_of = [&](const torch::Tensor& features) {
    return cosine() ? 10.0 * directions(features).matmul(directions(weight).t())
                    : features.matmul(weight.t()) + bias;
  };
  torch::optim::SGD of_weight({weight},
                              torch::optim::SGDOptions(0.05).momentum(0.9).weight_decay(1e-3));
  body.push_back(bias);
  torch::optim::SGD of_rest(body, torch::optim::SGDOptions(0.05).momentum(0.9));
  for (int k = 0; k < 7; ++k) {
    of_weight.zero_grad();
    of_rest.zero_grad();
    torch::nn::functional::cross_entropy(logits_of(seen_by(task.support)), task.support.labels)
        .backward();
    of_weight.step();
    of_rest.step();
  }
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  const auto predicted = adapted->predict(task.query);
  EXPECT_LT((predicted - logits_of(seen_by(task.query))).abs().max().item<double>(), 1e-8);
  const auto restored = learner->restore(adapted->state(), 3);
  EXPECT_TRUE(torch::equal(restored->predict(task.query), predicted));
  // And the body's part in it is no small one.
  const auto frozen =
      learner_of({{"transform", "centred_unit"}, {"finetune_steps", "7"}, {"finetune_lr", "0.05"}});
  EXPECT_GT((frozen->adapt(parameters, task.support, task.key)->predict(task.query) - predicted)
                .abs()
                .max()
                .item<double>(),
            1e-3);
}

/// In use queries go by the statistics of the support set under the tuned weights; what is frozen
/// stays.
TEST(PretrainWhole, KeepsToItsSupportAndToWhatIsFrozen) {
  TinySettings settings;
  settings.algorithm = "pretrain";
  settings.norm = "support";
  settings.frozen_text = true;
  const auto learner = tiny_learner(settings, {{"adapt_by", "finetune_all"}});
  const auto parameters = start(*learner);
  const Task task = tiny_task(learner->model(), 2, torch::kFloat64);
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  const auto together = adapted->predict(task.query);
  for (std::int64_t i = 0; i < task.query.size; ++i)
    EXPECT_LT((adapted->predict(select_rows(task.query, {i}))[0] - together[i])
                  .abs()
                  .max()
                  .item<double>(),
              1e-12);
  EXPECT_TRUE(torch::equal(learner->restore(adapted->state(), 3)->predict(task.query), together));
  const auto& layout = parameters.layout();
  const auto moved = layout.from_kept(adapted->state().at("parameters"));
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    const auto& spec = layout.spec(i);
    if (spec.training_only) continue;
    const bool same = torch::equal(moved[static_cast<std::size_t>(i)],
                                   parameters.tensors()[static_cast<std::size_t>(i)]);
    if (!layout.is_learned(i) || spec.role != ParameterRole::kBody) {
      EXPECT_TRUE(same) << spec.name;
    }
    if (spec.name == "encoder.image.0.conv.weight") {
      EXPECT_FALSE(same);
    }
  }
}

TEST_P(Pretrain, AdaptationSeparatesAnEasySupport) {
  for (const char* by : {"finetune", "centroid", "finetune_all"}) {
    const auto learner = learner_of({{"adapt_by", by}, {"finetune_steps", "200"}});
    const auto parameters = start(*learner);
    const Task task = tiny_task(learner->model(), 2, torch::kFloat64);
    const Batch support = select_rows(task.support, {0, 3, 4});
    const auto answers = learner->adapt(parameters, support, task.key)->predict(support);
    EXPECT_TRUE(torch::equal(answers.argmax(1), support.labels)) << by;
  }
}

TEST_P(Pretrain, EpisodesAreRefusedInTraining) {
  const auto learner = learner_of();
  const Task task = tiny_task(learner->model(), 2, torch::kFloat64);
  EXPECT_THROW(learner->meta_gradient(start(*learner), task), UserError);
}

INSTANTIATE_TEST_SUITE_P(Classifiers, Pretrain,
                         testing::Values(Case{"linear", "concat", "batch"},
                                         Case{"cosine", "concat", "batch"},
                                         Case{"linear", "late", "batch"},
                                         Case{"cosine", "gated", "none"}));
/// With a norm that tells training from use, beside.
INSTANTIATE_TEST_SUITE_P(Classifiers, PretrainTaught,
                         testing::Values(Case{"linear", "concat", "running"},
                                         Case{"cosine", "gated", "none"},
                                         Case{"linear", "late", "batch"}));

}  // namespace
}  // namespace cuttle
