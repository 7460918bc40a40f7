#include <algorithm>
#include <array>
#include <cstring>

#include "cuttle/sense/log_mel.hpp"
#include "sense/augment/transforms.hpp"

namespace cuttle {
namespace {

using Wave = std::vector<std::int16_t>;

std::int16_t to_sample(double value) {
  return static_cast<std::int16_t>(std::clamp(rounded(value), -32768, 32767));
}

/// White noise of at most this share of the recording's root mean square: uniform, which takes a
/// tenth of the time of a normal distribution.
void add_noise(Wave& wave, double most, Random& random) {
  double squares = 0;
  for (const std::int16_t value : wave) squares += static_cast<double>(value) * value;
  const double loudness = std::sqrt(squares / static_cast<double>(wave.size()));
  const double range = most * random.uniform() * loudness * std::sqrt(3.0);
  const double scale = std::ldexp(2 * range, -32);
  for (std::int16_t& value : wave) value = to_sample(value + (scale * random.bits() - range));
}

/// A symmetric filter that lets frequencies between `low` and `high` (of the sample rate) pass: its
/// taps by their distance, 0 to `half`; a sinc under a Hann window.
std::vector<float> band_pass(double low, double high, std::int64_t half) {
  std::vector<float> taps{static_cast<float>(2 * (high - low))};
  for (std::int64_t k = 1; k <= half; ++k) {
    const double angle = M_PI * static_cast<double>(k);
    const double window = 0.5 + 0.5 * std::cos(angle / static_cast<double>(half + 1));
    const double sinc = (std::sin(2 * angle * high) - std::sin(2 * angle * low)) / angle;
    taps.push_back(static_cast<float>(window * sinc));
  }
  return taps;
}

/// Takes away what the filter lets pass; `taps`: a multiple of 4 beside the first.
void take_away(Wave& wave, const std::vector<float>& taps) {
  const auto half = static_cast<std::int64_t>(taps.size()) - 1;
  const auto length = static_cast<std::int64_t>(wave.size());
  std::vector<float> padded(wave.size() + 2 * static_cast<std::size_t>(half));
  std::copy(wave.begin(), wave.end(), padded.begin() + half);
  constexpr std::int64_t kBlock = 1024;  // stays in the cache while all taps pass
  std::array<float, kBlock> sums;
  float* sum = sums.data();
  for (std::int64_t first = 0; first < length; first += kBlock) {
    const std::int64_t count = std::min(kBlock, length - first);
    const float* at = padded.data() + half + first;
    for (std::int64_t i = 0; i < count; ++i) sum[i] = taps[0] * at[i];
    for (std::int64_t k = 1; k <= half; k += 4) {  // four taps for each pass over the sums
      const float* tap = taps.data() + k;
      for (std::int64_t i = 0; i < count; ++i)
        sum[i] += tap[0] * (at[i - k] + at[i + k]) + tap[1] * (at[i - k - 1] + at[i + k + 1]) +
                  tap[2] * (at[i - k - 2] + at[i + k + 2]) +
                  tap[3] * (at[i - k - 3] + at[i + k + 3]);
    }
    for (std::int64_t i = 0; i < count; ++i)
      wave[static_cast<std::size_t>(first + i)] = to_sample(static_cast<double>(at[i]) - sum[i]);
  }
}

/// A band of `share` of the mel scale is filtered out (the frequency masks of SpecAugment: Park et
/// al. 2019, on the wave, so that any encoder hears them) by taps over 16 ms.
void mask_band(Wave& wave, double share, double sample_rate, Random& random) {
  const double all = to_mel(sample_rate / 2);
  const double lowest = all * (1 - share) * random.uniform();
  const auto half = 4 * static_cast<std::int64_t>(std::max(2.0, 0.002 * sample_rate));
  take_away(wave, band_pass(to_hertz(lowest) / sample_rate,
                            to_hertz(lowest + share * all) / sample_rate, half));
}

}  // namespace

Bytes augment_audio(const Bytes& from, const ModalitySpec& spec, const AudioAugmentation& how,
                    Random& random) {
  const auto length = static_cast<std::int64_t>(from.size() / 2);
  const auto later = std::llround(draw_shift(how.shift, random) * static_cast<double>(length));
  const double gain = std::exp(draw_shift(how.gain, random));
  const auto silent = draw_stretch(how.time_mask, length, random);
  Wave wave(static_cast<std::size_t>(length), 0);
  for (std::int64_t i = 0; i < length; ++i) {
    const std::int64_t at = i - later;
    if (at < 0 || at >= length || (i >= silent.first && i < silent.second)) continue;
    std::int16_t value;
    std::memcpy(&value, from.data() + 2 * at, 2);
    wave[static_cast<std::size_t>(i)] = to_sample(gain * value);
  }
  if (how.noise > 0 && length > 0) add_noise(wave, how.noise, random);
  if (how.band_mask > 0) mask_band(wave, how.band_mask, spec.sample_rate, random);
  Bytes to(from.size(), 0);
  if (length > 0) std::memcpy(to.data(), wave.data(), 2 * wave.size());
  return to;
}

}  // namespace cuttle
