#include "cuttle/sense/log_mel.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace cuttle {
namespace {

/// Of speech at usual levels (the emoji names: -3.8 and 4.4); silence is then at -2.5.
constexpr double kMean = -4.0, kDeviation = 4.0;

torch::Tensor mel_filters(double sample_rate, std::int64_t window, std::int64_t mels) {
  const std::int64_t bins = window / 2 + 1;
  auto filters = torch::zeros({bins, mels}, torch::kFloat32);
  auto values = filters.accessor<float, 2>();
  const double step = to_mel(sample_rate / 2) / static_cast<double>(mels + 1);
  for (std::int64_t m = 0; m < mels; ++m) {
    const double left = to_hertz(step * static_cast<double>(m));
    const double centre = to_hertz(step * static_cast<double>(m + 1));
    const double right = to_hertz(step * static_cast<double>(m + 2));
    for (std::int64_t b = 0; b < bins; ++b) {
      const double hertz = sample_rate * static_cast<double>(b) / static_cast<double>(window);
      const double rise = (hertz - left) / (centre - left);
      const double fall = (right - hertz) / (right - centre);
      values[b][m] = static_cast<float>(std::max(0.0, std::min(rise, fall)));
    }
  }
  return filters;
}

}  // namespace

double to_mel(double hertz) {
  return 2595.0 * std::log10(1.0 + hertz / 700.0);
}
double to_hertz(double mel) {
  return 700.0 * (std::pow(10.0, mel / 2595.0) - 1.0);
}

LogMel::LogMel(double sample_rate, std::int64_t mels, bool centred)
    : centred_(centred),
      window_(std::max<std::int64_t>(16, std::llround(sample_rate * 0.032))),
      hop_(window_ / 2) {
  window_ = hop_ * 2;
  hann_ = torch::hann_window(window_, torch::kFloat32);
  filters_ = mel_filters(sample_rate, window_, mels);
}

torch::Tensor LogMel::forward(const torch::Tensor& samples) const {
  auto wave = samples.to(torch::kFloat32) / 32768.0;
  if (wave.numel() < window_) wave = torch::constant_pad_nd(wave, {0, window_ - wave.numel()});
  auto frames = wave.unfold(0, window_, hop_);
  // Of a short clip much would be left out otherwise.
  if (!centred_ && (wave.numel() - window_) % hop_ != 0)
    frames = torch::cat({frames, wave.slice(0, -window_).unsqueeze(0)});
  const auto spectrum = torch::fft_rfft(frames * hann_);
  const auto power = torch::real(spectrum).square() + torch::imag(spectrum).square();
  const auto mel = (power.matmul(filters_) + 1e-6).log().t();
  return (centred_ ? mel - mel.mean(1, true) : (mel - kMean) / kDeviation).contiguous();
}

}  // namespace cuttle
