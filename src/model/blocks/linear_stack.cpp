#include "cuttle/model/linear_stack.hpp"

#include <torch/types.h>

#include <algorithm>
#include <utility>

#include "cuttle/core/error.hpp"
#include "model/places.hpp"

namespace cuttle {
namespace {

using torch::autograd::AutogradContext;

/// What a pass left behind, for all derivatives.
template <class T>
struct StackWork : torch::CustomClassHolder {
  StackWork(const std::vector<LinearLayer>& layers, const torch::Tensor& values)
      : mlp(shapes_of(layers)),
        x(values.detach().contiguous()),
        size(x.size(0)),
        inputs(layers.front().in),
        width(layers.back().out),
        memory(torch::empty({mlp.packed_size() + mlp.point_size(size)}, x.options())),
        packed(memory.data_ptr<T>()),
        point(mlp.point(size, packed + mlp.packed_size())) {}

  const T* values() const { return x.data_ptr<T>(); }
  /// Rows of so many columns without their padding.
  torch::Tensor dense(const T* rows, std::int64_t columns) const {
    auto result = torch::empty({size, columns}, memory.options());
    T* to = result.template data_ptr<T>();
    for (std::int64_t n = 0; n < size; ++n)
      to = std::copy_n(rows + n * mlp.padded(columns), columns, to);
    return result;
  }
  /// Gradients of what the stack gives as such rows.
  void pad(const torch::Tensor& gradient, T* rows) const {
    const auto held = gradient.contiguous();
    const T* from = held.data_ptr<T>();
    const std::int64_t stride = mlp.padded(width);
    std::fill_n(rows, size * stride, T{});
    for (std::int64_t n = 0; n < size; ++n, from += width)
      std::copy_n(from, width, rows + n * stride);
  }

  kernels::Mlp<T> mlp;
  torch::Tensor x;
  std::int64_t size, inputs, width;
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

/// The vjp, an operation of its own so that it can be differentiated again: the gradient of x, if
/// asked for, and those of the weights.
template <class T>
class StackGradient : public torch::autograd::Function<StackGradient<T>> {
 public:
  static Tensors forward(AutogradContext* ctx, const c10::intrusive_ptr<StackWork<T>>& work,
                         bool of_x, const torch::Tensor& cotangent, const torch::Tensor& x,
                         at::TensorList weights) {
    const auto way = c10::make_intrusive<StackWayBack<T>>(work);
    const auto memory = torch::empty({of_x ? work->size * work->mlp.padded(work->inputs) : 0},
                                     work->memory.options());
    T* rows = of_x ? memory.template data_ptr<T>() : nullptr;
    work->pad(cotangent, way->point.deltas.back());
    work->mlp.backward(work->size, work->values(), way->point, way->gradient, rows);
    keep_pass(ctx, way, x, weights);
    ctx->saved_data["of_x"] = of_x;
    ctx->set_materialize_grads(false);
    auto result = unpack_tensors<T>(work->mlp, way->gradient, T{1}, weights);
    if (of_x) result.insert(result.begin(), work->dense(rows, work->inputs));
    return result;
  }

  static Tensors backward(AutogradContext* ctx, Tensors cotangents) {
    // The kernels end here: a third derivative through them would silently lack this part.
    CUTTLE_REQUIRE(!torch::GradMode::is_enabled(),
                   "linear layers on own kernels have no third derivative; for those of an encoder "
                   "set its fused: false");
    const auto way = kept_pass<StackWayBack<T>>(ctx);
    const auto& work = *way->work;
    const auto kept = ctx->get_saved_variables();
    const auto weights = at::TensorList(kept).slice(1);
    const bool of_x = ctx->saved_data["of_x"].toBool();
    const torch::Tensor moved =
        of_x && cotangents[0].defined() ? cotangents[0].contiguous() : torch::Tensor();
    const std::int64_t size = work.mlp.packed_size();
    const std::int64_t rows = of_x ? work.size * work.mlp.padded(work.inputs) : 0;
    const auto memory =
        torch::empty({2 * size + work.mlp.point_size(work.size) + rows}, work.memory.options());
    T *packed = memory.template data_ptr<T>(), *product = packed + size, *slope = product + size;
    auto along = work.mlp.point(work.size, slope + rows);
    pack_tensors<T>(work.mlp, at::TensorList(cotangents).slice(of_x ? 1 : 0), weights, packed);
    const typename kernels::Mlp<T>::Direction direction{
        packed, moved.defined() ? moved.template data_ptr<T>() : nullptr};
    work.mlp.tangent(work.size, work.values(), way->point, direction, along);
    std::fill_n(along.deltas.back(), work.size * work.mlp.padded(work.width), T{});
    work.mlp.tangent_backward(work.size, work.values(), way->point, along, direction, product,
                              of_x ? slope : nullptr);
    Tensors result{{}, {}, work.dense(along.activations.back(), work.width), {}};
    if (of_x) result.back() = work.dense(slope, work.inputs);
    const auto of_weights = unpack_tensors<T>(work.mlp, product, T{1}, weights);
    result.insert(result.end(), of_weights.begin(), of_weights.end());
    return result;
  }
};

template <class T>
class Stack : public torch::autograd::Function<Stack<T>> {
 public:
  static torch::Tensor forward(AutogradContext* ctx, const c10::intrusive_ptr<StackWork<T>>& work,
                               const torch::Tensor& x, at::TensorList weights) {
    pack_tensors<T>(work->mlp, weights, weights, work->packed);
    work->mlp.forward(work->size, work->values(), work->packed, work->point);
    keep_pass(ctx, work, x, weights);
    return work->dense(work->point.activations.back(), work->width);
  }

  static Tensors backward(AutogradContext* ctx, Tensors cotangents) {
    const auto kept = ctx->get_saved_variables();
    const bool of_x = kept[0].requires_grad();
    auto result = StackGradient<T>::apply(kept_pass<StackWork<T>>(ctx), of_x, cotangents[0],
                                          kept[0], at::TensorList(kept).slice(1));
    result.insert(result.begin(), of_x ? 1 : 2, torch::Tensor());
    return result;
  }
};

torch::Tensor by_libtorch(const std::vector<LinearLayer>& layers, const Tensors& parameters,
                          torch::Tensor x) {
  for (const auto& layer : layers) {
    x = torch::linear(x, at(parameters, layer.weight), at(parameters, layer.bias));
    if (layer.relu) x = torch::relu(x);
  }
  return x;
}

}  // namespace

torch::Tensor linear_stack(const std::vector<LinearLayer>& layers, const Tensors& parameters,
                           const torch::Tensor& x) {
  if (!may_be_packed(layers) || !may_be_packed(x, at(parameters, layers[0].weight)))
    return by_libtorch(layers, parameters, x);
  CUTTLE_REQUIRE(x.dim() > 0 && x.size(-1) == layers[0].in,
                 "a linear layer of {} inputs was given rows of {}", layers[0].in,
                 x.dim() > 0 ? x.size(-1) : 0);
  auto shape = x.sizes().vec();
  shape.back() = layers.back().out;
  return with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const auto rows = x.reshape({-1, x.size(-1)});
    const auto work = c10::make_intrusive<StackWork<T>>(layers, rows);
    const Tensors weights = weights_of(layers, parameters);
    return Stack<T>::apply(work, rows, at::TensorList(weights)).view(shape);
  });
}

}  // namespace cuttle
