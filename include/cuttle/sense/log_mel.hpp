#pragma once

#include <torch/types.h>

#include <cstdint>

namespace cuttle {

/// Log-mel spectrogram: 32 ms Hann windows every 16 ms, power spectrum, `mels` triangular filters
/// evenly spaced on the mel scale (O'Shaughnessy's 2595 log10(1 + f/700)) up to half the sample
/// rate, log of (energy + 1e-6), minus the recording's mean per filter (a microphone's colour and
/// loudness cancel).
class LogMel {
 public:
  LogMel(double sample_rate, std::int64_t mels);
  /// int16 samples [length] -> float32 [mels, frames], frames >= 1 (short recordings are padded
  /// with silence).
  torch::Tensor forward(const torch::Tensor& samples) const;

 private:
  std::int64_t window_, hop_;
  torch::Tensor hann_;     ///< [window]
  torch::Tensor filters_;  ///< [window/2 + 1, mels]
};

}  // namespace cuttle
