#pragma once

#include <torch/types.h>

#include <cstdint>

namespace cuttle {

/// Power spectra on the mel scale as librosa's melspectrogram makes them: periodic Hann windows
/// around every hop-th sample, silence beyond the ends, triangles on Slaney's scale (linear to 1
/// kHz, logarithmic beyond) of one area each, up to half the rate. No logarithm.
class MelPower {
 public:
  MelPower(double rate, std::int64_t window, std::int64_t hop, std::int64_t mels);
  std::int64_t hop() const { return hop_; }
  /// float32 [length] -> [mels, 1 + length / hop].
  torch::Tensor forward(const torch::Tensor& wave) const;

 private:
  std::int64_t window_, hop_;
  torch::Tensor hann_, filters_;  ///< [window], [window / 2 + 1, mels]
};

}  // namespace cuttle
