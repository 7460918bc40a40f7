#include <torch/types.h>

#include <utility>

#include "adapt/embed.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct PretrainOptions {
  std::string classifier = "linear", adapt_by = "finetune";
  double scale = 10.0, finetune_lr = 0.1;
  std::int64_t finetune_steps = 100;
  void keys(Keys& keys) {
    keys.add("classifier", classifier, one_of({"linear", "cosine"}),
             "of the training classes; cosine: Baseline++");
    keys.add("adapt_by", adapt_by, one_of({"finetune", "centroid"}),
             "a new classifier of the same kind on frozen features; centroid: nearest class mean");
    keys.add("scale", scale, above(0), "cosine: logits are this times the cosine");
    keys.add("finetune_steps", finetune_steps, at_least(1), "of the new classifier");
    keys.add("finetune_lr", finetune_lr, above(0), "their rate, with momentum 0.9");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.classes = true;
    demands.form = TaskForm::kMinibatch;
    return demands;
  }
};

torch::Tensor unit_rows(const torch::Tensor& x) {
  return x * (x.square().sum(1, true) + 1e-12).rsqrt();
}

/// Logits of a linear or cosine classifier.
torch::Tensor classify(const PretrainOptions& options, const torch::Tensor& features,
                       const torch::Tensor& weight, const torch::Tensor& bias) {
  if (options.classifier == "cosine")
    return options.scale * torch::linear(unit_rows(features), unit_rows(weight));
  return torch::linear(features, weight, bias);
}

/// A classifier of the support's classes on frozen features. By gradient descent with momentum on
/// the whole support set, from zeros (linear) or the class means (cosine).
std::pair<torch::Tensor, torch::Tensor> fit(const PretrainOptions& options, const TaskKind& kind,
                                            const torch::Tensor& features, const Batch& support) {
  constexpr double kMomentum = 0.9, kDecay = 1e-3;
  const auto one_hot = torch::one_hot(support.labels, support.way).to(features.dtype());
  const auto means = one_hot.t().matmul(features) / one_hot.sum(0).clamp_min(1).unsqueeze(1);
  auto weight = options.classifier == "cosine" ? means : torch::zeros_like(means);
  auto bias = torch::zeros({support.way}, features.options());
  auto of_weight = torch::zeros_like(weight), of_bias = torch::zeros_like(bias);
  for (std::int64_t k = 0; k < options.finetune_steps; ++k) {
    const auto leaves = as_leaves({weight, bias});
    const torch::AutoGradMode graph(true);
    const auto loss = kind.support_loss(classify(options, features, leaves[0], leaves[1]), support);
    const auto slopes = gradient_of(loss, leaves, false);
    of_weight = kMomentum * of_weight + slopes[0] + kDecay * weight;
    weight = weight - options.finetune_lr * of_weight;
    if (!slopes[1].defined()) continue;  // a cosine has no bias
    of_bias = kMomentum * of_bias + slopes[1];
    bias = bias - options.finetune_lr * of_bias;
  }
  return {weight.detach(), bias.detach()};
}

/// A classifier of the support's classes, or their means, on the pretrained features.
class Tuned final : public KnownSupport {
 public:
  Tuned(std::shared_ptr<const Model> model, std::shared_ptr<const TaskKind> kind,
        PretrainOptions options, Tensors parameters, Batch support)
      : KnownSupport(std::move(model), std::move(parameters), std::move(support)),
        kind_(std::move(kind)),
        options_(std::move(options)) {}

 private:
  Tensors study(const Embedding& embedding) const override {
    const auto known = as_one(embedding);
    if (options_.adapt_by == "finetune") {
      const auto [weight, bias] = fit(options_, *kind_, known, support());
      return {weight, bias};
    }
    const auto one_hot = torch::one_hot(support().labels, support().way).to(known.dtype());
    return {one_hot.t().matmul(known) / one_hot.sum(0).clamp_min(1).unsqueeze(1)};
  }
  torch::Tensor compare(const Embedding&, const Tensors& lesson,
                        const Embedding& query) const override {
    const auto asked = as_one(query);
    if (options_.adapt_by == "finetune") return classify(options_, asked, lesson[0], lesson[1]);
    const auto& means = lesson[0];
    return -(asked.square().sum(1, true) - 2 * asked.matmul(means.t()) +
             means.square().sum(1).unsqueeze(0));
  }

  std::shared_ptr<const TaskKind> kind_;
  PretrainOptions options_;
};

/// Supervised training on all training classes, then a new classifier for each task on the frozen
/// features (Chen, Liu, Kira, Wang, Huang 2019, "A closer look at few-shot classification":
/// Baseline with a linear, Baseline++ with a cosine classifier). Needs episode.source: minibatches.
class Pretrain final : public Learner {
 public:
  using Options = PretrainOptions;
  Pretrain(const LearnerRequest& request, const Options& options)
      : Learner(request), options_(options), classes_(request.inputs.classes) {
    CUTTLE_VALIDATE(classes_ > 0,
                    "adapt.algorithm: pretrain learns the classes of the training "
                    "split, and there are none; use shards with classes");
    const std::int64_t width = width_as_one(model_->fusion());
    weight_ = request.layout.add(
        {"learner.weight", {classes_, width}, Init::kFanIn, ParameterRole::kLearner});
    if (options_.classifier == "linear")
      bias_ =
          request.layout.add({"learner.bias", {classes_}, Init::kZeros, ParameterRole::kLearner});
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
    const auto at = [&](std::int64_t i) {
      return i < 0 ? torch::Tensor() : leaves[static_cast<std::size_t>(i)];
    };
    pass.outputs = classify(options_, as_one(pass.embedding), at(weight_), at(bias_));
    const Judged judged = judge(leaves, pass, task.query, context);
    return result_of(gradient_of(judged.loss, leaves, false), judged, seen);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey&) const override {
    return std::make_unique<Tuned>(model_, kind_, options_, parameters.tensors(), support);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override {
    return std::make_unique<Tuned>(model_, kind_, options_, parameters_in(*model_, state),
                                   support_in(*model_, state, way));
  }

 private:
  Options options_;
  std::int64_t classes_, weight_, bias_ = -1;
};

}  // namespace

LearnerType row_of_pretrain() {
  return learner_type<Pretrain>("supervised on all classes, then a new classifier per task",
                                "Chen et al. 2019");
}

}  // namespace cuttle
