#include <torch/torch.h>

#include "cuttle/core/error.hpp"
#include "cuttle/model/model.hpp"

namespace cuttle {

torch::Tensor FeatureCache::compute(std::size_t modality, const RawModality& raw,
                                    std::size_t row) const {
  const auto begin = raw.bytes.begin() + raw.offsets[row];
  const std::int64_t size = raw.offsets[row + 1] - raw.offsets[row];
  const RawModality alone{{begin, begin + size}, {0, size}, {1}};
  const torch::NoGradGuard no_grad;
  const Encoder& encoder = model_.encoder(modality);
  const auto input = encoder.prepare(alone).on(model_.device());
  return encoder.forward(parameters_, input, {}).to(torch::kCPU);
}

torch::Tensor FeatureCache::features(std::size_t modality, const RawBatch& batch,
                                     const std::vector<std::int64_t>& rows) {
  CUTTLE_EXPECT(static_cast<std::int64_t>(batch.samples.size()) == batch.size);
  Tensors values;
  for (const std::int64_t row : rows) {
    const auto i = static_cast<std::size_t>(row);
    auto& kept = kept_[modality][batch.samples[i]];
    if (!kept.defined()) kept = compute(modality, batch.modalities[modality], i);
    values.push_back(kept);
  }
  return torch::cat(values);
}

}  // namespace cuttle
