#include <torch/types.h>

#include <cmath>

#include "cuttle/sense/log_mel.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kCoefficients = kMfccChannels / 3;
constexpr double kPi = 3.14159265358979323846;

/// The first cosines of an orthonormal DCT-II, [bands, coefficients].
torch::Tensor cosines(std::int64_t bands) {
  const auto place = torch::arange(bands, torch::kFloat64).unsqueeze(1) + 0.5;
  const auto rate =
      torch::arange(kCoefficients, torch::kFloat64) * (kPi / static_cast<double>(bands));
  const auto all = (place * rate).cos() * std::sqrt(2.0 / static_cast<double>(bands));
  all.select(1, 0).mul_(std::sqrt(0.5));
  return all.to(torch::kFloat32);
}

/// How fast each row changes: the slope of the line through a frame and two on either side of it,
/// the first and the last one standing for what is missing.
torch::Tensor slopes(const torch::Tensor& rows) {
  const std::int64_t frames = rows.size(1);
  const auto long_rows = torch::cat(
      {rows.narrow(1, 0, 1).expand({-1, 2}), rows, rows.narrow(1, frames - 1, 1).expand({-1, 2})},
      1);
  const auto later = [&](std::int64_t by) { return long_rows.narrow(1, 2 + by, frames); };
  return (later(1) - later(-1) + 2.0 * (later(2) - later(-2))) / 10.0;
}

}  // namespace

torch::Tensor mfcc(const torch::Tensor& log_mel) {
  const auto coefficients = cosines(log_mel.size(0)).t().matmul(log_mel);
  const auto changes = slopes(coefficients);
  return torch::cat({coefficients, changes, slopes(changes)});
}

}  // namespace cuttle
