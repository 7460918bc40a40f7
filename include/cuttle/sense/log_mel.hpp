#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace cuttle {

/// The mel scale, 2595 log10(1 + f / 700): O'Shaughnessy 1987.
double to_mel(double hertz);
double to_hertz(double mel);
/// Triangular filters on spectra of `window` samples: band i rises from edges[i] to edges[i + 1]
/// and falls to edges[i + 2], in hertz. float64 [window/2 + 1, edges - 2].
torch::Tensor triangles(const std::vector<double>& edges, double sample_rate, std::int64_t window);
/// Those whose edges are evenly spaced on that mel scale, up to half the rate.
torch::Tensor mel_triangles(double sample_rate, std::int64_t window, std::int64_t bands);
/// Of frames [n, window], windowed: [n, window/2 + 1].
torch::Tensor power_spectra(const torch::Tensor& frames);

/// Log-mel spectrogram: 32 ms Hann windows every 16 ms, power spectrum, `mels` triangular filters
/// evenly spaced on the mel scale (O'Shaughnessy's 2595 log10(1 + f/700)) up to half the sample
/// rate, log of (energy + 1e-6). The same shift and scale for all bands and recordings bring that
/// near mean 0 and deviation 1: level, a steady spectrum and a single frame stay what they are.
/// `centred`: as the runs of earlier versions have it, minus the recording's mean per filter, which
/// leaves nothing of steady sounds, and without what is less than a hop at the end.
class LogMel {
 public:
  LogMel(double sample_rate, std::int64_t mels, bool centred = false);
  /// int16 samples [length] -> float32 [mels, frames], frames >= 1: recordings shorter than a
  /// window are padded with silence; the last frame ends where a longer one does, less than a hop
  /// after the one before it.
  torch::Tensor forward(const torch::Tensor& samples) const;

 private:
  bool centred_;
  std::int64_t window_, hop_;
  torch::Tensor hann_;     ///< [window]
  torch::Tensor filters_;  ///< [window/2 + 1, mels]
};

/// Of such frames [bands, frames] the mel-frequency cepstral coefficients (Davis and Mermelstein
/// 1980): the first 13 of an orthonormal cosine transform over the bands of each frame; behind them
/// how fast they change, and how fast that does (Furui 1986). float32 [kMfccChannels, frames].
torch::Tensor mfcc(const torch::Tensor& log_mel);
constexpr std::int64_t kMfccChannels = 39;

}  // namespace cuttle
