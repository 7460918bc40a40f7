#include "model/pretrained/resample.hpp"

#include <algorithm>
#include <cmath>

namespace cuttle {
namespace {

constexpr int kBits = 32 - 8 - 2;  // of a weight, with room for the sum of a window

double filter_of(Interpolation interpolation, double x) {
  x = std::abs(x);
  if (interpolation == Interpolation::kBilinear) return x < 1 ? 1 - x : 0;
  constexpr double a = -0.5;  // Keys 1981
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/// Which pixels of a line a pixel of the new one is made of, and by what weights.
struct Window {
  std::int64_t first;
  std::vector<std::int32_t> weights;

  std::int64_t end() const { return first + static_cast<std::int64_t>(weights.size()); }
};

/// Those of pixels `start` to start + count - 1 of a line of `to`.
std::vector<Window> windows_of(std::int64_t from, std::int64_t to, std::int64_t start,
                               std::int64_t count, Interpolation interpolation) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double widened = std::max(scale, 1.0);
  const double reach = (interpolation == Interpolation::kBilinear ? 1.0 : 2.0) * widened;
  std::vector<Window> windows;
  for (std::int64_t i = start; i < start + count; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - reach + 0.5));
    const auto end = std::min(from, static_cast<std::int64_t>(centre + reach + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t x = first; x < end; ++x) {
      weights.push_back(
          filter_of(interpolation, (static_cast<double>(x) - centre + 0.5) * (1.0 / widened)));
      sum += weights.back();
    }
    Window window{first, {}};
    for (const double weight : weights) {
      const double fixed = (sum != 0 ? weight / sum : weight) * (1 << kBits);
      window.weights.push_back(static_cast<std::int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
    }
    windows.push_back(std::move(window));
  }
  return windows;
}

std::uint8_t clip(std::int64_t sum) {
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> kBits, 0, 255));
}

}  // namespace

std::vector<std::uint8_t> resample(const PictureView& from, const PictureCut& to,
                                   Interpolation interpolation) {
  const auto across = windows_of(from.width, to.width, to.left, to.side, interpolation);
  const auto down = windows_of(from.height, to.height, to.top, to.side, interpolation);
  const std::int64_t channels = from.channels, row = to.side * channels;
  const auto sum_of = [](const Window& window, const std::uint8_t* pixels, std::int64_t step) {
    std::int64_t sum = std::int64_t{1} << (kBits - 1);
    for (const std::int32_t weight : window.weights) {
      sum += std::int64_t{weight} * *pixels;
      pixels += step;
    }
    return clip(sum);
  };
  const std::int64_t first = down.front().first, end = down.back().end();
  std::vector<std::uint8_t> middle(static_cast<std::size_t>((end - first) * row));
  auto* made = middle.data();
  for (std::int64_t y = first; y < end; ++y) {
    const auto* line = from.pixels + y * from.width * channels;
    for (const Window& window : across)
      for (std::int64_t c = 0; c < channels; ++c)
        *made++ = sum_of(window, line + window.first * channels + c, channels);
  }
  std::vector<std::uint8_t> square(static_cast<std::size_t>(to.side * row));
  made = square.data();
  for (const Window& window : down)
    for (std::int64_t x = 0; x < row; ++x)
      *made++ = sum_of(window, middle.data() + (window.first - first) * row + x, row);
  return square;
}

}  // namespace cuttle
