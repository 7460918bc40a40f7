#include <algorithm>
#include <array>
#include <numeric>

#include "sense/augment/transforms.hpp"

namespace cuttle {
namespace {

/// How an image is laid over its old place.
struct Placing {
  std::int64_t down = 0, right = 0;
  bool mirrored = false;
  double angle = 0, zoom = 1;             ///< turned by radians, and enlarged by 1 / zoom
  double centre_y = 0.5, centre_x = 0.5;  ///< about this place, as a share of the last pixel's
};

/// Each pixel is one of the old ones; the border goes on.
Bytes moved(const Bytes& from, const ModalitySpec& spec, const Placing& place) {
  const std::int64_t height = spec.shape[0], width = spec.shape[1], channels = spec.shape[2];
  Bytes to(from.size());
  std::uint8_t* next = to.data();
  for (std::int64_t y = 0; y < height; ++y) {
    const std::int64_t row = std::clamp<std::int64_t>(y - place.down, 0, height - 1) * width;
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t seen = place.mirrored ? width - 1 - x : x;
      const std::int64_t at = row + std::clamp<std::int64_t>(seen - place.right, 0, width - 1);
      for (std::int64_t c = 0; c < channels; ++c)
        *next++ = from[static_cast<std::size_t>(at * channels + c)];
    }
  }
  return to;
}

/// The same turned and enlarged: each pixel lies between four old ones.
Bytes turned(const Bytes& from, const ModalitySpec& spec, const Placing& place) {
  const std::int64_t height = spec.shape[0], width = spec.shape[1], channels = spec.shape[2];
  const auto bottom = static_cast<double>(height - 1), side = static_cast<double>(width - 1);
  const double cosine = place.zoom * std::cos(place.angle);
  const double sine = place.zoom * std::sin(place.angle);
  const double middle_y = bottom * place.centre_y, middle_x = side * place.centre_x;
  Bytes to(from.size());
  std::uint8_t* next = to.data();
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t seen = place.mirrored ? width - 1 - x : x;
      const double dy = static_cast<double>(y - place.down) - middle_y;
      const double dx = static_cast<double>(seen - place.right) - middle_x;
      const double old_y = std::clamp(middle_y + cosine * dy - sine * dx, 0.0, bottom);
      const double old_x = std::clamp(middle_x + sine * dy + cosine * dx, 0.0, side);
      const auto top = static_cast<std::int64_t>(old_y), left = static_cast<std::int64_t>(old_x);
      const auto v = static_cast<std::int32_t>(256 * (old_y - static_cast<double>(top)));
      const auto u = static_cast<std::int32_t>(256 * (old_x - static_cast<double>(left)));
      const std::int64_t step_x = left + 1 < width ? channels : 0;
      const std::int64_t step_y = top + 1 < height ? width * channels : 0;
      const std::uint8_t* at = from.data() + (top * width + left) * channels;
      for (std::int64_t c = 0; c < channels; ++c, ++at)
        *next++ = static_cast<std::uint8_t>(
            ((256 - v) * ((256 - u) * at[0] + u * at[step_x]) +
             v * ((256 - u) * at[step_y] + u * at[step_y + step_x]) + (1 << 15)) >>
            16);
    }
  return to;
}

std::uint8_t to_byte(double value) {
  return static_cast<std::uint8_t>(std::clamp(rounded(value), 0, 255));
}

/// Differences to the pixels' grey (ITU-R BT.601) times `factor`.
void saturate(Bytes& image, double factor) {
  for (std::size_t i = 0; i + 2 < image.size(); i += 3) {
    const double grey = 0.299 * image[i] + 0.587 * image[i + 1] + 0.114 * image[i + 2];
    for (std::size_t c = i; c < i + 3; ++c) image[c] = to_byte(grey + factor * (image[c] - grey));
  }
}

}  // namespace

Bytes augment_image(const Bytes& from, const ModalitySpec& spec, const ImageAugmentation& how,
                    Random& random) {
  const std::int64_t height = spec.shape[0], width = spec.shape[1], channels = spec.shape[2];
  Placing place;
  place.down = std::llround(draw_shift(how.shift, random) * static_cast<double>(height));
  place.right = std::llround(draw_shift(how.shift, random) * static_cast<double>(width));
  place.mirrored = random.uniform() < 0.5 && how.flip;
  const double contrast = 1 + draw_shift(how.contrast, random);
  const double brightness = 255 * draw_shift(how.brightness, random);
  const double side = std::sqrt(how.erase);
  const auto rows = draw_stretch(side, height, random), columns = draw_stretch(side, width, random);
  const auto sum = std::accumulate(from.begin(), from.end(), std::uint64_t{0});
  const double mean =
      static_cast<double>(sum) / static_cast<double>(std::max<std::size_t>(1, from.size()));
  if (how.rotate > 0) place.angle = draw_shift(how.rotate, random) * M_PI / 180;
  if (how.crop > 0) {
    place.zoom = 1 - how.crop * random.uniform();
    place.centre_y = random.uniform();
    place.centre_x = random.uniform();
  }
  const bool between = how.rotate > 0 || how.crop > 0;
  Bytes to = between ? turned(from, spec, place) : moved(from, spec, place);
  if (channels == 3 && how.saturation > 0) saturate(to, 1 + draw_shift(how.saturation, random));
  std::array<std::uint8_t, 256> levels;
  for (int value = 0; value < 256; ++value)
    levels[static_cast<std::size_t>(value)] =
        to_byte(mean + contrast * (value - mean) + brightness);
  for (std::uint8_t& value : to) value = levels[value];
  const std::uint8_t blank = to_byte(mean + brightness);
  for (std::int64_t y = rows.first; y < rows.second; ++y)
    std::fill_n(to.begin() + (y * width + columns.first) * channels,
                (columns.second - columns.first) * channels, blank);
  return to;
}

}  // namespace cuttle
