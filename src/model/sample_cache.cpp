#include "cuttle/model/sample_cache.hpp"

#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"

namespace cuttle {

torch::Tensor SampleCache::make(std::size_t modality, const std::uint8_t* bytes,
                                std::int64_t size) const {
  const Encoder& encoder = model_.encoder(modality);
  if (!keeps_features(modality)) return encoder.prepare_row(bytes, size);
  const RawModality alone{{bytes, bytes + size}, {0, size}, {1}};
  const torch::NoGradGuard no_grad;
  const auto input = encoder.prepare(alone).on(model_.device());
  Context context;
  context.mode = Mode::kUse;
  return encoder.forward(parameters_, input, context).pooled.to(torch::kCPU);
}

void SampleCache::take(std::size_t modality, const std::vector<std::int64_t>& samples,
                       const torch::Tensor& features) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (std::size_t i = 0; i < samples.size(); ++i)
    kept_[modality][samples[i]] = features.narrow(0, static_cast<std::int64_t>(i), 1);
}

ModalityInput SampleCache::input(std::size_t modality, const RawBatch& batch,
                                 const std::vector<std::int64_t>& rows) {
  CUTTLE_EXPECT(static_cast<std::int64_t>(batch.samples.size()) == batch.size);
  Tensors values;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const std::int64_t row : rows) {
      const auto i = static_cast<std::size_t>(row);
      const RawModality& raw = batch.modalities[modality];
      const auto made = [&] {
        return make(modality, raw.bytes.data() + raw.offsets[i],
                    raw.offsets[i + 1] - raw.offsets[i]);
      };
      if (raw.changed) {
        values.push_back(made());
        continue;
      }
      auto& kept = kept_[modality][batch.samples[i]];
      if (!kept.defined()) kept = made();
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
