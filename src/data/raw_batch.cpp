#include "cuttle/data/raw_batch.hpp"

#include "cuttle/core/error.hpp"

namespace cuttle {

RawBatch read_batch(const Dataset& data, const std::vector<std::int64_t>& samples) {
  RawBatch batch;
  batch.size = static_cast<std::int64_t>(samples.size());
  batch.samples = samples;
  batch.modalities.resize(data.modalities().size());
  for (std::size_t m = 0; m < batch.modalities.size(); ++m) {
    RawModality& raw = batch.modalities[m];
    raw.offsets.reserve(samples.size() + 1);
    raw.present.reserve(samples.size());
    raw.offsets.push_back(0);
    for (const std::int64_t sample : samples) {
      CUTTLE_EXPECT(sample >= 0 && static_cast<std::size_t>(sample) < data.samples().size());
      const bool present = data.samples()[static_cast<std::size_t>(sample)].present >> m & 1;
      if (present) data.read(sample, m, raw.bytes);
      raw.present.push_back(present);
      raw.offsets.push_back(static_cast<std::int64_t>(raw.bytes.size()));
    }
  }
  return batch;
}

}  // namespace cuttle
