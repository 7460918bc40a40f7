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
             "rather than at the mean of all (conditional)");
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
/// 2018, equations 1 to 3): r_i = h(x_i, y_i), r the mean of all r_i, and the answer at x is g(x,
/// r). Attentive (Kim et al. 2019, section 3): r is the mean by likeness to x,
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
        encoder_(request.layout, "encoder", width_as_one(model_->fusion()) + answers_,
                 options.width, options.width),
        decoder_(request.layout, "decoder", width_as_one(model_->fusion()) + options.width,
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
          return DecodingLayers(support, layers, encoder_, decoder_, answers_, hidden);
        });
  }
  /// r_i, and what queries weigh them by: log counts and, with attention, keys.
  Tensors study(const Support& support) const override {
    const auto x = as_one(support.embedding);
    const auto answers = answers_of(support.batch, answers_, x.options());
    Tensors lesson{encoder_(support.parameters, {x, answers}),
                   log_counts(support.batch, x.options())};
    if (key_) lesson.push_back((*key_)(support.parameters, x));
    return lesson;
  }
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    const auto x = as_one(query);
    auto scores = lesson[1].expand({x.size(0), lesson[1].size(0)});
    if (key_)
      scores = scores + (*key_)(support.parameters, x).matmul(lesson[2].t()) /
                            std::sqrt(static_cast<double>(options_.width));
    const auto represented = torch::softmax(scores, 1).matmul(lesson[0]);
    const std::int64_t way = support.batch.way;
    const auto given = decoder_(support.parameters, {x, represented});
    return kind_->outputs_of(given.narrow(1, 0, kind_->outputs(way, way)));
  }

  Options options_;
  std::int64_t answers_;
  ProcessPart encoder_, decoder_;
  std::optional<OwnLayer> key_;
};

}  // namespace

LearnerType row_of_neural_process() {
  return learner_type<NeuralProcess>("the support as one vector, or one for each query",
                                     "Garnelo et al. 2018, Kim et al. 2019");
}

}  // namespace cuttle
