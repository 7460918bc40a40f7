#include <torch/types.h>

#include <string>
#include <utility>

#include "adapt/fast_weights.hpp"
#include "adapt/layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct PretrainOptions {
  std::string classifier = "linear", adapt_by = "finetune", transform = "none";
  double scale = 10.0, finetune_lr = 0.1;
  std::int64_t finetune_steps = 100;
  void keys(Keys& keys) {
    keys.add("classifier", classifier, one_of({"linear", "cosine"}),
             "of the training classes; cosine: Baseline++");
    keys.add("adapt_by", adapt_by, one_of({"finetune", "finetune_all", "centroid"}),
             "a new classifier of the same kind on frozen features; finetune_all: which move with "
             "it; centroid: nearest class mean");
    keys.add("transform", transform, one_of({"none", "unit", "centred_unit"}),
             "of the features of a new task: made of length 1; centred_unit: less their mean in "
             "training before");
    keys.add("scale", scale, above(0), "cosine: logits are this times the cosine");
    keys.add("finetune_steps", finetune_steps, at_least(1), "of fine-tuning");
    keys.add("finetune_lr", finetune_lr, above(0),
             "their rate, with momentum 0.9; finetune_all wants less, such as 0.01");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.classes = true;
    demands.form = TaskForm::kMinibatch;
    return demands;
  }
};

/// Logits of a linear or cosine classifier.
torch::Tensor classify(const PretrainOptions& options, const torch::Tensor& features,
                       const torch::Tensor& weight, const torch::Tensor& bias) {
  if (options.classifier == "cosine")
    return options.scale * torch::linear(unit_rows(features), unit_rows(weight));
  return torch::linear(features, weight, bias);
}

/// Mean feature of each class of a support set.
torch::Tensor means_of(const torch::Tensor& features, const Batch& support) {
  const auto one_hot = torch::one_hot(support.labels, support.way).to(features.dtype());
  return one_hot.t().matmul(features) / one_hot.sum(0).clamp_min(1).unsqueeze(1);
}

/// What a new classifier sees of samples, by the learner's options. `means`: where the means of the
/// parts are among the parameters, if features are centred.
struct Features {
  PretrainOptions options;
  std::vector<std::int64_t> means = {};

  /// What a sample lacks is neither near nor far from the mean.
  torch::Tensor of(const Tensors& parameters, const Embedding& embedding) const {
    const auto features = as_one(centred(parameters, embedding));
    return options.transform == "none" ? features : unit_rows(features);
  }
  /// The same part by part.
  Embedding parts_of(const Tensors& parameters, const Embedding& embedding) const {
    Embedding parts = centred(parameters, embedding);
    if (options.transform != "none")
      for (auto& part : parts.parts) part = unit_rows(part);
    return parts;
  }
  Embedding centred(const Tensors& parameters, Embedding embedding) const {
    for (std::size_t i = 0; i < means.size(); ++i)
      embedding.parts[i] = (embedding.parts[i] - parameter_at(parameters, means[i])) *
                           embedding.mask.narrow(1, static_cast<std::int64_t>(i), 1);
    return embedding;
  }
  /// Of the training's samples, part by part, over those that have it.
  void observe(const Embedding& embedding, Statistics& seen) const {
    for (std::size_t i = 0; i < means.size(); ++i) {
      const auto has = embedding.mask.narrow(1, static_cast<std::int64_t>(i), 1);
      const auto count = has.sum();
      if (count.item<double>() > 0)
        seen.observe(means[i], ((embedding.parts[i] * has).sum(0) / count).detach());
    }
  }
};

/// Gradient descent with momentum on a loss of `values`; the first decays.
template <class Loss>
Tensors descend(const PretrainOptions& options, Tensors values, const Loss& loss) {
  constexpr double kMomentum = 0.9, kDecay = 1e-3;
  Tensors speed;
  for (const auto& value : values) speed.push_back(torch::zeros_like(value));
  for (std::int64_t k = 0; k < options.finetune_steps; ++k) {
    const auto leaves = as_leaves(values);
    const torch::AutoGradMode graph(true);
    const auto slopes = gradient_of(loss(leaves), leaves, false);
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!slopes[i].defined()) continue;  // a cosine has no bias
      speed[i] = kMomentum * speed[i] + slopes[i];
      if (i == 0) speed[i] = speed[i] + kDecay * values[i];
      values[i] = values[i] - options.finetune_lr * speed[i];
    }
  }
  return values;
}

/// Where fine-tuning starts: weight and bias, zeros (linear) or the class means (cosine).
Tensors new_classifier(const PretrainOptions& options, const torch::Tensor& features,
                       const Batch& support) {
  auto means = means_of(features, support);
  auto bias = torch::zeros({support.way}, features.options());
  return {options.classifier == "cosine" ? std::move(means) : torch::zeros_like(means), bias};
}

/// The whole model and a classifier of its own, both fine-tuned.
class TunedWhole final : public Adapted {
 public:
  TunedWhole(std::shared_ptr<const Model> model, Features features, Tensors parameters,
             torch::Tensor weight, torch::Tensor bias, Statistics given)
      : model_(std::move(model)),
        features_(std::move(features)),
        parameters_(std::move(parameters)),
        weight_(std::move(weight)),
        bias_(std::move(bias)),
        given_(std::move(given)) {}

  torch::Tensor predict(const Batch& batch) const override { return answer(batch).outputs; }
  Answers answer(const Batch& batch) const override {
    const torch::NoGradGuard no_grad;
    Context context = in_use();
    if (model_->uses_support()) context.given = &given_;
    const Embedding embedding = model_->embed(parameters_, batch, context);
    return {classify(features_.options, features_.of(parameters_, embedding), weight_, bias_),
            embedding};
  }
  std::map<std::string, torch::Tensor> state() const override {
    std::map<std::string, torch::Tensor> state{
        {"parameters", model_->layout()->flatten(parameters_)},
        {"classifier.weight", weight_},
        {"classifier.bias", bias_}};
    add_statistics(given_, state);
    return state;
  }

 private:
  std::shared_ptr<const Model> model_;
  Features features_;
  Tensors parameters_;
  torch::Tensor weight_, bias_;
  Statistics given_;
};

/// Supervised training on all training classes, then a new classifier for each task on the frozen
/// features (Chen, Liu, Kira, Wang, Huang 2019, "A closer look at few-shot classification":
/// Baseline with a linear, Baseline++ with a cosine classifier), or with all of the model tuned
/// together with it. With adapt_by: centroid and transform: centred_unit it is SimpleShot (Wang,
/// Chao, Weinberger, van der Maaten 2019): its CL2N, features less their mean in training (a
/// running average here), then of length 1. Needs episode.source: minibatches.
class Pretrain final : public SupportLearner {
 public:
  using Options = PretrainOptions;
  Pretrain(const LearnerRequest& request, const Options& options)
      : SupportLearner(request), features_{options}, classes_(request.inputs.classes) {
    CUTTLE_VALIDATE(classes_ > 0,
                    "adapt.algorithm: pretrain learns the classes of the training "
                    "split, and there are none; use shards with classes");
    const std::int64_t width = width_as_one(model_->fusion());
    weight_ = request.layout.add(
        {"learner.weight", {classes_, width}, Init::kFanIn, ParameterRole::kLearner});
    if (options.classifier == "linear")
      bias_ =
          request.layout.add({"learner.bias", {classes_}, Init::kZeros, ParameterRole::kLearner});
    const auto widths = model_->fusion().part_widths();
    for (std::size_t i = 0; options.transform == "centred_unit" && i < widths.size(); ++i) {
      ParameterSpec mean{
          "learner.mean." + std::to_string(i), {widths[i]}, Init::kZeros, ParameterRole::kLearner};
      mean.section = ParameterSection::kStatistics;
      features_.means.push_back(request.layout.add(std::move(mean)));
    }
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    CUTTLE_VALIDATE(task.support.size == 0 && task.query.way == classes_,
                    "adapt.algorithm: pretrain learns from minibatches of all classes, not from "
                    "episodes; set episode.source: minibatches");
    const auto leaves = as_leaves(parameters.tensors());
    Statistics seen;
    Context context;
    context.key = task.key;
    context.record = &seen;
    Pass pass = model_->look(leaves, task.query, context);
    features_.observe(pass.embedding, seen);
    pass.outputs = classify(features_.options, as_one(pass.embedding),
                            parameter_at(leaves, weight_), parameter_at(leaves, bias_));
    const Judged judged = judge(leaves, pass, task.query, context);
    return result_of(gradient_of(judged.loss, leaves, false), judged, seen);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    if (features_.options.adapt_by == "finetune_all")
      return tune_whole(parameters.tensors(), support);
    return SupportLearner::adapt(parameters, support, key);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override {
    if (features_.options.adapt_by == "finetune_all")
      return std::make_unique<TunedWhole>(
          model_, features_, parameters_in(*model_, state),
          state_entry(state, "classifier.weight", way * width_as_one(model_->fusion())),
          state_entry(state, "classifier.bias", way), statistics_in(state));
    return SupportLearner::restore(state, way);
  }

 private:
  bool by_centroid() const { return features_.options.adapt_by == "centroid"; }
  /// A classifier of the support's classes on the pretrained features, or their means: as
  /// ProtoNet's, by the parts that class and sample have.
  Tensors study(const Support& support) const override {
    const Embedding& embedding = support.embedding;
    if (by_centroid())
      return prototypes_of(features_.parts_of(support.parameters, embedding),
                           members_of(support.batch, embedding.mask.options()));
    const auto known = features_.of(support.parameters, embedding);
    const auto& options = features_.options;
    return descend(options, new_classifier(options, known, support.batch), [&](const Tensors& p) {
      return kind_->support_loss(classify(options, known, p[0], p[1]), support.batch);
    });
  }
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    if (by_centroid())
      return logits_of(model_->fusion(),
                       nearness_to(lesson, features_.parts_of(support.parameters, query)),
                       query.weights);
    return classify(features_.options, features_.of(support.parameters, query), lesson[0],
                    lesson[1]);
  }
  std::unique_ptr<Adapted> tune_whole(Tensors parameters, const Batch& support) const {
    const Options& options = features_.options;
    const auto seen_by = [&](const Tensors& p) {
      return features_.of(p, model_->embed(p, support, in_use()));
    };
    std::vector<std::size_t> places;  // of what moves, behind weight and bias
    Tensors values;
    {
      const torch::NoGradGuard no_grad;
      values = new_classifier(options, seen_by(parameters), support);
    }
    for (const std::int64_t i : model_->layout()->with_role(ParameterRole::kBody)) {
      if (!model_->layout()->is_learned(i)) continue;
      places.push_back(static_cast<std::size_t>(i));
      values.push_back(parameters[places.back()]);
    }
    const auto put = [&](const Tensors& tuned) {
      for (std::size_t j = 0; j < places.size(); ++j) parameters[places[j]] = tuned[j + 2];
    };
    values = descend(options, std::move(values), [&](const Tensors& p) {
      put(p);
      return kind_->support_loss(classify(options, seen_by(parameters), p[0], p[1]), support);
    });
    put(values);
    const torch::NoGradGuard no_grad;
    auto given = model_->look_at(parameters, support, in_use());
    return std::make_unique<TunedWhole>(model_, features_, std::move(parameters), values[0],
                                        values[1], std::move(given));
  }

  Features features_;
  std::int64_t classes_, weight_, bias_ = -1;
};

}  // namespace

LearnerType row_of_pretrain() {
  return learner_type<Pretrain>("supervised on all classes, then a new classifier per task",
                                "Chen et al. 2019");
}

}  // namespace cuttle
