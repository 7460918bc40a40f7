#pragma once

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "cuttle/core/random.hpp"
#include "cuttle/data/sample.hpp"
#include "cuttle/sense/options.hpp"

// Another version of one sample, raw. What was there when the first runs of the source `augmented`
// were recorded is drawn always and first; the rest only where it is asked for: so their bits stay.
namespace cuttle {

using Bytes = std::vector<std::uint8_t>;

Bytes augment_image(const Bytes& from, const ModalitySpec& spec, const ImageAugmentation& how,
                    Random& random);
Bytes augment_audio(const Bytes& from, const ModalitySpec& spec, const AudioAugmentation& how,
                    Random& random);
Bytes augment_text(const Bytes& from, const TextAugmentation& how, Random& random);
Bytes augment_series(const Bytes& from, const ModalitySpec& spec, const SeriesAugmentation& how,
                     Random& random);
/// `other`: a sample of the same class to mix with; empty: none.
Bytes augment_vector(const Bytes& from, const Bytes& other, const ModalitySpec& spec,
                     const VectorAugmentation& how, Random& random);

Bytes augment_graph(const Bytes& from, const ModalitySpec& spec, const GraphAugmentation& how,
                    Random& random);

/// std::lround of what lies in [-2^31, 2^31), several times as fast.
inline std::int32_t rounded(double value) {
  const auto whole = static_cast<std::int32_t>(value);
  const double rest = value - whole;
  return whole + (rest >= 0.5) - (rest <= -0.5);
}

/// Uniform in [-most, most].
inline double draw_shift(double most, Random& random) {
  return most * (2 * random.uniform() - 1);
}

/// Where a stretch of `share` of `length` begins and ends.
inline std::pair<std::int64_t, std::int64_t> draw_stretch(double share, std::int64_t length,
                                                          Random& random) {
  const auto size = static_cast<std::int64_t>(std::llround(share * static_cast<double>(length)));
  const std::int64_t places = length - size + 1;
  const auto first =
      static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(places > 1 ? places : 1)));
  return {first, first + size};
}

}  // namespace cuttle
