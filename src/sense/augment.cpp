#include "cuttle/sense/augment.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace cuttle {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// Uniform in [-most, most].
double draw_shift(double most, Random& random) {
  return most * (2 * random.uniform() - 1);
}

/// Where a stretch of `share` of `length` begins and ends.
std::pair<std::int64_t, std::int64_t> draw_stretch(double share, std::int64_t length,
                                                   Random& random) {
  const auto size = static_cast<std::int64_t>(std::llround(share * static_cast<double>(length)));
  const auto first = static_cast<std::int64_t>(
      random.below(static_cast<std::uint64_t>(std::max<std::int64_t>(1, length - size + 1))));
  return {first, first + size};
}

/// Moved (its border goes on), mirrored, brighter or flatter, with a rectangle of its mean.
Bytes augment_image(const Bytes& from, const ModalitySpec& spec, const Augmentation& how,
                    Random& random) {
  const std::int64_t height = spec.shape[0], width = spec.shape[1], channels = spec.shape[2];
  const auto down = std::llround(draw_shift(how.shift, random) * static_cast<double>(height));
  const auto right = std::llround(draw_shift(how.shift, random) * static_cast<double>(width));
  const bool mirrored = random.uniform() < 0.5 && how.flip;
  const double contrast = 1 + draw_shift(how.noise, random);
  const double brightness = 255 * draw_shift(how.noise, random);
  const double side = std::sqrt(how.erase);
  const auto rows = draw_stretch(side, height, random), columns = draw_stretch(side, width, random);
  double mean = 0;
  for (const std::uint8_t value : from) mean += value;
  mean /= static_cast<double>(std::max<std::size_t>(1, from.size()));
  Bytes to(from.size());
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const bool blank =
          y >= rows.first && y < rows.second && x >= columns.first && x < columns.second;
      const std::int64_t seen = mirrored ? width - 1 - x : x;
      const std::int64_t at = std::clamp<std::int64_t>(y - down, 0, height - 1) * width +
                              std::clamp<std::int64_t>(seen - right, 0, width - 1);
      for (std::int64_t c = 0; c < channels; ++c) {
        const double value = blank ? mean : from[static_cast<std::size_t>(at * channels + c)];
        to[static_cast<std::size_t>((y * width + x) * channels + c)] = static_cast<std::uint8_t>(
            std::clamp(std::lround(mean + contrast * (value - mean) + brightness), 0L, 255L));
      }
    }
  return to;
}

/// Characters are left out, but for one at least.
Bytes augment_text(const Bytes& from, const Augmentation& how, Random& random) {
  std::vector<std::size_t> starts;  // of characters, and the end
  for (std::size_t i = 0; i < from.size(); ++i)
    if (i == 0 || (from[i] & 0xC0) != 0x80) starts.push_back(i);
  if (starts.empty()) return from;
  const std::size_t stays = random.below(starts.size());
  starts.push_back(from.size());
  Bytes to;
  for (std::size_t c = 0; c + 1 < starts.size(); ++c)
    if (random.uniform() >= how.erase || c == stays)
      to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(starts[c]),
                from.begin() + static_cast<std::ptrdiff_t>(starts[c + 1]));
  return to;
}

/// Later or earlier, louder or softer, with a silence.
Bytes augment_audio(const Bytes& from, const Augmentation& how, Random& random) {
  const auto length = static_cast<std::int64_t>(from.size() / 2);
  const auto later = std::llround(draw_shift(how.shift, random) * static_cast<double>(length));
  const double gain = std::exp(draw_shift(how.noise, random));
  const auto silent = draw_stretch(how.erase, length, random);
  Bytes to(from.size(), 0);
  for (std::int64_t i = 0; i < length; ++i) {
    const std::int64_t at = i - later;
    if (at < 0 || at >= length || (i >= silent.first && i < silent.second)) continue;
    std::int16_t value;
    std::memcpy(&value, from.data() + 2 * at, 2);
    value = static_cast<std::int16_t>(std::clamp(std::lround(gain * value), -32768L, 32767L));
    std::memcpy(to.data() + 2 * i, &value, 2);
  }
  return to;
}

/// Rows of float32 channels: a start cut off, values noisy, some blanked (a stretch of a series,
/// single features of a vector).
Bytes augment_floats(const Bytes& from, const ModalitySpec& spec, bool series,
                     const Augmentation& how, Random& random) {
  const auto channels = static_cast<std::size_t>(spec.shape[0]);
  const auto length = static_cast<std::int64_t>(from.size() / 4 / channels);
  const std::int64_t cut =  // of half at most: a step stays
      series ? std::llround(how.shift * random.uniform() * static_cast<double>(length)) : 0;
  const auto blank = draw_stretch(series ? how.erase : 0.0, length, random);
  Bytes to(from.begin() + cut * 4 * static_cast<std::ptrdiff_t>(channels), from.end());
  for (std::size_t i = 0; i < to.size() / 4; ++i) {
    const std::size_t c = i % channels;
    const auto step = static_cast<std::int64_t>(i / channels) + cut;
    float value;
    std::memcpy(&value, to.data() + 4 * i, 4);
    const double deviation = spec.stddev.empty() ? 1.0 : spec.stddev[c];
    const bool gone =
        series ? step >= blank.first && step < blank.second : random.uniform() < how.erase;
    if (gone)
      value = spec.mean.empty() ? 0.0f : spec.mean[c];
    else
      value += static_cast<float>(how.noise * deviation * random.normal());
    std::memcpy(to.data() + 4 * i, &value, 4);
  }
  return to;
}

Bytes augment_sample(const Bytes& from, const ModalitySpec& spec, const Augmentation& how,
                     Random& random) {
  switch (spec.kind) {
    case ModalityKind::kImage:
      return augment_image(from, spec, how, random);
    case ModalityKind::kText:
      return augment_text(from, how, random);
    case ModalityKind::kAudio:
      return augment_audio(from, how, random);
    case ModalityKind::kSeries:
      return augment_floats(from, spec, true, how, random);
    case ModalityKind::kVector:
      break;
  }
  return augment_floats(from, spec, false, how, random);
}

}  // namespace

RawBatch augment(const RawBatch& batch, const std::vector<ModalitySpec>& modalities,
                 const Augmentation& how, const RandomKey& key,
                 const std::vector<bool>& as_recorded) {
  Random random(key);
  RawBatch changed{batch.size,
                   std::vector<RawModality>(batch.modalities.size()),
                   batch.labels,
                   batch.targets,
                   {}};  // samples are no longer those of the data set
  for (std::size_t m = 0; m < batch.modalities.size(); ++m) {
    const RawModality& from = batch.modalities[m];
    RawModality& to = changed.modalities[m];
    to.present = from.present;
    to.offsets = {0};
    for (std::size_t i = 0; i < from.present.size(); ++i) {
      if (from.present[i] != 0) {
        const Bytes sample(from.bytes.begin() + from.offsets[i],
                           from.bytes.begin() + from.offsets[i + 1]);
        const Bytes made =
            as_recorded[i] ? sample : augment_sample(sample, modalities[m], how, random);
        to.bytes.insert(to.bytes.end(), made.begin(), made.end());
      }
      to.offsets.push_back(static_cast<std::int64_t>(to.bytes.size()));
    }
  }
  return changed;
}

}  // namespace cuttle
