#include "model/blocks/linear_stack.hpp"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <algorithm>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/model/packed_layers.hpp"

namespace cuttle {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// What a pass left behind, for all derivatives.
template <class T>
struct StackWork : torch::CustomClassHolder {
  StackWork(const std::vector<LinearLayer>& layers, const torch::Tensor& values)
      : mlp(shapes_of(layers)),
        x(values.contiguous()),
        size(x.size(0)),
        width(layers.back().out),
        relu(layers.back().relu),
        memory(torch::empty({mlp.packed_size() + mlp.point_size(size)},
                            x.options().requires_grad(false))),
        packed(memory.data_ptr<T>()),
        point(mlp.point(size, packed + mlp.packed_size())) {}

  const T* values() const { return x.data_ptr<T>(); }
  /// Rows without their padding.
  torch::Tensor dense(const T* rows) const {
    auto result = torch::empty({size, width}, memory.options());
    T* to = result.template data_ptr<T>();
    for (std::int64_t n = 0; n < size; ++n)
      to = std::copy_n(rows + n * mlp.padded(width), width, to);
    return result;
  }
  /// Gradients of what the stack gives, as deltas: only where the last ReLU lets through.
  void gated(const torch::Tensor& gradient, T* rows) const {
    const auto held = gradient.contiguous();
    const T *from = held.data_ptr<T>(), *given = point.activations.back();
    const std::int64_t stride = mlp.padded(width);
    std::fill_n(rows, size * stride, T{});
    for (std::int64_t n = 0; n < size; ++n, from += width)
      for (std::int64_t i = 0; i < width; ++i)
        rows[n * stride + i] = relu && given[n * stride + i] <= 0 ? T{} : from[i];
  }

  kernels::Mlp<T> mlp;
  torch::Tensor x;
  std::int64_t size, width;
  bool relu;
  torch::Tensor memory;
  T* packed;
  typename kernels::Mlp<T>::Point point;
};

/// A pass back, with deltas of its own: there may be several.
template <class T>
struct StackWayBack : torch::CustomClassHolder {
  explicit StackWayBack(c10::intrusive_ptr<StackWork<T>> of)
      : work(std::move(of)),
        memory(torch::empty({work->mlp.packed_size() + work->mlp.point_size(work->size)},
                            work->memory.options())),
        gradient(memory.data_ptr<T>()),
        point(work->mlp.point(work->size, gradient + work->mlp.packed_size())) {
    point.packed = work->point.packed;
    point.turned = work->point.turned;
    point.activations = work->point.activations;
  }
  c10::intrusive_ptr<StackWork<T>> work;
  torch::Tensor memory;
  T* gradient;
  typename kernels::Mlp<T>::Point point;
};

template <class Kept>
c10::intrusive_ptr<Kept> kept_in(AutogradContext* ctx) {
  return c10::static_intrusive_pointer_cast<Kept>(ctx->saved_data["kept"].toCapsule());
}

/// The vjp, an operation of its own so that it can be differentiated again.
template <class T>
class StackGradient : public Function<StackGradient<T>> {
 public:
  static variable_list forward(AutogradContext* ctx, const c10::intrusive_ptr<StackWork<T>>& work,
                               const torch::Tensor& cotangent, at::TensorList weights) {
    const auto way = c10::make_intrusive<StackWayBack<T>>(work);
    work->gated(cotangent, way->point.deltas.back());
    work->mlp.backward(work->size, work->values(), way->point, way->gradient);
    ctx->save_for_backward({weights.begin(), weights.end()});
    ctx->saved_data["kept"] = c10::IValue::make_capsule(way);
    ctx->set_materialize_grads(false);
    return unpack_tensors<T>(work->mlp, way->gradient, T{1}, weights);
  }

  static variable_list backward(AutogradContext* ctx, variable_list cotangents) {
    // The kernels end here: a third derivative through them would silently lack this part.
    CUTTLE_REQUIRE(!torch::GradMode::is_enabled(),
                   "the fused linear layers have no third derivative; set fused: false for the "
                   "encoder");
    const auto way = kept_in<StackWayBack<T>>(ctx);
    const auto& work = *way->work;
    const auto weights = ctx->get_saved_variables();
    const std::int64_t size = work.mlp.packed_size();
    const auto memory =
        torch::empty({2 * size + work.mlp.point_size(work.size)}, work.memory.options());
    T *direction = memory.template data_ptr<T>(), *product = direction + size;
    auto along = work.mlp.point(work.size, product + size);
    pack_tensors<T>(work.mlp, cotangents, weights, direction);
    work.mlp.tangent(work.size, work.values(), way->point, direction, along);
    std::fill_n(along.deltas.back(), work.size * work.mlp.padded(work.width), T{});
    work.mlp.tangent_backward(work.size, work.values(), way->point, along, product);
    auto result = unpack_tensors<T>(work.mlp, product, T{1}, weights);
    result.insert(result.begin(), {torch::Tensor(), work.dense(along.activations.back())});
    return result;
  }
};

template <class T>
class Stack : public Function<Stack<T>> {
 public:
  static torch::Tensor forward(AutogradContext* ctx, const c10::intrusive_ptr<StackWork<T>>& work,
                               at::TensorList weights) {
    pack_tensors<T>(work->mlp, weights, weights, work->packed);
    work->mlp.forward(work->size, work->values(), work->packed, work->point);
    ctx->save_for_backward({weights.begin(), weights.end()});
    ctx->saved_data["kept"] = c10::IValue::make_capsule(work);
    return work->dense(work->point.activations.back());
  }

  static variable_list backward(AutogradContext* ctx, variable_list cotangents) {
    const auto weights = ctx->get_saved_variables();
    auto result =
        StackGradient<T>::apply(kept_in<StackWork<T>>(ctx), cotangents[0], at::TensorList(weights));
    result.insert(result.begin(), torch::Tensor());
    return result;
  }
};

}  // namespace

bool is_linear_stack(const std::vector<LinearLayer>& layers, const Tensors& parameters,
                     const torch::Tensor& x) {
  return may_be_packed(layers) && !x.requires_grad() &&
         may_be_packed(x, parameters[static_cast<std::size_t>(layers[0].weight)]);
}

torch::Tensor linear_stack(const std::vector<LinearLayer>& layers, const Tensors& parameters,
                           const torch::Tensor& x) {
  return with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const auto work = c10::make_intrusive<StackWork<T>>(layers, x);
    const Tensors weights = weights_of(layers, parameters);
    return Stack<T>::apply(work, at::TensorList(weights));
  });
}

}  // namespace cuttle
