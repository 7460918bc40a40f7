#include <torch/types.h>

#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "adapt/layers.hpp"
#include "adapt/learners/ridge_layer.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"

namespace cuttle {
namespace {

struct R2d2Options {
  double ridge = 1.0, scale = 0.0;
  void keys(Keys& keys) {
    keys.add("ridge", ridge, above(0), "where the learned ridge penalty starts");
    keys.add("scale", scale, at_least(0),
             "where the learned scale of the answers starts; 0: 10 for classes, 1 for values");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.one_each = true;
    return demands;
  }
};

/// R2D2 (Bertinetto, Henriques, Torr, Vedaldi 2019): ridge regression of the answers on the
/// embedding, solved in closed form for each task; with fewer samples than columns by Woodbury's
/// identity (equation 6):
///   W = X^T (X X^T + lambda I)^-1 Y.
/// Each part of the embedding has its own W; samples without the part are left out of it. Where
/// samples have `weights` ([n], may be undefined), their squared errors count so. Gives W and
/// whether any sample has the part, part after part.
Tensors solve(const Tensors& p, const R2d2Places& places, const Embedding& support,
              const torch::Tensor& answers, const torch::Tensor& weights) {
  Tensors solved;
  for (std::size_t i = 0; i < support.parts.size(); ++i) {
    auto has = support.mask.narrow(1, static_cast<std::int64_t>(i), 1);
    if (weights.defined()) has = has * weights.to(has.options()).sqrt().unsqueeze(1);
    const auto x = support.parts[i] * has;
    const auto ridge = parameter_at(p, places.ridge).exp();
    const auto gram = x.matmul(x.t()) + ridge * torch::eye(x.size(0), x.options());
    // Symmetric and positive definite, or no numbers, which the step says more of than LAPACK does.
    const auto factor = std::get<0>(torch::linalg_cholesky_ex(gram));
    const auto dual = torch::cholesky_solve(answers * has, factor);
    solved.push_back(x.t().matmul(dual));
    solved.push_back(support.mask.select(1, static_cast<std::int64_t>(i)).amax());
  }
  return solved;
}

torch::Tensor outputs_of(const Model& model, const Tensors& p, const R2d2Places& places,
                         const Tensors& solved, const Embedding& query) {
  std::vector<PartLogits> parts;
  for (std::size_t i = 0; i < query.parts.size(); ++i) {
    const auto outputs = query.parts[i].matmul(solved[2 * i]);
    parts.push_back({parameter_at(p, places.scale).exp() * outputs + parameter_at(p, places.shift),
                     known_of(query, i, solved[2 * i + 1])});
  }
  return combined(model.fusion(), parts, query.weights);
}

class R2d2 final : public SupportLearner {
 public:
  using Options = R2d2Options;
  R2d2(const LearnerRequest& request, const Options& options)
      : SupportLearner(request),
        places_{own_number(request.layout, "ridge", std::log(options.ridge)),
                own_number(request.layout, "scale", std::log(scale_of(options, *request.kind))),
                own_number(request.layout, "shift", 0)} {}

 private:
  std::optional<TaskLayers> task_layers(const Task& task) const override {
    return TaskLayers::by(
        {{width_as_one(model_->fusion()), task.query.way, false}},
        [this](const auto& support, auto* layer) { return RidgeLayer(support, layer, places_); });
  }
  Tensors study(const Support& support) const override {
    const auto& known = support.embedding;
    return solve(support.parameters, places_, known,
                 answers_of(support.batch, support.batch.way, known.mask.options()),
                 kind_->support_weights(support.batch));
  }
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    return outputs_of(*model_, support.parameters, places_, lesson, query);
  }

  static double scale_of(const Options& options, const TaskKind& kind) {
    return options.scale > 0 ? options.scale : kind.classes() ? 10.0 : 1.0;
  }

  R2d2Places places_;
};

}  // namespace

LearnerType row_of_r2d2() {
  return learner_type<R2d2>("ridge regression on the embedding, in closed form",
                            "Bertinetto et al. 2019");
}

}  // namespace cuttle
