#include "model/pretrained/mel_power.hpp"

#include <torch/types.h>

#include <cmath>
#include <vector>

#include "cuttle/sense/log_mel.hpp"

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

/// Triangles of one area each.
torch::Tensor slaney_filters(double rate, std::int64_t window, std::int64_t mels) {
  const double step = to_slaney(rate / 2) / static_cast<double>(mels + 1);
  std::vector<double> edges, heights;
  for (std::int64_t i = 0; i < mels + 2; ++i)
    edges.push_back(from_slaney(step * static_cast<double>(i)));
  for (std::size_t i = 0; i + 2 < edges.size(); ++i)
    heights.push_back(2.0 / (edges[i + 2] - edges[i]));
  return (triangles(edges, rate, window) * torch::tensor(heights, torch::kFloat64))
      .to(torch::kFloat32);
}

}  // namespace

MelPower::MelPower(double rate, std::int64_t window, std::int64_t hop, std::int64_t mels)
    : window_(window),
      hop_(hop),
      hann_(torch::hann_window(window, torch::kFloat32)),
      filters_(slaney_filters(rate, window, mels)) {}

torch::Tensor MelPower::forward(const torch::Tensor& wave) const {
  const auto padded = torch::constant_pad_nd(wave, {window_ / 2, window_ / 2});
  const auto power = power_spectra(padded.unfold(0, window_, hop_) * hann_);
  return power.matmul(filters_).t().contiguous();
}

}  // namespace cuttle
