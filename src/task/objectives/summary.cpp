#include "task/objectives/summary.hpp"

#include <torch/types.h>

#include "task/objectives/common.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kSide = 8, kStretches = 8, kGroups = 128;

/// float [m, T], 1 where a step is real.
torch::Tensor real_steps(const ModalityInput& input, std::int64_t steps) {
  if (input.mask.defined()) return input.mask.to(torch::kFloat32);
  return torch::ones({input.values.size(0), steps});
}

torch::Tensor of_tokens(const ModalityInput& input) {
  const auto& ids = input.values;
  const auto counts = torch::zeros({ids.size(0), kGroups})
                          .scatter_add(1, ids.remainder(kGroups), real_steps(input, ids.size(1)));
  return counts / counts.norm(2, 1, true).clamp_min(1e-6);
}

torch::Tensor of_pictures(const torch::Tensor& values) {
  return torch::adaptive_avg_pool2d(values, {kSide, kSide}).flatten(1);
}

/// values [m, H, W, C, T]
torch::Tensor mean_frame(const ModalityInput& input) {
  const auto real = real_steps(input, input.values.size(-1)).to(input.values.scalar_type());
  const auto mean = input.values.matmul(
      (real / real.sum(1, true).clamp_min(1)).view({real.size(0), 1, 1, real.size(1), 1}));
  return mean.squeeze(-1).permute({0, 3, 1, 2});
}

}  // namespace

torch::Tensor summary_of(const ModalityInput& input) {
  const torch::NoGradGuard no_graph;
  if (!input.values.is_floating_point()) return of_tokens(input);
  switch (input.values.dim()) {
    case 3:
      return stretch_means(torch::nan_to_num(input.values, 0.0), input.mask, kStretches).flatten(1);
    case 4:
      return of_pictures(input.values);
    case 5:
      return of_pictures(mean_frame(input));
    default:
      return torch::nan_to_num(input.values.flatten(1), 0.0);
  }
}

std::int64_t summary_width(const Encoder& encoder, const ModalitySpec& spec) {
  std::int64_t elements = spec.kind == ModalityKind::kAudio ? spec.sample_rate : 1;
  for (const std::int64_t size : spec.shape) elements *= size;
  const std::int64_t bytes = elements * spec.element_bytes();
  RawModality one;
  one.bytes.assign(static_cast<std::size_t>(bytes), spec.kind == ModalityKind::kText ? 'a' : 0);
  one.offsets = {0, bytes};
  one.present = {1};
  return summary_of(encoder.prepare(one)).size(1);
}

}  // namespace cuttle
