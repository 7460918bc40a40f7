#pragma once

#include <cstdint>
#include <vector>

namespace cuttle {

enum class Interpolation { kBilinear, kBicubic };

/// A picture's rows of pixels: height x width x channels bytes.
struct PictureView {
  const std::uint8_t* pixels;
  std::int64_t height, width, channels;
};
/// A picture resized, and the square of it that is wanted.
struct PictureCut {
  std::int64_t height, width;    ///< of the whole
  std::int64_t top, left, side;  ///< of the square
};

/// The square, side x side x channels bytes, bit for bit as Pillow's Image.resize and then
/// Image.crop make it: filters as wide as the reduction (antialiased), across, then down, in fixed
/// point. (From version 13 on Pillow goes down first where the height shrinks far more than the
/// width; some pixels are then one away.) Nothing else of the resized picture is computed.
std::vector<std::uint8_t> resample(const PictureView& from, const PictureCut& to,
                                   Interpolation interpolation);

}  // namespace cuttle
