#include "adapt/surface/perceptron_pass.hpp"

#include <torch/types.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "adapt/surface/perceptron_parts.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using torch::autograd::AutogradContext;

/// A pass and what it left behind, for all derivatives.
template <class T>
struct Work : torch::CustomClassHolder {
  Work(const Model& model, const TaskKind& kind, const Batch& batch)
      : mlp(shapes_of(model, batch.way)),
        samples(batch, kind),
        memory(torch::empty({2 * mlp.packed_size() + mlp.point_size(batch.size)},
                            samples.x.options())),
        packed(memory.data_ptr<T>()),
        gradient(packed + mlp.packed_size()),
        point(mlp.point(batch.size, gradient + mlp.packed_size())) {}

  /// The loss at these weights and biases, in turn.
  torch::Tensor pass(at::TensorList weights) {
    pack_tensors<T>(mlp, weights, weights, packed);
    return torch::full({}, mlp.gradient(samples.view, packed, point, gradient), memory.options());
  }

  kernels::Mlp<T> mlp;
  Samples<T> samples;
  torch::Tensor memory;
  T *packed, *gradient;
  typename kernels::Mlp<T>::Point point;
};

template <class T>
using WorkPointer = c10::intrusive_ptr<Work<T>>;

/// The loss's gradient times a number: an operation of its own, so that it can be differentiated.
template <class T>
class LossGradient : public torch::autograd::Function<LossGradient<T>> {
 public:
  static Tensors forward(AutogradContext* ctx, const WorkPointer<T>& work,
                         const torch::Tensor& of_loss, at::TensorList weights) {
    keep_pass(ctx, work, of_loss, weights);
    ctx->set_materialize_grads(false);
    return unpack_tensors<T>(work->mlp, work->gradient, of_loss.item<T>(), weights);
  }

  static Tensors backward(AutogradContext* ctx, Tensors cotangents) {
    // The kernels end here: a third derivative through them would silently lack this part.
    CUTTLE_REQUIRE(!torch::GradMode::is_enabled(),
                   "the perceptron's own kernels have no third derivative; set fused: false for "
                   "the encoder");
    const auto work = kept_pass<Work<T>>(ctx);
    const auto kept = ctx->get_saved_variables();
    const at::TensorList weights = at::TensorList(kept).slice(1);
    const std::int64_t size = work->mlp.packed_size();
    const auto memory = torch::empty({2 * size}, work->memory.options());
    T *direction = memory.template data_ptr<T>(), *product = direction + size;
    pack_tensors<T>(work->mlp, cotangents, weights, direction);
    work->mlp.hessian_product(work->samples.view, work->point, direction, product);
    Tensors result{{}, {}};
    if (kept[0].requires_grad()) {
      double sum = 0;
      for (std::int64_t i = 0; i < size; ++i)
        sum += static_cast<double>(direction[i]) * static_cast<double>(work->gradient[i]);
      result[1] = torch::full({}, sum, work->memory.options());
    }
    const auto of_weights = unpack_tensors<T>(work->mlp, product, kept[0].item<T>(), weights);
    result.insert(result.end(), of_weights.begin(), of_weights.end());
    return result;
  }
};

template <class T>
class Loss : public torch::autograd::Function<Loss<T>> {
 public:
  static torch::Tensor forward(AutogradContext* ctx, const WorkPointer<T>& work,
                               at::TensorList weights) {
    keep_pass(ctx, work, {}, weights);
    return work->pass(weights);
  }

  static Tensors backward(AutogradContext* ctx, Tensors cotangents) {
    const auto kept = ctx->get_saved_variables();
    auto result = LossGradient<T>::apply(kept_pass<Work<T>>(ctx), cotangents[0],
                                         at::TensorList(kept).slice(1));
    result.insert(result.begin(), torch::Tensor());
    return result;
  }
};

template <class T>
Pass pass_of(const WorkPointer<T>& work, const torch::Tensor& loss, std::int64_t way) {
  Pass pass;
  pass.loss = loss;
  pass.outputs = outputs_of(work->mlp, work->point, work->samples, way);
  return pass;
}

}  // namespace

Pass perceptron_pass(const Model& model, const TaskKind& kind, const Tensors& theta,
                     const Batch& batch) {
  const Tensors weights = weights_of(model.perceptron(), theta);
  return with_type_of(theta[0], [&](auto type) {
    using T = decltype(type);
    const auto work = c10::make_intrusive<Work<T>>(model, kind, batch);
    return pass_of<T>(work, Loss<T>::apply(work, at::TensorList(weights)), batch.way);
  });
}

std::pair<Pass, Tensors> perceptron_gradient(const Model& model, const TaskKind& kind,
                                             const Tensors& theta, const Batch& batch) {
  const Tensors weights = weights_of(model.perceptron(), theta);
  return with_type_of(theta[0], [&](auto type) {
    using T = decltype(type);
    const auto work = c10::make_intrusive<Work<T>>(model, kind, batch);
    const auto loss = work->pass(weights);
    return std::pair(pass_of<T>(work, loss, batch.way),
                     unpack_tensors<T>(work->mlp, work->gradient, T{1}, weights));
  });
}

}  // namespace cuttle
