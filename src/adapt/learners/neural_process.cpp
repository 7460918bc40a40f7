#include <torch/types.h>

#include <cmath>
#include <utility>

#include "adapt/embed.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {
namespace {

struct NeuralProcessOptions {
  std::int64_t width = 64;
  bool attention = false;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 4096), "columns of a representation");
    keys.add("attention", attention, anything(),
             "whether each query looks at the samples of the support that are like it (attentive), "
             "rather than at the mean of all (conditional)");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.class_rows = true;
    return demands;
  }
};

/// Neural processes, their deterministic path on the model's embedding. Conditional (Garnelo et al.
/// 2018, equations 1 to 3): r_i = h(x_i, y_i), r the mean of all r_i, and the answer at x is g(x,
/// r). Attentive (Kim et al. 2019, section 3): r is the mean by likeness to x,
///   r(x) = sum_i softmax_i(a(x) . a(x_i) / sqrt(d)) r_i,
/// a one layer for queries and keys alike. h and g are perceptrons of one hidden layer. The answer
/// is the predicted mean; no order of the support changes it.
class NeuralProcess final : public Learner {
 public:
  using Options = NeuralProcessOptions;
  NeuralProcess(const LearnerRequest& request, const Options& options)
      : Learner(request), options_(options), outputs_(request.inputs.outputs) {
    const std::int64_t w = options.width, x = width_as_one(model_->fusion());
    encoder_ = {layer(request, "encoder.0", w, x + outputs_), layer(request, "encoder.1", w, w)};
    decoder_ = {layer(request, "decoder.0", w, x + w), layer(request, "decoder.1", outputs_, w)};
    if (options.attention) key_ = layer(request, "key", w, x);
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const auto leaves = as_leaves(parameters.tensors());
    Statistics seen;
    Context context;
    context.key = task.key;
    context.record = &seen;
    const auto both = embed_both(*model_, leaves, task.support, task.query, context);
    const auto lesson = study(leaves, task.support, both.support);
    const auto outputs = answer(leaves, lesson, both.query, task.support.way);
    const Judged judged = judge(leaves, outputs, task.query, both.pass, both.seen, context);
    return result_of(gradient_of(judged.loss, leaves, false), judged, seen);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey&) const override {
    return std::make_unique<Represented>(*this, parameters.tensors(), support);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override {
    return std::make_unique<Represented>(*this, parameters_in(*model_, state),
                                         support_in(*model_, state, way));
  }

 private:
  /// The support set, and what it is represented by.
  class Represented final : public KnownSupport {
   public:
    Represented(const NeuralProcess& learner, Tensors parameters, Batch support)
        : KnownSupport(learner.model_, std::move(parameters), std::move(support)),
          learner_(learner) {}

   private:
    Tensors study(const Embedding& known) const override {
      return learner_.study(parameters(), support(), known);
    }
    torch::Tensor compare(const Embedding&, const Tensors& lesson,
                          const Embedding& query) const override {
      return learner_.answer(parameters(), lesson, query, support().way);
    }

    const NeuralProcess& learner_;
  };

  struct Places {
    std::int64_t weight, bias;
  };
  static Places layer(const LearnerRequest& request, const std::string& name, std::int64_t out,
                      std::int64_t in) {
    const std::string own = "learner." + name;
    return {request.layout.add({own + ".weight", {out, in}, Init::kFanIn, ParameterRole::kLearner}),
            request.layout.add({own + ".bias", {out}, Init::kZeros, ParameterRole::kLearner})};
  }
  static torch::Tensor through(const Tensors& p, const Places& layer, const torch::Tensor& x) {
    return torch::linear(x, p[static_cast<std::size_t>(layer.weight)],
                         p[static_cast<std::size_t>(layer.bias)]);
  }
  static torch::Tensor through(const Tensors& p, const std::pair<Places, Places>& layers,
                               const Tensors& x) {
    return through(p, layers.second, torch::relu(through(p, layers.first, torch::cat(x, 1))));
  }

  /// r_i, and what queries weigh them by: log counts and, with attention, keys.
  Tensors study(const Tensors& p, const Batch& support, const Embedding& embedding) const {
    const auto x = as_one(embedding);
    const auto answers = answers_of(support, outputs_, x.options());
    const auto counts = kind_->support_weights(support);
    Tensors lesson{
        through(p, encoder_, {x, answers}),
        counts.defined() ? counts.log().to(x.options()) : torch::zeros({x.size(0)}, x.options())};
    if (options_.attention) lesson.push_back(through(p, key_, x));
    return lesson;
  }
  /// [n, way] answers.
  torch::Tensor answer(const Tensors& p, const Tensors& lesson, const Embedding& query,
                       std::int64_t way) const {
    const auto x = as_one(query);
    auto scores = lesson[1].expand({x.size(0), lesson[1].size(0)});
    if (options_.attention)
      scores = scores + through(p, key_, x).matmul(lesson[2].t()) /
                            std::sqrt(static_cast<double>(options_.width));
    const auto represented = torch::softmax(scores, 1).matmul(lesson[0]);
    return through(p, decoder_, {x, represented}).narrow(1, 0, way);
  }

  Options options_;
  std::int64_t outputs_;
  std::pair<Places, Places> encoder_, decoder_;
  Places key_ = {};
};

}  // namespace

LearnerType row_of_neural_process() {
  return learner_type<NeuralProcess>("the support as one vector, or one for each query",
                                     "Garnelo et al. 2018, Kim et al. 2019");
}

}  // namespace cuttle
