#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "adapt/layers.hpp"
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

/// Where its learned numbers are: outputs = exp(scale) X' W + shift, penalty exp(ridge).
struct R2d2Places {
  std::int64_t ridge, scale, shift;
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

/// The same of a support without parts, as a layer on queries of weight exp(scale) W^T and bias
/// shift. With the dual solution A = K^-1 Y of K = X X^T + lambda I, and B = K^-1 X dW,
///   dX = A (dW - X^T B)^T - B W^T,  dlambda = -sum of A * B.
template <class T>
class RidgeLayer final : public MadeLayers<T> {
 public:
  RidgeLayer(const SampleRows<T>& support, T* layer, const R2d2Places& places)
      : support_(support),
        places_(places),
        weight_(layer),
        ridge_(std::exp(*support.own(places.ridge))),
        scale_(std::exp(*support.own(places.scale))),
        x_(room(n_ * width_)),
        factor_(room(n_ * n_)),
        dual_(room(n_ * way_)) {
    for (std::int64_t i = 0; i < n_; ++i) {
      add_scaled(width_, root(i), support.row(i), x(i));
      for (std::int64_t c = 0; c < way_; ++c)
        dual_[room(i * way_ + c)] = root(i) * support.answer(i, c);
      for (std::int64_t j = 0; j <= i; ++j) factor_[room(i * n_ + j)] = dot(width_, x(i), x(j));
      factor_[room(i * n_ + i)] += ridge_;
    }
    cholesky(n_, factor_.data());
    cholesky_solve(n_, factor_.data(), way_, dual_.data());
    std::fill_n(layer, way_ * width_, T{});
    add_outer(n_, way_, width_, scale_, dual_.data(), x_.data(), layer);
    std::fill_n(layer + way_ * width_, way_, *support.own(places.shift));
  }

  void back(const T* of_layer) override {
    std::vector<T> b(dual_.size()), slope(room(way_ * width_));
    for (std::int64_t i = 0; i < n_; ++i)
      for (std::int64_t c = 0; c < way_; ++c)
        b[room(i * way_ + c)] = scale_ * dot(width_, x(i), of_layer + c * width_);
    cholesky_solve(n_, factor_.data(), way_, b.data());
    add_scaled(way_ * width_, scale_, of_layer, slope.data());
    add_outer(n_, way_, width_, T{-1}, b.data(), x_.data(), slope.data());
    for (std::int64_t i = 0; i < n_; ++i)
      for (std::int64_t c = 0; c < way_; ++c) {
        const std::size_t at = room(i * way_ + c);
        T* to = support_.of_row(i);
        add_scaled(width_, root(i) * dual_[at], &slope[room(c * width_)], to);
        add_scaled(width_, -root(i) * b[at] / scale_, weight_ + c * width_, to);
      }
    *support_.of_own(places_.ridge) = -ridge_ * dot(n_ * way_, b.data(), dual_.data());
    *support_.of_own(places_.scale) = dot(way_ * width_, of_layer, weight_);
    for (std::int64_t c = 0; c < way_; ++c)
      *support_.of_own(places_.shift) += of_layer[way_ * width_ + c];
  }

 private:
  T* x(std::int64_t sample) { return x_.data() + sample * width_; }
  /// Of what the sample's squared error counts.
  T root(std::int64_t sample) const { return std::sqrt(support_.weights[room(sample)]); }
  const SampleRows<T>& support_;
  R2d2Places places_;
  const T* weight_;
  T ridge_, scale_;
  std::int64_t n_ = support_.size, way_ = support_.way, width_ = support_.width;
  std::vector<T> x_, factor_, dual_;
};

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
