#include "model/norm.hpp"

#include <torch/torch.h>

#include <algorithm>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr double kEpsilon = 1e-5;

torch::Tensor masked_batch_norm(const torch::Tensor& x, const torch::Tensor& mask,
                                const torch::Tensor& weight, const torch::Tensor& bias) {
  const auto real = mask.unsqueeze(1);  // [m, 1, T]
  const auto count = mask.sum().clamp_min(1.0);
  const auto mean = (x * real).sum(torch::IntArrayRef{0, 2}, true) / count;
  const auto centered = (x - mean) * real;
  const auto variance = centered.square().sum(torch::IntArrayRef{0, 2}, true) / count;
  return centered * (variance + kEpsilon).rsqrt() * weight.view({1, -1, 1}) +
         bias.view({1, -1, 1}) * real;
}

}  // namespace

Norm::Norm(ParameterLayout& layout, const std::string& name, std::int64_t channels,
           const NormOptions& options) {
  CUTTLE_VALIDATE(
      options.kind == "batch" || options.kind == "batch_per_step" || options.kind == "none",
      "{}: norm '{}' is unknown; use batch, batch_per_step or none", name, options.kind);
  active_ = options.kind != "none";
  if (!active_) return;
  per_step_ = options.kind == "batch_per_step";
  // The query sees the parameters after all steps, hence one more set than steps.
  steps_ = options.steps + 1;
  const std::vector<std::int64_t> shape =
      per_step_ ? std::vector<std::int64_t>{steps_, channels} : std::vector<std::int64_t>{channels};
  weight_ = layout.add({name + ".weight", shape, Init::kOnes});
  bias_ = layout.add({name + ".bias", shape, Init::kZeros});
}

std::pair<torch::Tensor, torch::Tensor> Norm::affine(const Tensors& parameters,
                                                     const Context& context) const {
  const auto& weight = parameters[static_cast<std::size_t>(weight_)];
  const auto& bias = parameters[static_cast<std::size_t>(bias_)];
  if (!per_step_) return {weight, bias};
  const std::int64_t step = std::min(context.inner_step, steps_ - 1);
  return {weight.select(0, step), bias.select(0, step)};
}

torch::Tensor Norm::forward(const Tensors& parameters, const torch::Tensor& values,
                            const torch::Tensor& mask, const Context& context) const {
  if (!active_) return mask.defined() ? values * mask.unsqueeze(1) : values;
  const auto [weight, bias] = affine(parameters, context);
  if (mask.defined()) return masked_batch_norm(values, mask, weight, bias);
  return torch::batch_norm(values, weight, bias, {}, {}, /*training=*/true, /*momentum=*/0.0,
                           kEpsilon,
                           /*cudnn_enabled=*/false);
}

}  // namespace cuttle
