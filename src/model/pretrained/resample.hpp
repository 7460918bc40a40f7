#pragma once

#include <cstdint>
#include <vector>

namespace cuttle {

enum class Interpolation { kBilinear, kBicubic };

/// A picture's rows of pixels, height x width x channels bytes, from the corner at (top, left) of a
/// wider one.
struct PictureView {
  const std::uint8_t* pixels;  ///< of the whole picture
  std::int64_t stride;         ///< bytes from a row to the next
  std::int64_t channels;
  std::int64_t top, left, height, width;
};

/// The picture as size x size x channels bytes, bit for bit as Pillow's Image.resize makes it:
/// filters as wide as the reduction (antialiased), across, then down, in fixed point.
std::vector<std::uint8_t> resample(const PictureView& from, std::int64_t size,
                                   Interpolation interpolation);

}  // namespace cuttle
