#include <torch/types.h>

#include <cmath>
#include <optional>

#include "adapt/layers.hpp"
#include "adapt/learners/decoding_layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "cuttle/model/linear_stack.hpp"

namespace cuttle {
namespace {

struct NeuralProcessOptions {
  std::int64_t width = 64;
  bool attention = false;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 4096), "columns of a representation");
    keys.add("attention", attention, anything(),
             "whether each query looks at the samples of the support that are like it (attentive), "
             "rather than at the mean of all, or of every class (conditional)");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.deviations = true;
    demands.class_rows = true;
    return demands;
  }
};

/// Neural processes, their deterministic path on the model's embedding. Conditional (Garnelo et al.
/// 2018, equations 1 to 3): r_i = h(x_i, y_i), r the mean of all r_i, with classes the means of all
/// classes side by side (section 4.3), and the answer at x is g(x, r). Attentive (Kim et al. 2019,
/// section 3): r is the mean by likeness to x,
///   r(x) = sum_i softmax_i(a(x) . a(x_i) / sqrt(d)) r_i,
/// a one layer for queries and keys alike. h and g are perceptrons of one hidden layer. For values
/// g gives the mean, and with `episode.target: gaussian` what the standard deviation is made of. No
/// order of the support changes an answer.
class NeuralProcess final : public SupportLearner {
 public:
  using Options = NeuralProcessOptions;
  NeuralProcess(const LearnerRequest& request, const Options& options)
      : SupportLearner(request),
        options_(options),
        answers_(width_of_answers(request)),
        means_(request.kind->classes() && !options.attention ? request.inputs.outputs : 1),
        encoder_(request.layout, "encoder", width_as_one(model_->fusion()) + answers_,
                 options.width, options.width),
        decoder_(request.layout, "decoder", width_as_one(model_->fusion()) + means_ * options.width,
                 options.width, request.inputs.outputs) {
    if (options.attention)
      key_.emplace(request.layout, "key",
                   std::vector<std::int64_t>{options.width, width_as_one(model_->fusion())});
  }

 private:
  std::optional<TaskLayers> task_layers(const Task& task) const override {
    const std::int64_t in = width_as_one(model_->fusion()) + answers_, hidden = options_.width;
    if (options_.attention || (in + 1) * hidden + (hidden + 1) * hidden > kMostPackedWeights)
      return std::nullopt;
    return TaskLayers::by(
        {{width_as_one(model_->fusion()), hidden, true}, {hidden, task.query.way, false}},
        [=](const auto& support, auto* layers) {
          return DecodingLayers(support, layers, encoder_, decoder_, answers_, hidden, means_);
        });
  }
  /// r [1, means * width]; with attention r_i, and what queries weigh them by: keys, log counts.
  Tensors study(const Support& support) const override {
    const auto x = as_one(support.embedding);
    const auto answers = answers_of(support.batch, answers_, x.options());
    const auto each = encoder_(support.parameters, {x, answers});
    if (key_) return {each, (*key_)(support.parameters, x), log_counts(support.batch, x.options())};
    return {kind_->classes() ? of_classes(support.batch, each) : each.mean(0, true)};
  }
  /// Side by side; zeros for classes that the task has not.
  torch::Tensor of_classes(const Batch& support, const torch::Tensor& each) const {
    const auto members = members_of(support, each.options());
    const auto means = members.matmul(each) / members.sum(1, true).clamp_min(1);
    return torch::constant_pad_nd(means, {0, 0, 0, means_ - support.way}).view({1, -1});
  }
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    const auto x = as_one(query);
    const std::int64_t way = support.batch.way;
    const auto given = decoder_(support.parameters, {x, key_ ? seen_by(x, support, lesson)
                                                             : lesson[0].expand({x.size(0), -1})});
    return kind_->outputs_of(given.narrow(1, 0, kind_->outputs(way, way)));
  }

  torch::Tensor seen_by(const torch::Tensor& x, const Support& support,
                        const Tensors& lesson) const {
    const auto scores = (*key_)(support.parameters, x).matmul(lesson[1].t()) /
                        std::sqrt(static_cast<double>(options_.width));
    return torch::softmax(scores + lesson[2], 1).matmul(lesson[0]);
  }

  Options options_;
  std::int64_t answers_, means_;
  ProcessPart encoder_, decoder_;
  std::optional<OwnLayer> key_;
};

}  // namespace

LearnerType row_of_neural_process() {
  return learner_type<NeuralProcess>("the support as one vector, or one for each query",
                                     "Garnelo et al. 2018, Kim et al. 2019");
}

}  // namespace cuttle
