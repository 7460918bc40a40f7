#pragma once

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <type_traits>
#include <utility>
#include <vector>

#include "cuttle/kernels/mlp.hpp"
#include "cuttle/model/block.hpp"

// Linear layers between tensors and the kernels of cuttle/kernels/mlp.hpp, which have weights
// packed.
namespace cuttle {

/// Beyond, the weights leave the second-level cache, and LibTorch's blocked products are as fast.
constexpr std::int64_t kMostPackedWeights = 1 << 19;

inline bool may_be_packed(const std::vector<LinearLayer>& layers) {
  std::int64_t weights = 0;
  for (const auto& layer : layers) weights += (layer.in + 1) * layer.out;
  return weights > 0 && weights <= kMostPackedWeights;
}

/// Whether the kernels can compute with such tensors: on the CPU, in one precision that they have.
inline bool may_be_packed(const torch::Tensor& x, const torch::Tensor& weight) {
  return x.is_cpu() && weight.is_cpu() && x.scalar_type() == weight.scalar_type() &&
         (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kFloat64);
}

inline std::vector<kernels::MlpLayer> shapes_of(const std::vector<LinearLayer>& layers) {
  std::vector<kernels::MlpLayer> shapes;
  for (const auto& layer : layers) shapes.push_back({layer.in, layer.out, layer.relu});
  return shapes;
}

/// Weight and bias of each layer, in turn.
inline Tensors weights_of(const std::vector<LinearLayer>& layers, const Tensors& parameters) {
  Tensors weights;
  for (const auto& layer : layers)
    for (const auto place : {layer.weight, layer.bias})
      weights.push_back(parameters[static_cast<std::size_t>(place)]);
  return weights;
}

template <class T>
std::vector<kernels::MlpWeights<T>> places_in(at::TensorList dense) {
  using Value = std::remove_const_t<T>;
  std::vector<kernels::MlpWeights<T>> places;
  for (std::size_t i = 0; i < dense.size(); i += 2)
    places.push_back(
        {dense[i].template data_ptr<Value>(), dense[i + 1].template data_ptr<Value>()});
  return places;
}

/// Packs tensors like weights_of(); undefined: zeros like those of `like`.
template <class T>
void pack_tensors(const kernels::Mlp<T>& mlp, at::TensorList weights, at::TensorList like,
                  T* packed) {
  Tensors dense;
  for (std::size_t i = 0; i < weights.size(); ++i)
    dense.push_back(weights[i].defined() ? weights[i].contiguous() : torch::zeros_like(like[i]));
  mlp.pack(places_in<const T>(dense), packed);
}

/// Packed values, `scale` times, as tensors like the weights; rows of the last layer that the
/// kernels left out are 0.
template <class T>
Tensors unpack_tensors(const kernels::Mlp<T>& mlp, const T* packed, T scale,
                       at::TensorList weights) {
  Tensors values;
  for (std::size_t i = 0; i < weights.size(); ++i)
    values.push_back(i + 2 < weights.size()
                         ? torch::empty_like(weights[i], at::MemoryFormat::Contiguous)
                         : torch::zeros_like(weights[i], at::MemoryFormat::Contiguous));
  mlp.unpack(packed, places_in<T>(values));
  for (auto& value : values)
    if (scale != T{1}) value.mul_(scale);
  return values;
}

/// Linear layers on x [.., in], one after the other, as one operation with exact first and second
/// derivatives with respect to x and the parameters; there is no third. On own kernels where they
/// can, else on LibTorch's operations.
torch::Tensor linear_stack(const std::vector<LinearLayer>& layers, const Tensors& parameters,
                           const torch::Tensor& x);

/// What an operation on packed layers keeps for its derivatives: a pass, a tensor (which may be
/// undefined) and, as further saved variables, the weights.
template <class Kept>
void keep_pass(torch::autograd::AutogradContext* ctx, const c10::intrusive_ptr<Kept>& pass,
               const torch::Tensor& first, at::TensorList weights) {
  Tensors saved{first};
  saved.insert(saved.end(), weights.begin(), weights.end());
  ctx->save_for_backward(std::move(saved));
  ctx->saved_data["pass"] = c10::IValue::make_capsule(pass);
}
template <class Kept>
c10::intrusive_ptr<Kept> kept_pass(torch::autograd::AutogradContext* ctx) {
  return c10::static_intrusive_pointer_cast<Kept>(ctx->saved_data["pass"].toCapsule());
}

/// Calls body with a value of the tensor's type.
template <class Body>
auto with_type_of(const torch::Tensor& x, const Body& body) {
  return x.scalar_type() == torch::kFloat64 ? body(double{}) : body(float{});
}

}  // namespace cuttle
