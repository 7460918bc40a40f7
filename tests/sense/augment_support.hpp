#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "cuttle/sense/augment.hpp"

namespace cuttle {

using Sample = std::vector<std::uint8_t>;

inline RandomKey augment_key(std::uint32_t slot) {
  return {3, Stream::kTesting, 0, slot};
}

inline ModalitySpec sense_of(ModalityKind kind, std::vector<std::int64_t> shape = {}) {
  return {"sense", kind, std::move(shape), 8000.0, {}, {}};
}

/// All strengths 0.
inline AugmentOptions no_change() {
  AugmentOptions how;
  how.image = {0, 0, 0, false, 0, 0, 0, 0};
  how.audio = {0, 0, 0, 0, 0};
  how.text = {0, 0};
  how.series = {0, 0, 0, 0, 0, 0};
  how.vector = {0, 0, 0};
  how.graph = {0, 0};
  return how;
}
/// All but the ones that `set` sets.
template <class Set>
AugmentOptions only(const Set& set) {
  AugmentOptions how = no_change();
  set(how);
  return how;
}

template <class T>
Sample bytes_of_values(const std::vector<T>& values) {
  Sample bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}
template <class T>
std::vector<T> values_of(const Sample& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// One sense of as many samples; null: it is absent.
inline RawModality sense_with(const std::vector<const Sample*>& samples) {
  RawModality raw;
  raw.offsets = {0};
  for (const Sample* sample : samples) {
    if (sample != nullptr) raw.bytes.insert(raw.bytes.end(), sample->begin(), sample->end());
    raw.offsets.push_back(static_cast<std::int64_t>(raw.bytes.size()));
    raw.present.push_back(sample != nullptr);
  }
  return raw;
}
inline RawBatch batch_with(const std::vector<const Sample*>& samples) {
  RawBatch batch;
  batch.size = static_cast<std::int64_t>(samples.size());
  batch.modalities = {sense_with(samples)};
  batch.samples.assign(samples.size(), 7);
  return batch;
}

inline Sample row_of(const RawBatch& batch, std::size_t i, std::size_t sense = 0) {
  const RawModality& raw = batch.modalities[sense];
  return {raw.bytes.begin() + raw.offsets[i], raw.bytes.begin() + raw.offsets[i + 1]};
}

/// One version of one sample.
inline Sample version_of(const Sample& sample, const ModalitySpec& spec, const AugmentOptions& how,
                         std::uint32_t slot) {
  RawBatch batch = batch_with({&sample});
  augment(batch, {spec}, how, augment_key(slot));
  return row_of(batch, 0);
}

}  // namespace cuttle
