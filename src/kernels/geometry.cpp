#include "kernels/geometry.hpp"

#include <algorithm>

#include "kernels/parallel.hpp"

namespace cuttle::kernels {
namespace {

constexpr std::int64_t kGroupBytes = 256 << 10;

/// Rows (or columns) at which the same part of the kernel lies inside the image.
struct Range {
  std::int64_t begin, end;
  std::int64_t first_tap, last_tap;  ///< inclusive
};

int cut(std::int64_t size, bool padded, Range (&ranges)[3]) {
  if (!padded) {
    ranges[0] = {0, size, 1, 1};
    return 1;
  }
  if (size == 1) {
    ranges[0] = {0, 1, 1, 1};
    return 1;
  }
  ranges[0] = {1, size - 1, 0, 2};
  ranges[1] = {0, 1, 1, 2};
  ranges[2] = {size - 1, size, 0, 1};
  return 3;
}

}  // namespace

Groups::Groups(const ConvBlockShape& shape, std::int64_t value_bytes) : images(shape.images) {
  const std::int64_t bytes =
      std::max<std::int64_t>(shape.height * shape.width * (shape.in + shape.out) * value_bytes, 1);
  // Every group reads the weights anew: where they are many it is as large as they, but no larger
  // than a thread's share of the images.
  const std::int64_t parts = parts_of(images);
  const std::int64_t wide =
      std::min(shape.weight_elements() * value_bytes / bytes, (images + parts - 1) / parts);
  size = std::clamp<std::int64_t>(std::max(kGroupBytes / bytes, wide), 1, images);
  // Groups of nearly equal size: a small last one would be cut into low tiles.
  count = (images + size - 1) / size;
  size = (images + count - 1) / count;
  count = (images + size - 1) / size;
}

PixelPlan::PixelPlan(const ConvBlockShape& shape, std::int64_t images, Scratch& scratch)
    : shape_(shape), order_(scratch.take<std::int32_t>(images * shape.height * shape.width)) {}

template <class T>
void PixelPlan::make(std::int64_t images, const T* real) {
  if (real == nullptr && images == images_) return;
  images_ = real == nullptr ? images : -1;
  const std::int64_t pixels = shape_.height * shape_.width;
  Range rows[3], columns[3];
  const int row_ranges = cut(shape_.height, shape_.kernel_height == 3, rows);
  const int column_ranges = cut(shape_.width, shape_.kernel_width == 3, columns);
  class_count_ = 0;
  std::int32_t count = 0;
  for (int i = 0; i < row_ranges; ++i) {
    for (int j = 0; j < column_ranges; ++j) {
      const Range &r = rows[i], &c = columns[j];
      PixelClass& made = classes_[class_count_];
      made = {count, count, 0, {}, {}};
      for (std::int64_t a = r.first_tap; a <= r.last_tap; ++a) {
        for (std::int64_t b = c.first_tap; b <= c.last_tap; ++b) {
          const std::int64_t tap = (shape_.kernel_height == 3 ? a : 0) * shape_.kernel_width +
                                   (shape_.kernel_width == 3 ? b : 0);
          made.tap[made.taps] = static_cast<std::int32_t>(tap);
          made.shift[made.taps++] = tap_shift(shape_, tap);
        }
      }
      for (std::int64_t image = 0; image < images; ++image) {
        for (std::int64_t h = r.begin; h < r.end; ++h) {
          for (std::int64_t w = c.begin; w < c.end; ++w) {
            const std::int64_t pixel = image * pixels + h * shape_.width + w;
            order_[count] = static_cast<std::int32_t>(pixel);
            count += real == nullptr || real[pixel] != T{0} ? 1 : 0;
          }
        }
      }
      made.end = count;
      class_count_ += made.end > made.begin ? 1 : 0;
    }
  }
}

template <class T>
void list_tap_pixels(const ConvBlockShape& shape, std::int64_t first, std::int64_t last,
                     const T* real, std::int32_t* into, Correlation<T>& job) {
  job.taps = static_cast<int>(shape.taps());
  for (int t = 0; t < job.taps; ++t) {
    const auto [row, column] = TapPlace(shape, t);
    std::int32_t* list = into + t * (last - first);
    std::int64_t count = 0;
    // Row by row: a row is outside as a whole, or loses a column at one end.
    for (std::int64_t p = first; p < last;) {
      const std::int64_t h = p / shape.width % shape.height, w = p % shape.width;
      const std::int64_t row_end = std::min(last, p - w + shape.width);
      if (h + row >= 0 && h + row < shape.height) {
        const std::int64_t begin = p + (column < 0 && w == 0 ? 1 : 0);
        const std::int64_t end = row_end - (column > 0 && row_end == p - w + shape.width ? 1 : 0);
        for (std::int64_t q = begin; q < end; ++q) {
          list[count] = static_cast<std::int32_t>(q);
          count += real == nullptr || real[q] != T{0} ? 1 : 0;
        }
      }
      p = row_end;
    }
    job.shift[t] = tap_shift(shape, t);
    job.pixels[t] = list;
    job.pixel_count[t] = count;
  }
}

Grid grid_of(const ConvBlockShape& shape) {
  return {shape.height,        shape.width,       shape.out,        shape.width * shape.out,
          shape.out,           shape.pool_height, shape.pool_width, shape.pooled_height(),
          shape.pooled_width()};
}

template void PixelPlan::make<float>(std::int64_t, const float*);
template void PixelPlan::make<double>(std::int64_t, const double*);
template void list_tap_pixels<float>(const ConvBlockShape&, std::int64_t, std::int64_t,
                                     const float*, std::int32_t*, Correlation<float>&);
template void list_tap_pixels<double>(const ConvBlockShape&, std::int64_t, std::int64_t,
                                      const double*, std::int32_t*, Correlation<double>&);

}  // namespace cuttle::kernels
