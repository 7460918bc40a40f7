#include "model/pretrained/mel_power.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace cuttle {
namespace {

constexpr double kLinearStep = 200.0 / 3.0, kBreak = 1000.0;
const double kLogStep = std::log(6.4) / 27.0;

double to_slaney(double hertz) {
  return hertz < kBreak ? hertz / kLinearStep
                        : kBreak / kLinearStep + std::log(hertz / kBreak) / kLogStep;
}
double from_slaney(double mel) {
  const double at_break = kBreak / kLinearStep;
  return mel < at_break ? mel * kLinearStep : kBreak * std::exp(kLogStep * (mel - at_break));
}

}  // namespace

MelPower::MelPower(double rate, std::int64_t window, std::int64_t hop, std::int64_t mels)
    : window_(window),
      hop_(hop),
      hann_(torch::hann_window(window, torch::kFloat32)),
      filters_(torch::zeros({window / 2 + 1, mels}, torch::kFloat32)) {
  auto values = filters_.accessor<float, 2>();
  const double step = to_slaney(rate / 2) / static_cast<double>(mels + 1);
  for (std::int64_t m = 0; m < mels; ++m) {
    const double left = from_slaney(step * static_cast<double>(m));
    const double centre = from_slaney(step * static_cast<double>(m + 1));
    const double right = from_slaney(step * static_cast<double>(m + 2));
    for (std::int64_t b = 0; b <= window / 2; ++b) {
      const double hertz = rate * static_cast<double>(b) / static_cast<double>(window);
      const double rise = (hertz - left) / (centre - left);
      const double fall = (right - hertz) / (right - centre);
      values[b][m] = static_cast<float>(2.0 / (right - left) * std::max(0.0, std::min(rise, fall)));
    }
  }
}

torch::Tensor MelPower::forward(const torch::Tensor& wave) const {
  const auto padded = torch::constant_pad_nd(wave, {window_ / 2, window_ / 2});
  const auto spectrum = torch::fft_rfft(padded.unfold(0, window_, hop_) * hann_);
  const auto power = torch::real(spectrum).square() + torch::imag(spectrum).square();
  return power.matmul(filters_).t().contiguous();
}

}  // namespace cuttle
