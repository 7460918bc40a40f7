#include "cuttle/sense/augment.hpp"

#include <algorithm>
#include <utility>

#include "sense/augment/transforms.hpp"

namespace cuttle {
namespace {

template <class Options>
std::vector<double> all_of(const Options& options) {
  const auto strengths = options.strengths();
  return {strengths.begin(), strengths.end()};
}

/// Every frame in the same way.
Bytes augment_video(const Bytes& from, const ModalitySpec& spec, const ImageAugmentation& how,
                    Random& random) {
  const auto each = spec.shape[0] * spec.shape[1] * spec.shape[2];
  const Random drawn = random;
  Bytes to;
  to.reserve(from.size());
  for (auto frame = from.begin(); frame != from.end(); frame += each) {
    random = drawn;
    const Bytes made = augment_image({frame, frame + each}, spec, how, random);
    to.insert(to.end(), made.begin(), made.end());
  }
  return to;
}

/// `other`: as in augment_vector.
Bytes version(const Bytes& sample, const Bytes& other, const ModalitySpec& spec,
              const AugmentOptions& how, Random& random) {
  switch (spec.kind) {
    case ModalityKind::kImage:
      return augment_image(sample, spec, how.image, random);
    case ModalityKind::kText:
      return augment_text(sample, how.text, random);
    case ModalityKind::kAudio:
      return augment_audio(sample, spec, how.audio, random);
    case ModalityKind::kSeries:
      return augment_series(sample, spec, how.series, random);
    case ModalityKind::kVideo:
      return augment_video(sample, spec, how.image, random);
    case ModalityKind::kGraph:
      return augment_graph(sample, spec, how.graph, random);
    case ModalityKind::kVector:
      break;
  }
  return augment_vector(sample, other, spec, how.vector, random);
}

Bytes sample_of(const RawModality& raw, std::size_t i) {
  return {raw.bytes.begin() + raw.offsets[i], raw.bytes.begin() + raw.offsets[i + 1]};
}

/// Each present sample as `make(sample's place)` gives it.
template <class Make>
RawModality remade(const RawModality& raw, const Make& make) {
  RawModality to;
  to.changed = true;
  to.present = raw.present;
  to.bytes.reserve(raw.bytes.size());
  to.offsets = {0};
  for (std::size_t i = 0; i < raw.present.size(); ++i) {
    if (raw.present[i] != 0) {
      const Bytes made = make(i);
      to.bytes.insert(to.bytes.end(), made.begin(), made.end());
    }
    to.offsets.push_back(static_cast<std::int64_t>(to.bytes.size()));
  }
  return to;
}

/// The recorded vector of another sample with the same label; empty: there is none, or samples
/// have values of their own.
Bytes draw_other(const RawBatch& batch, const RawModality& raw, std::size_t i, Random& random) {
  if (batch.labels.empty() || !batch.targets.empty()) return {};
  std::vector<std::size_t> others;
  for (std::size_t j = 0; j < raw.present.size(); ++j)
    if (j != i && raw.present[j] != 0 && batch.labels[j] == batch.labels[i]) others.push_back(j);
  return others.empty() ? Bytes{} : sample_of(raw, others[random.below(others.size())]);
}

}  // namespace

Bytes augmented_copy(const Bytes& recorded, const ModalitySpec& spec, const AugmentOptions& how,
                     std::uint64_t seed, std::int64_t sample, std::int64_t copy) {
  const RandomKey key{seed, Stream::kModel, static_cast<std::uint64_t>(sample),
                      static_cast<std::uint32_t>(copy)};
  Random random(
      key.with(Stream::kModel, static_cast<std::uint8_t>(128 + static_cast<int>(spec.kind))));
  return version(recorded, {}, spec, how, random);
}

std::vector<double> strengths_on(const AugmentOptions& how, const ModalitySpec& spec) {
  switch (spec.kind) {
    case ModalityKind::kImage:
    case ModalityKind::kVideo: {
      ImageAugmentation image = how.image;
      if (spec.shape[2] != 3) image.saturation = 0;
      return all_of(image);
    }
    case ModalityKind::kText:
      return all_of(how.text);
    case ModalityKind::kAudio:
      return all_of(how.audio);
    case ModalityKind::kSeries:
      return all_of(how.series);
    case ModalityKind::kGraph:
      return all_of(how.graph);
    case ModalityKind::kVector:
      break;
  }
  return all_of(how.vector);
}

bool changes(const AugmentOptions& how, const ModalitySpec& spec) {
  const auto all = strengths_on(how, spec);
  return std::any_of(all.begin(), all.end(), [](double strength) { return strength != 0; });
}

void augment(RawBatch& batch, const std::vector<ModalitySpec>& modalities,
             const AugmentOptions& how, const RandomKey& key) {
  Random seeds(key);
  const std::uint64_t high = seeds.bits(), seed = high << 32 | seeds.bits();
  for (std::size_t m = 0; m < modalities.size(); ++m) {
    const ModalitySpec& spec = modalities[m];
    if (!changes(how, spec)) continue;
    const RawModality& raw = batch.modalities[m];
    const bool mixes = spec.kind == ModalityKind::kVector && how.vector.mix > 0;
    std::vector<std::int64_t> copies(how.copies > 0 ? raw.present.size() : 0);
    RawModality made = remade(raw, [&](std::size_t i) {
      Random random({seed, Stream::kModel, m, static_cast<std::uint32_t>(i)});
      if (how.copies > 0) {
        copies[i] =
            1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(how.copies)));
        return augmented_copy(sample_of(raw, i), spec, how, key.seed, batch.samples[i], copies[i]);
      }
      const Bytes other = mixes ? draw_other(batch, raw, i, random) : Bytes{};
      return version(sample_of(raw, i), other, spec, how, random);
    });
    made.changed = copies.empty();
    made.copies = std::move(copies);
    batch.modalities[m] = std::move(made);
  }
}

void augment_in_turn(RawBatch& batch, const std::vector<ModalitySpec>& modalities,
                     const AugmentOptions& how, const RandomKey& key,
                     const std::vector<bool>& as_recorded) {
  Random random(key);
  for (std::size_t m = 0; m < modalities.size(); ++m) {
    const RawModality& raw = batch.modalities[m];
    batch.modalities[m] = remade(raw, [&](std::size_t i) {
      const Bytes sample = sample_of(raw, i);
      return as_recorded[i] ? sample : version(sample, {}, modalities[m], how, random);
    });
  }
}

}  // namespace cuttle
