#include <torch/types.h>

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "adapt/layers.hpp"
#include "adapt/learners/caml_task.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/model/block.hpp"

namespace cuttle {
namespace {

struct CamlOptions {
  std::int64_t width = 64, layers = 2, max_way = 0;
  bool copy = true, joint = true, standardise = false;
  void keys(Keys& keys) {
    keys.add("width", width, between(2, 65536), "columns of a token");
    keys.add("layers", layers, between(1, 64), "of attention over support and query");
    keys.add("max_way", max_way, between(0, 4096),
             "most classes of a task, in training or in use; 0: those of training");
    keys.add("copy", copy, anything(),
             "a last attention copies the support's answers to the query; without it they come "
             "through the layers alone, which takes many more tasks to learn");
    keys.add(
        "joint", joint, anything(),
        "the support is read anew with each query, and looks at it; false: it is read once, "
        "whatever is asked, and each query looks at what its layers keep: their keys and values");
    keys.add("standardise", standardise, anything(),
             "values are read and answered in the support's own units: mean 0, deviation 1");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.deviations = true;
    demands.class_rows = max_way == 0;
    demands.most_way = max_way;
    return demands;
  }
};

/// Codes of n classes, [n, n]: the corners of a simplex, of length 1 and at equal angles, the
/// widest that there are (ELMES: equal-length maximally equiangular set).
torch::Tensor equal_angle_codes(std::int64_t n, const torch::TensorOptions& like) {
  if (n == 1) return torch::ones({1, 1}, like);
  const auto count = static_cast<double>(n);
  return std::sqrt(count / (count - 1)) * (torch::eye(n, like) - 1 / count);
}

/// The context learner (Fifty et al. 2024, "Context-aware meta-learning", section 3): a transformer
/// without positions or causal mask reads the support, each embedding with the code of its label,
/// and one query with a learned code for "unknown"; the query's token is read off as a code, and
/// answers are its products with the classes' codes. One forward pass, no inner loop. Every query
/// is a sequence of its own, so answers do not touch, and no order of the support changes any. The
/// codes are fixed and at equal angles, so no label is nearer to another (section 4); the task's
/// key deals them to its labels, which thus mean nothing beyond the task. Values are their own
/// codes; what standard deviations are made of is read off beside them. The paper's encoder is a
/// frozen, pretrained one; for encoders that learn along, `copy` adds to the read-off, which starts
/// at zero, what attention from the query to the support finds of its answers: similarity serves
/// from the first step on, and the layers learn what is similar in this context.
class Caml final : public SupportLearner {
 public:
  using Options = CamlOptions;
  Caml(const LearnerRequest& request, const Options& options)
      : SupportLearner(request), options_(options), codes_(width_of_answers(request)) {
    if (kind_->classes() && options.max_way > 0) {
      CUTTLE_VALIDATE(options.max_way >= codes_,
                      "adapt.max_way: is {}, below episode.way, {} (every class of a task needs a "
                      "code); use {} or more, or 0",
                      options.max_way, codes_, codes_);
      codes_ = options.max_way;
    }
    CUTTLE_VALIDATE(!options.standardise || !kind_->classes(),
                    "adapt.standardise: is about values, and these tasks have classes; remove the "
                    "key");
    CUTTLE_VALIDATE(kind_->classes() || kind_->estimates(),
                    "adapt.algorithm: caml estimates values, or compares with classes (and this "
                    "episode.target asks for neither); choose neural_process, or one with a head, "
                    "such as maml");
    const std::int64_t w = options.width;
    auto& layout = request.layout;
    project_ = own_array(layout, "project.weight", {w, width_as_one(model_->fusion())});
    project_bias_ = own_array(layout, "project.bias", {w}, Init::kZeros);
    label_ = own_array(layout, "label.weight", {w, codes_});
    unknown_ = own_array(layout, "label.unknown", {w}, Init::kZeros);
    const std::int64_t heads = attention_heads("adapt.width", w);
    shape_ = {w, heads, 4 * w, kLayerNormEpsilon};
    if (kind_->classes()) {
      const auto code = equal_angle_codes(codes_, torch::kFloat64);
      code_.assign(code.data_ptr<double>(), code.data_ptr<double>() + code.numel());
    }
    for (std::int64_t i = 0; i < options.layers; ++i) {
      layer_places_.push_back(layout.count());
      layers_.push_back(make_transformer_layer(layout, "learner.layers." + std::to_string(i), w,
                                               heads, ParameterRole::kLearner));
    }
    norm_ = own_array(layout, "norm.weight", {w}, Init::kOnes);
    norm_bias_ = own_array(layout, "norm.bias", {w}, Init::kZeros);
    const std::int64_t read = kind_->classes() ? codes_ : request.inputs.outputs;
    head_ = own_array(layout, "head.weight", {read, w}, Init::kZeros);
    if (kind_->classes()) scale_ = own_number(layout, "scale", std::log(10.0));
  }

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    CUTTLE_VALIDATE(support.way <= codes_,
                    "caml: the support set has {} classes, and there are codes for {} (others were "
                    "never trained); give fewer, or train with a larger adapt.max_way",
                    support.way, codes_);
    return SupportLearner::adapt(parameters, support, key);
  }

 private:
  std::optional<TaskOutcome> outcome_on_rows(const Task& task) const override {
    if (!kind_->classes() || !options_.joint || task.support.size == 0 ||
        !kernels::PreNormLayer<float>::fits(shape_))
      return std::nullopt;
    return TaskOutcome(CamlTask{{project_, project_bias_, label_, unknown_, norm_, norm_bias_,
                                 head_, scale_, layer_places_},
                                shape_,
                                codes_,
                                code_,
                                options_.copy,
                                deal(task.key)});
  }
  std::vector<std::int64_t> deal(const RandomKey& key) const {
    return Random(key.with(Draw::kCodes)).sample(codes_, codes_);
  }
  /// Parameters with which label c has the code of a place that the key draws: to give labels other
  /// corners of a simplex is to exchange the columns and rows that read and write them.
  Tensors dealt(Tensors p, const RandomKey& key) const override {
    if (!kind_->classes()) return p;
    auto &label = p[static_cast<std::size_t>(label_)], &head = p[static_cast<std::size_t>(head_)];
    const auto order = torch::tensor(deal(key)).to(label.device());
    label = label.index_select(1, order);
    head = head.index_select(0, order);
    return p;
  }

  torch::Tensor token(const Tensors& p, const Embedding& embedding) const {
    return torch::linear(as_one(embedding), parameter_at(p, project_),
                         parameter_at(p, project_bias_));
  }
  torch::Tensor normed(const Tensors& p, const torch::Tensor& x) const {
    return torch::layer_norm(x, {options_.width}, parameter_at(p, norm_),
                             parameter_at(p, norm_bias_));
  }
  torch::Tensor codes_of(const Support& support) const {
    return equal_angle_codes(codes_, support.embedding.mask.options())
        .narrow(0, 0, support.batch.way);
  }

  /// Places in a lesson: answers as codes, and for values what these are counted from and in;
  /// then, where nobody looks at queries, what each layer's tokens show, and the last ones; else
  /// the first ones.
  enum Place : std::size_t { kAnswers, kOrigin, kScale, kLayers };

  Tensors study(const Support& support) const override {
    const Tensors& p = support.parameters;
    auto answers = answers_of(support.batch, support.batch.way, support.embedding.mask.options());
    torch::Tensor origin, scale;
    if (kind_->classes()) {
      answers = answers.matmul(codes_of(support));
    } else if (options_.standardise) {
      origin = answers.mean(0, true);
      scale = answers.std(0, /*unbiased=*/false, /*keepdim=*/true);
      // Values that differ by rounding alone say nothing of the unit.
      scale = torch::where(scale > 1e-6 * answers.abs().amax(0, true), scale, 1);
      answers = (answers - origin) / scale;
    }
    Tensors lesson{answers, origin, scale};
    auto known = token(p, support.embedding) + torch::linear(answers, parameter_at(p, label_));
    if (!options_.joint) {
      known = known.unsqueeze(0);
      for (const auto& layer : layers_) {
        const auto shown = layer->shown(p, known);
        known = layer->looking(p, known, shown);
        lesson.insert(lesson.end(), {shown.keys, shown.values});
      }
      known = normed(p, known);
    }
    lesson.push_back(known);
    return lesson;
  }

  /// Support and queries after the layers: [n, S, w], or [1, S, w] where all queries see the same,
  /// and [n, w].
  std::pair<torch::Tensor, torch::Tensor> read(const Tensors& p, const Tensors& lesson,
                                               const torch::Tensor& asked) const {
    const auto& known = lesson.back();
    if (!options_.joint) {
      auto x = asked.unsqueeze(0);
      for (std::size_t i = 0; i < layers_.size(); ++i)
        x = layers_[i]->looking(p, x, {lesson[kLayers + 2 * i], lesson[kLayers + 2 * i + 1]});
      return {known, normed(p, x).select(0, 0)};
    }
    const std::int64_t n = asked.size(0), steps = known.size(0);
    Signal x{torch::cat({asked.unsqueeze(1), known.unsqueeze(0).expand({n, steps, -1})}, 1), {}};
    for (const auto& layer : layers_) x = layer->forward(p, x, {});
    const auto seen = normed(p, x.values);
    return {seen.narrow(1, 1, steps), seen.select(1, 0)};
  }

  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    const auto of = [&](std::int64_t place) { return parameter_at(support.parameters, place); };
    const auto [seen, last] =
        read(support.parameters, lesson, token(support.parameters, query) + of(unknown_));
    auto code = torch::linear(last, of(head_));
    if (options_.copy) {
      const auto scores = seen.matmul(last.unsqueeze(2)).squeeze(2) /
                          std::sqrt(static_cast<double>(options_.width));
      const auto share =
          torch::softmax(scores + log_counts(support.batch, query.mask.options()), 1);
      const auto copied = share.matmul(lesson[kAnswers]);  // of values; deviations have no copy
      code = code + torch::constant_pad_nd(copied, {0, code.size(1) - copied.size(1)});
    }
    if (kind_->classes()) return of(scale_).exp() * code.matmul(codes_of(support).t());
    const auto outputs = kind_->outputs_of(code);
    return options_.standardise ? kind_->rescaled(outputs, lesson[kOrigin], lesson[kScale])
                                : outputs;
  }

  Options options_;
  std::int64_t codes_;
  std::int64_t project_, project_bias_, label_, unknown_, norm_, norm_bias_, head_, scale_ = -1;
  std::vector<std::unique_ptr<const AttentionLayer>> layers_;
  std::vector<std::int64_t> layer_places_;  ///< of their first parameters
  kernels::PreNormShape shape_{};
  std::vector<double> code_;  ///< as CamlTask has them
};

}  // namespace

LearnerType row_of_caml() {
  return learner_type<Caml>("a transformer reads the support with its answers, and one query",
                            "Fifty et al. 2024");
}

}  // namespace cuttle
