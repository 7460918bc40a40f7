#pragma once

#include <algorithm>

#include "kernels/geometry.hpp"
#include "kernels/parallel.hpp"
#include "kernels/paths.hpp"
#include "kernels/weights.hpp"
#include "kernels/workspace.hpp"

/// Sums over pixels as products of small matrices, X the pixels x patch matrix:
///   y = X W,  mean(y) = mean(X) W,  var(y) = diag(W^T cov W),  sum of x (y - m) = n cov W
/// and S = sum of x d over the windows' choices, the only sum that depends on d.
namespace cuttle::kernels {

/// One image with its zero border, the part of it that a row of windows reads, and where patches
/// lie in it.
template <class T>
struct PaddedImage {
  const ConvBlockShape& shape;
  std::int64_t border = shape.kernel_height == 3 ? 1 : 0;
  std::int64_t width = shape.width + 2;
  std::int64_t row = width * shape.in;
  T* values;

  PaddedImage(const ConvBlockShape& described, Scratch& scratch)
      : shape(described), values(scratch.zeros<T>((described.height + 2) * row)) {}

  template <class From>
  void fill(const From* image) {
    const std::int64_t line = shape.width * shape.in;
    for (std::int64_t h = 0; h < shape.height; ++h) {
      T* to = values + (h + border) * row + shape.in;
      for (std::int64_t i = 0; i < line; ++i) to[i] = static_cast<T>(image[h * line + i]);
    }
  }
  /// Patch element k (row, column, channel of the kernel) of the pixel at offset 0.
  std::int64_t offset(std::int64_t k) const {
    const std::int64_t per_row = 3 * shape.in;
    return k / per_row * row + k % per_row;
  }
};

/// Real pixels of `rows` image rows, numbered with the width of the padded image.
template <class T>
std::int64_t list_pixels(const ConvBlockShape& shape, std::int64_t rows, const T* real,
                         std::int32_t* into) {
  std::int64_t count = 0;
  for (std::int64_t h = 0; h < rows; ++h) {
    for (std::int64_t w = 0; w < shape.width; ++w) {
      into[count] = static_cast<std::int32_t>(h * (shape.width + 2) + w);
      count += real == nullptr || real[h * shape.width + w] != T{0} ? 1 : 0;
    }
  }
  return count;
}

/// Rows of pixels under a row of windows, one row of windows after the other, in a buffer that
/// stays in the cache.
template <class T>
struct WindowRows {
  const ConvBlockShape& shape;
  std::int64_t stride;  ///< from pixel to pixel of the buffer
  T* buffer;
  std::int32_t* pixels;
  WindowRows(const ConvBlockShape& described, std::int64_t pixel_stride, Scratch& scratch)
      : shape(described),
        stride(pixel_stride),
        buffer(scratch.zeros<T>(described.pool_height * (described.width + 2) * pixel_stride)),
        pixels(scratch.take<std::int32_t>(described.pool_height * (described.width + 2))) {}

  std::int64_t height(std::int64_t i) const {
    return std::min(shape.pool_height, shape.height - i * shape.pool_height);
  }
  Grid grid(std::int64_t i) const {
    Grid result = grid_of(shape);
    result.height = height(i);
    result.pooled_height = 1;
    result.pixel_stride = stride;
    result.row_stride = (shape.width + 2) * stride;
    return result;
  }
  std::int64_t window(std::int64_t image, std::int64_t i) const {
    return (image * shape.pooled_height() + i) * shape.pooled_width() * shape.out;
  }
  const T* real(const BlockInputs<T>& inputs, std::int64_t image, std::int64_t i) const {
    return inputs.real ? inputs.real + (image * shape.height + i * shape.pool_height) * shape.width
                       : nullptr;
  }
};

/// Convolves row after row of windows and calls use(rows, image, row of windows) when the buffer
/// holds it.
template <class T, class Use>
void over_convolved_rows(const ConvBlockShape& shape, const BlockInputs<T>& inputs, const T* weight,
                         const Use& use) {
  const Isa<T>& loops = isa<T>();
  Scratch scratch;
  const PanelLayout layout = forward_layout(shape, 1, loops.lanes);
  T* panels = scratch.take<T>(layout.elements());
  pack_forward(shape, layout, 0, weight, panels);
  in_parts(shape.images, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    Scratch local;
    PaddedImage<T> image(shape, local);
    WindowRows<T> rows(shape, shape.out, local);
    auto* offsets = local.take<std::int32_t>(shape.patch());
    for (std::int64_t k = 0; k < shape.patch(); ++k)
      offsets[k] = static_cast<std::int32_t>(image.offset(k));
    PixelClass all{};
    Convolution<T> job{1, {},          {shape.in, 0}, panels,      shape.taps(), shape.in, &all,
                       1, rows.pixels, offsets,       rows.buffer, shape.out,    shape.out};
    for (std::int64_t i = begin; i < end; ++i) {
      image.fill(inputs.x + i * shape.height * shape.width * shape.in);
      for (std::int64_t r = 0; r < shape.pooled_height(); ++r) {
        if (r == 0 || rows.height(r) != rows.height(r - 1))
          all.end = static_cast<std::int32_t>(
              list_pixels(shape, rows.height(r), static_cast<const T*>(nullptr), rows.pixels));
        job.source[0] = image.values + r * shape.pool_height * image.row;
        loops.convolve(job);
        use(rows, i, r);
      }
    }
  });
}

/// W as [patch][out]; the patch's order is row, column, channel, that of the weight channel, row,
/// column.
template <class T>
double* by_patch(const ConvBlockShape& shape, const T* weight, Scratch& scratch) {
  double* result = scratch.take<double>(shape.weight_elements());
  for (std::int64_t o = 0; o < shape.out; ++o) {
    for (std::int64_t i = 0; i < shape.in; ++i) {
      for (std::int64_t tap = 0; tap < shape.taps(); ++tap)
        result[(tap * shape.in + i) * shape.out + o] = static_cast<double>(*weight++);
    }
  }
  return result;
}

/// What the statistics of y need of the weight and the patches' moments.
struct PatchStatistics {
  double count;
  const double *patch_mean, *covariance;
  const double* weight;  ///< [patch][out]
  double* weighted;      ///< cov W, [patch][out]
  double* mean;          ///< of y, [out]

  template <class T>
  PatchStatistics(const ConvBlockShape& shape, const double* moments, const T* w, Scratch& scratch)
      : count(std::max(moments[0], 1.0)),
        patch_mean(moments + 1),
        covariance(patch_mean + shape.patch()) {
    const std::int64_t patch = shape.patch(), out = shape.out;
    weight = by_patch(shape, w, scratch);
    weighted = scratch.zeros<double>(patch * out);
    mean = scratch.zeros<double>(out);
    for (std::int64_t k = 0; k < patch; ++k) {
      for (std::int64_t c = 0; c < out; ++c) mean[c] += patch_mean[k] * weight[k * out + c];
      for (std::int64_t l = 0; l < patch; ++l) {
        const double factor = covariance[k * patch + l];
        for (std::int64_t c = 0; c < out; ++c)
          weighted[k * out + c] += factor * weight[l * out + c];
      }
    }
  }
};

/// [out]: sum over the patch of a * b, both [patch][out].
inline double* column_products(const ConvBlockShape& shape, const double* a, const double* b,
                               Scratch& scratch) {
  double* result = scratch.zeros<double>(shape.out);
  for (std::int64_t k = 0; k < shape.patch(); ++k) {
    for (std::int64_t c = 0; c < shape.out; ++c)
      result[c] += a[k * shape.out + c] * b[k * shape.out + c];
  }
  return result;
}

/// Sum of d per channel and S = sum of patch * d, [patch][out], over all windows.
template <class T>
struct ChosenPatches {
  double *plain, *patches;

  ChosenPatches(const ConvBlockShape& shape, const BlockInputs<T>& inputs,
                const BlockSaved<T>& saved, const T* d, Scratch& scratch) {
    const Isa<T>& loops = isa<T>();
    const std::int64_t out = shape.out, patch = shape.patch(), size = (1 + patch) * out;
    const std::int64_t parts = parts_of(shape.images), stride = round_up(out, 2 * loops.lanes);
    double* sums = scratch.zeros<double>(parts * size);
    in_parts(shape.images, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
      Scratch local;
      PaddedImage<T> image(shape, local);
      WindowRows<T> rows(shape, stride, local);
      const T** sources = local.take<const T*>(patch);
      T* image_sums = local.take<T>(patch * stride);
      T* row_sums = local.take<T>(out);
      Outer<T> job{sources,     patch, shape.in,   rows.buffer, stride, out,
                   rows.pixels, 0,     image_sums, stride,      false};
      double* to = sums + part * size;
      for (std::int64_t i = begin; i < end; ++i) {
        image.fill(inputs.x + i * shape.height * shape.width * shape.in);
        std::fill(image_sums, image_sums + patch * stride, T{0});
        for (std::int64_t r = 0; r < shape.pooled_height(); ++r) {
          const std::int64_t window = rows.window(i, r);
          spread(rows, r, d + window, saved.choice + window, row_sums, to);
          for (std::int64_t k = 0; k < patch; ++k)
            sources[k] = image.values + r * shape.pool_height * image.row + image.offset(k);
          if (r == 0 || rows.height(r) != rows.height(r - 1))
            job.pixel_count =
                list_pixels(shape, rows.height(r), static_cast<const T*>(nullptr), rows.pixels);
          loops.outer(job);
        }
        for (std::int64_t k = 0; k < patch; ++k) {
          for (std::int64_t c = 0; c < out; ++c)
            to[(1 + k) * out + c] += static_cast<double>(image_sums[k * stride + c]);
        }
      }
    });
    join_parts(parts, size, sums);
    plain = sums;
    patches = sums + out;
  }

 private:
  /// d at the windows' choices, 0 elsewhere, and its sum.
  static void spread(const WindowRows<T>& rows, std::int64_t r, const T* d,
                     const std::uint8_t* choice, T* row_sums, double* sum) {
    isa<T>().spread({rows.grid(r), d, choice, rows.buffer, row_sums, sum});
  }
};

/// Sums over choices around the mean: S - mean(X) sum d, in place, and from it sum of d (y - m) per
/// channel.
inline double* center(const ConvBlockShape& shape, const PatchStatistics& y, const double* plain,
                      double* patches, Scratch& scratch) {
  for (std::int64_t k = 0; k < shape.patch(); ++k) {
    for (std::int64_t c = 0; c < shape.out; ++c)
      patches[k * shape.out + c] -= y.patch_mean[k] * plain[c];
  }
  return column_products(shape, patches, y.weight, scratch);
}

}  // namespace cuttle::kernels
