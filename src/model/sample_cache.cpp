#include "cuttle/model/sample_cache.hpp"

#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"

namespace cuttle {

torch::Tensor SampleCache::make(std::size_t modality, const RawModality& raw,
                                std::size_t row) const {
  const Encoder& encoder = model_.encoder(modality);
  const std::uint8_t* bytes = raw.bytes.data() + raw.offsets[row];
  const std::int64_t size = raw.offsets[row + 1] - raw.offsets[row];
  if (!keeps_features(modality)) return encoder.prepare_row(bytes, size);
  const RawModality alone{{bytes, bytes + size}, {0, size}, {1}};
  const torch::NoGradGuard no_grad;
  const auto input = encoder.prepare(alone).on(model_.device());
  Context context;
  context.mode = Mode::kUse;
  return encoder.forward(parameters_, input, context).pooled.to(torch::kCPU);
}

ModalityInput SampleCache::input(std::size_t modality, const RawBatch& batch,
                                 const std::vector<std::int64_t>& rows) {
  CUTTLE_EXPECT(static_cast<std::int64_t>(batch.samples.size()) == batch.size);
  Tensors values;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const std::int64_t row : rows) {
      const auto i = static_cast<std::size_t>(row);
      if (batch.modalities[modality].changed) {
        values.push_back(make(modality, batch.modalities[modality], i));
        continue;
      }
      auto& kept = kept_[modality][batch.samples[i]];
      if (!kept.defined()) kept = make(modality, batch.modalities[modality], i);
      values.push_back(kept);
    }
  }
  if (!keeps_features(modality)) return pad_rows(values);
  ModalityInput input;
  input.values = torch::cat(values);
  input.encoded = true;
  return input;
}

}  // namespace cuttle
