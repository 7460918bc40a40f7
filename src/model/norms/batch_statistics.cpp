#include "model/norms/batch_statistics.hpp"

#include <torch/types.h>

#include <vector>

namespace cuttle {
namespace {

/// [C] or [m, C] as it stands beside values [m, C, ...].
torch::Tensor per_channel(const torch::Tensor& vector, const torch::Tensor& values) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(values.dim()), 1);
  shape[0] = vector.dim() == 2 ? vector.size(0) : 1;
  shape[1] = vector.size(-1);
  return vector.view(shape);
}

torch::Tensor masked_batch_norm(const torch::Tensor& x, const torch::Tensor& mask,
                                const torch::Tensor& weight, const torch::Tensor& bias) {
  const auto real = mask.unsqueeze(1);  // [m, 1, T]
  const auto count = mask.sum().clamp_min(1.0);
  const auto mean = (x * real).sum(torch::IntArrayRef{0, 2}, true) / count;
  const auto centered = (x - mean) * real;
  const auto variance = centered.square().sum(torch::IntArrayRef{0, 2}, true) / count;
  return centered * (variance + kNormEpsilon).rsqrt() * weight.view({1, -1, 1}) +
         bias.view({1, -1, 1}) * real;
}

}  // namespace

torch::Tensor normalise_by_batch(const torch::Tensor& values, const torch::Tensor& mask,
                                 const torch::Tensor& weight, const torch::Tensor& bias) {
  if (mask.defined()) return masked_batch_norm(values, mask, weight, bias);
  return torch::batch_norm(values, weight, bias, {}, {}, /*training=*/true, /*momentum=*/0.0,
                           kNormEpsilon,
                           /*cudnn_enabled=*/false);
}

Moments moments_of(const torch::Tensor& values, const torch::Tensor& mask) {
  const auto rows = values.transpose(0, 1).flatten(1);  // [C, m * ...]
  if (!mask.defined()) {
    const auto mean = rows.mean(1);
    return {mean, (rows - mean.unsqueeze(1)).square().mean(1), values.size(0)};
  }
  const auto real = mask.flatten();
  const auto count = real.sum().clamp_min(1.0);
  const auto mean = rows.matmul(real) / count;
  return {mean, (rows - mean.unsqueeze(1)).square().matmul(real) / count, values.size(0)};
}

Moments moments_of_samples(const torch::Tensor& values, const torch::Tensor& mask,
                           std::int64_t groups) {
  const std::int64_t samples = values.size(0), channels = values.size(1);
  const auto x = values.flatten(2).unflatten(1, {groups, channels / groups});  // [m, G, C/G, T]
  const std::vector<std::int64_t> over{2, 3};
  torch::Tensor mean, variance;  // [m, G, 1, 1]
  if (mask.defined()) {
    const auto real = mask.view({samples, 1, 1, -1});
    const auto count = (real.sum(over, true) * (channels / groups)).clamp_min(1.0);
    mean = (x * real).sum(over, true) / count;
    variance = ((x - mean).square() * real).sum(over, true) / count;
  } else {
    mean = x.mean(over, true);
    variance = (x - mean).square().mean(over, true);
  }
  const auto by_channel = [&](const torch::Tensor& of_group) {
    return of_group.squeeze(3).expand({samples, groups, channels / groups}).flatten(1);
  };
  return {by_channel(mean), by_channel(variance), samples};
}

double real_values(const torch::Tensor& values, const torch::Tensor& mask) {
  return mask.defined() ? mask.sum().item<double>()
                        : static_cast<double>(values.numel() / values.size(1));
}

torch::Tensor normalise_by(const Moments& moments, const torch::Tensor& values,
                           const torch::Tensor& mask, const torch::Tensor& weight,
                           const torch::Tensor& bias) {
  const auto scale = weight * (moments.variance + kNormEpsilon).rsqrt();
  auto result = (values - per_channel(moments.mean, values)) * per_channel(scale, values) +
                per_channel(bias, values);
  return mask.defined() ? result * mask.unsqueeze(1) : result;
}

}  // namespace cuttle
