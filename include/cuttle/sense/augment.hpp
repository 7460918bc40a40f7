#pragma once

#include "cuttle/core/random.hpp"
#include "cuttle/data/raw_batch.hpp"

namespace cuttle {

/// How strongly samples are changed; shares of their size or range, 0: not at all.
struct Augmentation {
  double shift =
      0.15;            ///< most that images and recordings are moved by; series: cut at their start
  double erase = 0.2;  ///< an area of images or a stretch of recordings and series is blanked;
                       ///< characters are left out, features set to their mean, at this rate
  double noise = 0.1;  ///< of brightness and contrast, loudness, and of series and vectors (times
                       ///< their standard deviation, where the shards declare one)
  bool flip = false;   ///< images, left to right, every second one
};

/// Other versions of the same samples: raw as they are, each changed by draws of its own, but for
/// those that stay `as_recorded` (by sample); a pure function of the key. A text keeps a character
/// at least.
RawBatch augment(const RawBatch& batch, const std::vector<ModalitySpec>& modalities,
                 const Augmentation& how, const RandomKey& key,
                 const std::vector<bool>& as_recorded);

}  // namespace cuttle
