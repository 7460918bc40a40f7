#include "data/training_moments.hpp"

#include <array>
#include <cmath>
#include <cstring>

namespace cuttle {
namespace {

/// Of values that come one after the other (Welford 1962).
struct Moments {
  double count = 0, mean = 0, squares = 0;
  void add(double value, double times = 1) {
    if (times == 0) return;
    count += times;
    const double delta = value - mean;
    mean += delta * (times / count);  // the first one exactly
    squares += delta * (value - mean) * times;
  }
};

void finish(const Moments& of, float& mean, float& deviation) {
  mean = static_cast<float>(of.mean);
  deviation = of.count > 0 ? static_cast<float>(std::sqrt(of.squares / of.count)) : 0.0f;
  if (deviation == 0) deviation = 1;  // of a constant
}

/// Calls `work` with the bytes of each training sample that has the modality.
template <class Work>
void for_each_value(const Dataset& data, const std::vector<SampleInfo>& samples,
                    std::size_t modality, const Work& work) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const SampleInfo& info = samples[i];
    if (info.class_id < 0 || info.split != Split::kTrain || !(info.present >> modality & 1u))
      continue;
    bytes.clear();
    data.read(static_cast<std::int64_t>(i), modality, bytes);
    work(bytes);
  }
}

/// Of pixels: how often each brightness occurs says all.
std::vector<Moments> of_pixels(const Dataset& data, const std::vector<SampleInfo>& samples,
                               std::size_t modality) {
  const auto channels = static_cast<std::size_t>(data.modalities()[modality].shape[2]);
  std::vector<std::array<std::uint64_t, 256>> counts(channels);
  for_each_value(data, samples, modality, [&](const std::vector<std::uint8_t>& pixels) {
    for (std::size_t i = 0; i < pixels.size(); ++i) ++counts[i % channels][pixels[i]];
  });
  std::vector<Moments> moments(channels);
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t value = 0; value < 256; ++value)
      moments[c].add(static_cast<double>(value) / 255, static_cast<double>(counts[c][value]));
  return moments;
}

/// Of rows of float32, holes left out.
std::vector<Moments> of_rows(const Dataset& data, const std::vector<SampleInfo>& samples,
                             std::size_t modality) {
  const ModalitySpec& spec = data.modalities()[modality];
  const auto columns = static_cast<std::size_t>(spec.shape[0]);
  std::vector<Moments> moments(columns);
  for_each_value(data, samples, modality, [&](const std::vector<std::uint8_t>& bytes) {
    const std::uint8_t* first = bytes.data();
    std::size_t values = bytes.size() / sizeof(float);
    if (spec.kind == ModalityKind::kGraph) {
      const GraphView graph = view_graph(first, static_cast<std::int64_t>(bytes.size()), spec);
      first = graph.features;
      values = static_cast<std::size_t>(graph.nodes) * columns;
    }
    for (std::size_t i = 0; i < values; ++i) {
      float value = 0;
      std::memcpy(&value, first + i * sizeof value, sizeof value);
      if (!std::isnan(value)) moments[i % columns].add(value);
    }
  });
  return moments;
}

}  // namespace

std::vector<ModalitySpec> with_training_moments(const Dataset& data,
                                                const std::vector<SampleInfo>& samples) {
  std::vector<ModalitySpec> senses = data.modalities();
  for (std::size_t m = 0; m < senses.size(); ++m) {
    ModalitySpec& spec = senses[m];
    if (spec.mean.empty()) continue;
    const bool pixels = spec.kind == ModalityKind::kImage || spec.kind == ModalityKind::kVideo;
    const auto moments = pixels ? of_pixels(data, samples, m) : of_rows(data, samples, m);
    for (std::size_t c = 0; c < moments.size(); ++c)
      if (spec.categories.empty() || spec.categories[c].empty())
        finish(moments[c], spec.mean[c], spec.stddev[c]);
  }
  return senses;
}

}  // namespace cuttle
