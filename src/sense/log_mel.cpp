#include "cuttle/sense/log_mel.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace cuttle {
namespace {

/// Of speech at usual levels (the emoji names: -3.8 and 4.4); silence is then at -2.5.
constexpr double kMean = -4.0, kDeviation = 4.0;

}  // namespace

double to_mel(double hertz) {
  return 2595.0 * std::log10(1.0 + hertz / 700.0);
}
double to_hertz(double mel) {
  return 700.0 * (std::pow(10.0, mel / 2595.0) - 1.0);
}

torch::Tensor triangles(const std::vector<double>& edges, double sample_rate, std::int64_t window) {
  const auto bands = static_cast<std::int64_t>(edges.size()) - 2;
  auto filters = torch::zeros({window / 2 + 1, bands}, torch::kFloat64);
  auto values = filters.accessor<double, 2>();
  for (std::int64_t band = 0; band < bands; ++band) {
    const double* edge = edges.data() + band;
    for (std::int64_t bin = 0; bin < filters.size(0); ++bin) {
      const double hertz = sample_rate * static_cast<double>(bin) / static_cast<double>(window);
      const double rise = (hertz - edge[0]) / (edge[1] - edge[0]);
      const double fall = (edge[2] - hertz) / (edge[2] - edge[1]);
      values[bin][band] = std::max(0.0, std::min(rise, fall));
    }
  }
  return filters;
}

torch::Tensor mel_triangles(double sample_rate, std::int64_t window, std::int64_t bands) {
  const double step = to_mel(sample_rate / 2) / static_cast<double>(bands + 1);
  std::vector<double> edges;
  for (std::int64_t i = 0; i < bands + 2; ++i)
    edges.push_back(to_hertz(step * static_cast<double>(i)));
  return triangles(edges, sample_rate, window);
}

torch::Tensor power_spectra(const torch::Tensor& frames) {
  const auto spectrum = torch::fft_rfft(frames);
  return torch::real(spectrum).square() + torch::imag(spectrum).square();
}

LogMel::LogMel(double sample_rate, std::int64_t mels, bool centred)
    : centred_(centred),
      window_(std::max<std::int64_t>(16, std::llround(sample_rate * 0.032))),
      hop_(window_ / 2) {
  window_ = hop_ * 2;
  hann_ = torch::hann_window(window_, torch::kFloat32);
  filters_ = mel_triangles(sample_rate, window_, mels).to(torch::kFloat32);
}

torch::Tensor LogMel::forward(const torch::Tensor& samples) const {
  auto wave = samples.to(torch::kFloat32) / 32768.0;
  if (wave.numel() < window_) wave = torch::constant_pad_nd(wave, {0, window_ - wave.numel()});
  auto frames = wave.unfold(0, window_, hop_);
  // Of a short clip much would be left out otherwise.
  if (!centred_ && (wave.numel() - window_) % hop_ != 0)
    frames = torch::cat({frames, wave.slice(0, -window_).unsqueeze(0)});
  const auto mel = (power_spectra(frames * hann_).matmul(filters_) + 1e-6).log().t();
  return (centred_ ? mel - mel.mean(1, true) : (mel - kMean) / kDeviation).contiguous();
}

}  // namespace cuttle
