#include "cuttle/data/raw_batch.hpp"

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// Without the senses `hidden`, but a sample keeps what it has where it has nothing else.
RawBatch read(const Dataset& data, const std::vector<std::int64_t>& samples, std::uint32_t hidden) {
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
      const std::uint32_t all = data.samples()[static_cast<std::size_t>(sample)].present;
      const bool present = ((all & ~hidden) != 0 ? all & ~hidden : all) >> m & 1;
      if (present) data.read(sample, m, raw.bytes);
      raw.present.push_back(present);
      raw.offsets.push_back(static_cast<std::int64_t>(raw.bytes.size()));
    }
  }
  return batch;
}

}  // namespace

RawBatch read_batch(const Dataset& data, const std::vector<std::int64_t>& samples) {
  return read(data, samples, 0);
}

RawBatch read_batch(const Dataset& data, const std::vector<std::int64_t>& samples,
                    const RandomKey& task) {
  if (samples.empty()) return read(data, samples, 0);
  const Split split = data.samples().at(static_cast<std::size_t>(samples.front())).split;
  return read(data, samples, data.hidden_in(split, task));
}

}  // namespace cuttle
