#pragma once

#include "cuttle/kernels/conv_block.hpp"
#include "kernels/isa.hpp"
#include "kernels/workspace.hpp"

namespace cuttle::kernels {

inline std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// An odd number of cache lines, at least `elements` long: as the distance between rows it keeps a
/// column of them from falling on a few sets of the cache.
template <class T>
std::int64_t odd_lines(std::int64_t elements) {
  const std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(T));
  return ((elements + line - 1) / line | 1) * line;
}

/// The work is cut into groups of whole images that fit the second-level cache, or are as large as
/// the weights where those are larger. Depends on the shape, and in the latter case on the number
/// of threads.
struct Groups {
  Groups(const ConvBlockShape& shape, std::int64_t value_bytes);
  std::int64_t size;  ///< images of all groups but the last
  std::int64_t count;
  std::int64_t images;
  std::int64_t first(std::int64_t group) const { return group * size; }
  std::int64_t images_of(std::int64_t group) const {
    return images - first(group) < size ? images - first(group) : size;
  }
};

/// In which order a convolution visits the pixels of a group of images.
class PixelPlan {
 public:
  /// Room for `images` images.
  PixelPlan(const ConvBlockShape& shape, std::int64_t images, Scratch& scratch);
  /// Pixels with `real` 0 are left out; null: none. Does nothing if the last plan serves.
  template <class T>
  void make(std::int64_t images, const T* real);

  const std::int32_t* order() const { return order_; }
  const PixelClass* classes() const { return classes_; }
  std::int64_t class_count() const { return class_count_; }

 private:
  ConvBlockShape shape_;
  std::int32_t* order_;
  PixelClass classes_[9];
  std::int64_t class_count_ = 0, images_ = -1;
};

/// Rows and columns of tap t from the pixel under the kernel's centre.
struct TapPlace {
  std::int64_t row, column;
  TapPlace(const ConvBlockShape& shape, std::int64_t tap)
      : row(tap / shape.kernel_width - shape.kernel_height / 2),
        column(tap % shape.kernel_width - shape.kernel_width / 2) {}
};
/// The same in pixels.
inline std::int32_t tap_shift(const ConvBlockShape& shape, std::int64_t tap) {
  const TapPlace place(shape, tap);
  return static_cast<std::int32_t>(place.row * shape.width + place.column);
}

/// Lists for each tap the pixels of [first, last) whose source pixel under that tap is inside the
/// image, and that are real. `into` has room for taps * (last - first).
template <class T>
void list_tap_pixels(const ConvBlockShape& shape, std::int64_t first, std::int64_t last,
                     const T* real, std::int32_t* into, Correlation<T>& job);

/// The pixels and windows of one image.
Grid grid_of(const ConvBlockShape& shape);

}  // namespace cuttle::kernels
