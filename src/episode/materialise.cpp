#include "cuttle/core/error.hpp"
#include "cuttle/episode/episode.hpp"

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

namespace {

std::vector<float> read_targets(const Dataset& data, const std::vector<std::int64_t>& samples) {
  std::vector<float> targets;
  targets.reserve(samples.size() * static_cast<std::size_t>(data.target_width()));
  for (const std::int64_t sample : samples) {
    const Span<const float> row = data.target(sample);
    targets.insert(targets.end(), row.begin(), row.end());
  }
  return targets;
}

}  // namespace

Episode materialise(const Dataset& data, const EpisodePlan& plan) {
  Episode episode;
  episode.key = plan.key;
  episode.way = static_cast<std::int64_t>(plan.classes.size());
  episode.classes = plan.classes;
  episode.support = read_batch(data, plan.support);
  episode.support.labels = plan.support_labels;
  episode.query = read_batch(data, plan.query);
  episode.query.labels = plan.query_labels;
  if (plan.values) {
    episode.support.targets = read_targets(data, plan.support);
    episode.query.targets = read_targets(data, plan.query);
  }
  return episode;
}

}  // namespace cuttle
