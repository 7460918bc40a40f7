#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "cuttle/kernels/conv_block.hpp"
#include "cuttle/kernels/transformer_layers.hpp"
#include "cuttle/model/linear_stack.hpp"
#include "model/blocks/attention.hpp"

namespace cuttle {
namespace {

using torch::autograd::AutogradContext;

template <class T>
kernels::PreNormLayer<T> layer_of(const LayerWeights& w, std::int64_t heads) {
  const auto part = [&](LayerWeights::Part at) {
    return kernels::MlpWeights<const T>{w.weight(at).template data_ptr<T>(),
                                        w.bias(at).template data_ptr<T>()};
  };
  const auto& up = w.weight(LayerWeights::kUp);
  return {{up.size(1), heads, up.size(0), kLayerNormEpsilon},
          {part(LayerWeights::kIn), part(LayerWeights::kOut), part(LayerWeights::kUp),
           part(LayerWeights::kDown), part(LayerWeights::kNorm1), part(LayerWeights::kNorm2)}};
}

template <class T>
kernels::Sequences<T> sequences_of(const torch::Tensor& x, const torch::Tensor& mask) {
  return {x.size(0), x.size(1), x.data_ptr<T>(), mask.defined() ? mask.data_ptr<T>() : nullptr};
}

/// All tensors are contiguous.
class LayerOnKernels : public torch::autograd::Function<LayerOnKernels> {
 public:
  static torch::Tensor forward(AutogradContext* ctx, std::int64_t heads, bool keeps,
                               const std::optional<torch::Tensor>& real, const torch::Tensor& x,
                               at::TensorList weights) {
    const LayerWeights w{weights.vec()};
    const auto mask = real.value_or(torch::Tensor());
    auto y = torch::empty_like(x);
    torch::Tensor kept;
    with_type_of(x, [&](auto type) {
      using T = decltype(type);
      const auto layer = layer_of<T>(w, heads);
      if (keeps) kept = torch::empty({layer.kept_size(x.size(0), x.size(1))}, y.options());
      layer.forward(sequences_of<T>(x, mask), y.template data_ptr<T>(),
                    keeps ? kept.template data_ptr<T>() : nullptr);
    });
    Tensors saved{mask, kept, x};
    saved.insert(saved.end(), w.all.begin(), w.all.end());
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["heads"] = heads;
    return y;
  }

  static Tensors backward(AutogradContext* ctx, Tensors cotangents) {
    const auto saved = ctx->get_saved_variables();
    const auto &mask = saved[0], &x = saved[2];
    const LayerWeights w{{saved.begin() + 3, saved.end()}};
    const std::int64_t heads = ctx->saved_data["heads"].toInt();
    Tensors result(3);
    const auto gradients = torch::GradMode::is_enabled()
                               ? differentiable(w, heads, x, mask, cotangents[0])
                               : by_kernels(w, heads, x, mask, saved[1], cotangents[0]);
    result.insert(result.end(), gradients.begin(), gradients.end());
    return result;
  }

 private:
  /// Of x, then of the weights.
  static Tensors by_kernels(const LayerWeights& w, std::int64_t heads, const torch::Tensor& x,
                            const torch::Tensor& mask, const torch::Tensor& kept,
                            const torch::Tensor& cotangent) {
    const auto of_y = cotangent.contiguous();
    Tensors gradients{torch::empty_like(x)};
    with_type_of(x, [&](auto type) {
      using T = decltype(type);
      const auto layer = layer_of<T>(w, heads);
      const auto of_weights = torch::empty({layer.weights_size()}, of_y.options());
      layer.backward(sequences_of<T>(x, mask), kept.template data_ptr<T>(),
                     of_y.template data_ptr<T>(), gradients[0].template data_ptr<T>(),
                     of_weights.template data_ptr<T>());
      std::int64_t first = 0;
      for (const auto& weight : w.all) {
        gradients.push_back(of_weights.narrow(0, first, weight.numel()).view(weight.sizes()));
        first += weight.numel();
      }
    });
    return gradients;
  }
  /// The same with a graph. Of other names for the inputs, since one may depend on another.
  static Tensors differentiable(LayerWeights w, std::int64_t heads, const torch::Tensor& x,
                                const torch::Tensor& mask, const torch::Tensor& cotangent) {
    Tensors inputs{x.view_as(x)};
    for (auto& weight : w.all) inputs.push_back(weight = weight.view_as(weight));
    Tensors asked;
    for (const auto& input : inputs)
      if (input.requires_grad()) asked.push_back(input);
    const auto found = torch::autograd::grad({layer_by_libtorch(w, heads, inputs[0], mask)}, asked,
                                             {cotangent}, true, true);
    Tensors gradients;
    auto next = found.begin();
    for (const auto& input : inputs)
      gradients.push_back(input.requires_grad() ? *next++ : torch::Tensor());
    return gradients;
  }
};

}  // namespace

std::optional<torch::Tensor> layer_by_kernels(const LayerWeights& weights, std::int64_t heads,
                                              const torch::Tensor& x, const torch::Tensor& mask) {
  const auto& up = weights.weight(LayerWeights::kUp);
  // Without wide vectors LibTorch's products are no slower.
  if (kernels::instruction_set() == kernels::InstructionSet::kGeneric || x.numel() == 0 ||
      !may_be_packed(x, up) ||
      !kernels::PreNormLayer<float>::fits({up.size(1), heads, up.size(0), kLayerNormEpsilon}))
    return std::nullopt;
  Tensors dense;
  bool keeps = x.requires_grad();
  for (const auto& weight : weights.all) {
    dense.push_back(weight.contiguous());
    keeps = keeps || weight.requires_grad();
  }
  std::optional<torch::Tensor> real;
  if (mask.defined()) real = mask.to(x.scalar_type()).contiguous();
  return LayerOnKernels::apply(heads, keeps && torch::GradMode::is_enabled(), real, x.contiguous(),
                               at::TensorList(dense));
}

}  // namespace cuttle
