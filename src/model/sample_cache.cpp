#include "cuttle/model/sample_cache.hpp"

#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"

namespace cuttle {
namespace {

RawModality alone(const std::uint8_t* bytes, std::int64_t size) {
  return {{bytes, bytes + size}, {0, size}, {1}, false, {}};
}

}  // namespace

torch::Tensor SampleCache::features(std::size_t modality, const RawModality& raw) const {
  const Encoder& encoder = model_.encoder(modality);
  const torch::NoGradGuard no_grad;
  Context context;
  context.mode = Mode::kUse;
  const auto of = [&](const RawModality& some) {
    const auto input = encoder.prepare(some).on(model_.device());
    return encoder.forward(parameters_, input, context).pooled.to(torch::kCPU);
  };
  if (encoder.batch_changes_no_bit()) return of(raw);
  Tensors rows;
  for_each_present(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
    rows.push_back(of(alone(bytes, size)));
  });
  return torch::cat(rows);
}

torch::Tensor SampleCache::make(std::size_t modality, const std::uint8_t* bytes,
                                std::int64_t size) const {
  if (keeps_features(modality)) return features(modality, alone(bytes, size));
  return model_.encoder(modality).prepare_row(bytes, size);
}

void SampleCache::take(std::size_t modality, const std::vector<std::int64_t>& samples,
                       const torch::Tensor& features, std::int64_t copy) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (std::size_t i = 0; i < samples.size(); ++i)
    kept_[modality][{samples[i], copy}] = features.narrow(0, static_cast<std::int64_t>(i), 1);
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
      const std::int64_t copy = raw.copies.empty() ? 0 : raw.copies[i];
      auto& kept = kept_[modality][{batch.samples[i], copy}];
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
