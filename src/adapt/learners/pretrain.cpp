#include <torch/types.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "adapt/fast_weights.hpp"
#include "adapt/layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "adapt/task_classifier.hpp"
#include "adapt/task_features.hpp"
#include "adapt/teacher.hpp"
#include "adapt/tuned_model.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct PretrainOptions : ClassifierOptions, TeacherOptions {
  std::string adapt_by = "finetune", transform = "none";
  void keys(Keys& keys) {
    keys.add("adapt_by", adapt_by, one_of({"finetune", "finetune_all", "centroid"}),
             "a new classifier of the same kind on frozen features; finetune_all: which move with "
             "it; centroid: nearest class mean");
    keys.add("transform", transform, one_of({"none", "unit", "centred_unit"}),
             "of the features of a new task: made of length 1; centred_unit: less their mean in "
             "training before");
    ClassifierOptions::keys(keys);
    TeacherOptions::keys(keys);
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.classifier = true;
    demands.classes = true;
    demands.form = TaskForm::kMinibatch;
    return demands;
  }
};

/// The classifier of the training classes as a layer: nothing is made of a support.
template <class T>
class ClassifierLayer final : public MadeLayers<T> {
 public:
  ClassifierLayer(const SampleRows<T>& rows, T* layer, std::int64_t weight, std::int64_t bias)
      : rows_(rows), weight_(weight), bias_(bias) {
    std::copy_n(rows.own(weight), weights(), layer);
    std::copy_n(rows.own(bias), rows.way, layer + weights());
  }
  void back(const T* of_layer) override {
    std::copy_n(of_layer, weights(), rows_.of_own(weight_));
    std::copy_n(of_layer + weights(), rows_.way, rows_.of_own(bias_));
  }

 private:
  std::int64_t weights() const { return rows_.way * rows_.width; }

  const SampleRows<T>& rows_;
  std::int64_t weight_, bias_;
};

/// Supervised training on all training classes, then a new classifier for each task on the frozen
/// features (Chen, Liu, Kira, Wang, Huang 2019, "A closer look at few-shot classification":
/// Baseline with a linear, Baseline++ with a cosine classifier), or with all of the model tuned
/// together with it. With adapt_by: centroid and transform: centred_unit it is SimpleShot (Wang,
/// Chao, Weinberger, van der Maaten 2019). With a teacher it is a generation of the sequential
/// self-distillation of RFS (Tian, Wang, Krishnan, Tenenbaum, Isola 2020): a fresh model learns the
/// labels and, softened, what the generation before says of the same samples; the authors' code has
/// teacher_weight 1/2 and temperature 4. RFS adapts by a linear classifier on unit features:
/// transform: unit, adapt_by: finetune. Needs episode.source: minibatches.
class Pretrain final : public SupportLearner {
 public:
  using Options = PretrainOptions;
  Pretrain(const LearnerRequest& request, const Options& options)
      : SupportLearner(request),
        options_(options),
        classes_(request.inputs.classes),
        weight_(own_classes(request, "weight", {classes_, width_as_one(model_->fusion())})),
        bias_(options.cosine() ? -1 : own_classes(request, "bias", {classes_})),
        teacher_(Teacher::of(options, request.layout,
                             {"adapt.algorithm", "adapt.classifier", "adapt.scale"})),
        features_(request.layout, model_->fusion(), options.transform) {
    for (const std::int64_t place : {weight_, bias_})
      if (place >= 0) request.layout.leave_to_training(place);
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    CUTTLE_VALIDATE(task.support.size == 0 && task.query.way == classes_,
                    "adapt.algorithm: pretrain learns from minibatches of all classes, not from "
                    "episodes; set episode.source: minibatches");
    if (!options_.cosine() && !teacher_ && options_.transform != "centred_unit") {
      const auto layers = TaskLayers::by({{width_as_one(model_->fusion()), classes_, false}},
                                         [this](const auto& rows, auto* layer) {
                                           return ClassifierLayer(rows, layer, weight_, bias_);
                                         });
      if (auto result = gradient_by_layers(*model_, *kind_, *objectives_, parameters, task, layers))
        return *std::move(result);
    }
    const auto leaves = as_leaves(parameters.tensors());
    Statistics seen;
    Context context;
    context.key = task.key;
    context.record = &seen;
    Pass pass = model_->look(leaves, task.query, context);
    features_.observe(pass.embedding, seen);
    pass.classify = [&](const Embedding& of) { return outputs_of(leaves, of); };
    pass.outputs = pass.classify(pass.embedding);
    const Judged judged = judge(leaves, pass.outputs, task.query, pass, task.query, context,
                                with_teacher(parameters.tensors(), pass.outputs, task.query));
    return result_of(gradient_of(judged.loss, leaves, false), judged, seen);
  }
  double cost(const EpisodeSize& size) const override {
    const double taught = teacher_ ? static_cast<double>(size.query) : 0;
    return SupportLearner::cost(size) + taught;
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    if (options_.adapt_by == "finetune_all")
      return TunedModel::tuned(model_, *kind_, options_, features_, parameters.tensors(), support);
    return SupportLearner::adapt(parameters, support, key);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override {
    if (options_.adapt_by == "finetune_all")
      return TunedModel::restore(model_, options_, features_, state, way);
    return SupportLearner::restore(state, way);
  }

 private:
  /// The place of a parameter of the classifier of the training classes.
  static std::int64_t own_classes(const LearnerRequest& request, const std::string& name,
                                  std::vector<std::int64_t> shape) {
    CUTTLE_VALIDATE(shape[0] > 0,
                    "adapt.algorithm: pretrain learns the classes of the training split, and there "
                    "are none; use shards with classes");
    const Init init = shape.size() == 1 ? Init::kZeros : Init::kFanIn;
    return request.layout.add({"learner." + name, std::move(shape), init, ParameterRole::kLearner});
  }
  /// Of the training classes.
  torch::Tensor outputs_of(const Tensors& parameters, const Embedding& embedding) const {
    return classify(options_, as_one(embedding), parameter_at(parameters, weight_),
                    parameter_at(parameters, bias_));
  }
  /// The loss of outputs by labels and teacher; undefined without one.
  torch::Tensor with_teacher(const Tensors& parameters, const torch::Tensor& outputs,
                             const Batch& batch) const {
    if (!teacher_) return {};
    const auto theirs = teacher_->in_place(parameters);
    const torch::NoGradGuard no_grad;
    Batch whole = batch;
    whole.kept = torch::Tensor();  // a teacher says what it knows
    const auto taught = outputs_of(theirs, model_->embed(theirs, whole, in_use()));
    const torch::AutoGradMode graph(true);
    return teacher_->loss(kind_->loss(outputs, batch), outputs, taught);
  }
  bool by_centroid() const { return options_.adapt_by == "centroid"; }
  /// A classifier of the support's classes on the pretrained features, or their means: as
  /// ProtoNet's, by the parts that class and sample have.
  Tensors study(const Support& support) const override {
    const Embedding& embedding = support.embedding;
    if (by_centroid())
      return prototypes_of(features_.parts_of(support.parameters, embedding),
                           members_of(support.batch, embedding.mask.options()));
    const auto known = features_.of(support.parameters, embedding);
    return fine_tuned(
        options_, new_classifier(options_, known, support.batch), [&](const Tensors& p) {
          return kind_->support_loss(classify(options_, known, p[0], p[1]), support.batch);
        });
  }
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    if (by_centroid())
      return logits_of(model_->fusion(),
                       nearness_to(lesson, features_.parts_of(support.parameters, query)),
                       query.weights);
    return classify(options_, features_.of(support.parameters, query), lesson[0], lesson[1]);
  }

  Options options_;
  std::int64_t classes_, weight_, bias_;
  std::optional<Teacher> teacher_;
  TaskFeatures features_;
};

}  // namespace

LearnerType row_of_pretrain() {
  return learner_type<Pretrain>("supervised on all classes, then a new classifier per task",
                                "Chen et al. 2019");
}

}  // namespace cuttle
