#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "adapt/layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/small_products.hpp"
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
        ridge_(std::exp(*support.own(places.ridge))),
        scale_(std::exp(*support.own(places.scale))),
        x_(room(n_ * stride_)),
        factor_(room(n_ * columns_)),
        dual_(room(n_ * answers_)),
        weight_(room(way_ * stride_)) {
    for (std::int64_t i = 0; i < n_; ++i) {
      add_scaled(width_, root(i), support.row(i), &x_[room(i * stride_)]);
      for (std::int64_t c = 0; c < way_; ++c)
        dual_[room(i * answers_ + c)] = root(i) * support.answer(i, c);
    }
    std::vector<T> turned(room(stride_ * columns_));
    turn(x_.data(), n_, stride_, stride_, turned.data());
    multiply({x_.data(), stride_}, width_, turned.data(), n_, columns_, factor_.data());
    for (std::int64_t i = 0; i < n_; ++i) factor_[room(i * columns_ + i)] += ridge_;
    cholesky(n_, columns_, factor_.data());
    cholesky_solve(n_, columns_, factor_.data(), answers_, dual_.data());
    multiply(Left<T>{dual_.data(), answers_}.turned(), n_, x_.data(), way_, stride_,
             weight_.data());
    scale(scale_, weight_);
    for (std::int64_t c = 0; c < way_; ++c)
      std::copy_n(&weight_[room(c * stride_)], width_, layer + c * width_);
    std::fill_n(layer + way_ * width_, way_, *support.own(places.shift));
  }

  void back(const T* of_layer) override {
    std::vector<T> slope(room(way_ * stride_)), turned(room(stride_ * answers_)), b(dual_.size());
    for (std::int64_t c = 0; c < way_; ++c)
      add_scaled(width_, scale_, of_layer + c * width_, &slope[room(c * stride_)]);
    turn(slope.data(), way_, stride_, stride_, turned.data());
    multiply({x_.data(), stride_}, width_, turned.data(), n_, answers_, b.data());
    cholesky_solve(n_, columns_, factor_.data(), answers_, b.data());
    *support_.of_own(places_.ridge) = -ridge_ * dot(n_ * answers_, b.data(), dual_.data());
    for (std::int64_t c = 0; c < way_; ++c) {
      *support_.of_own(places_.scale) +=
          dot(width_, of_layer + c * width_, &weight_[room(c * stride_)]);
      *support_.of_own(places_.shift) += of_layer[way_ * width_ + c];
    }
    scale(T{-1}, b);
    multiply(Left<T>{b.data(), answers_}.turned(), n_, x_.data(), way_, stride_, slope.data(),
             true);
    // What X is made of has the samples' weights; W has the scale.
    scale(T{1} / scale_, weight_);
    for (std::int64_t i = 0; i < n_; ++i)
      for (std::int64_t c = 0; c < way_; ++c) {
        dual_[room(i * answers_ + c)] *= root(i);
        b[room(i * answers_ + c)] *= root(i);
      }
    multiply({dual_.data(), answers_}, way_, slope.data(), n_, stride_, support_.of_features, true);
    multiply({b.data(), answers_}, way_, weight_.data(), n_, stride_, support_.of_features, true);
  }

 private:
  /// Of what the sample's squared error counts.
  T root(std::int64_t sample) const { return std::sqrt(support_.weights[room(sample)]); }
  const SampleRows<T>& support_;
  R2d2Places places_;
  T ridge_, scale_;
  std::int64_t n_ = support_.size, way_ = support_.way, width_ = support_.width,
               stride_ = support_.stride;
  /// Rows of numbers by sample, and of answers.
  std::int64_t columns_ = kernels::padded<T>(n_), answers_ = kernels::padded<T>(way_);
  std::vector<T> x_, factor_, dual_, weight_;
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
