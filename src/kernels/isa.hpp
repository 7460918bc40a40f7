#pragma once

#include <cstdint>

#include "cuttle/kernels/jobs.hpp"

/// The inner loops, compiled once per instruction set, and the jobs they are given. A job is large
/// enough (some hundred pixels) that the call through a pointer costs nothing.
///
/// Files that are compiled for one instruction set must not instantiate anything with external
/// linkage, such as std::vector or std::min: the linker keeps one copy of such code for the whole
/// program, and it could be the copy that an older processor cannot run. They include only this
/// header and headers of plain types.
namespace cuttle::kernels {

constexpr std::uint8_t kDead = 255;  ///< choice of a window whose maximum ReLU has cut
constexpr int kMaxTaps = 9;
constexpr int kMaxRows = 8;  ///< of a register tile, over all instruction sets

/// Pixels that see the same taps of the kernel inside the image: interior, edges, corners. Work on
/// them contains no multiplication with padding.
struct PixelClass {
  std::int32_t begin, end;  ///< in Convolution::order
  int taps;
  std::int32_t tap[kMaxTaps];
  std::int32_t shift[kMaxTaps];  ///< from an output pixel to the tap's source pixel, in pixels
};

/// out[pixel][column] = sum over sources, taps, channels of source[pixel + shift][channel] *
/// weight.
template <class T>
struct Convolution {
  int sources;  ///< 1, or 2 for the sum of two convolutions
  const T* source[2];
  std::int64_t stride[2];  ///< elements from pixel to pixel
  const T* weights;        ///< panels of [source][tap][channel][panel width], see PanelLayout
  std::int64_t taps, channels;
  const PixelClass* classes;
  std::int64_t class_count;
  const std::int32_t* order;  ///< pixels, class after class
  /// Not null: one source, one class; value k of a pixel's taps * channels is offsets[k] elements
  /// from the pixel. For few channels, where a loop over them would be too short.
  const std::int32_t* offsets;
  T* out;
  std::int64_t out_stride, columns;
};

/// sum[row][column] += sum over pixels of rows[row][pixel * pitch] * columns[pixel * stride +
/// column].
template <class T>
struct Outer {
  const T* const* rows;
  std::int64_t row_count, pitch;
  const T* columns;
  std::int64_t stride, column_count;  ///< columns can be read up to a whole panel; sum too
  const std::int32_t* pixels;
  std::int64_t pixel_count;
  T* sum;
  std::int64_t sum_stride;
  bool upper;  ///< leave out tiles that lie wholly below the diagonal
};

/// For each tap: sum[tap][row][column] += sum over the tap's pixels of x[pixel + shift][row] *
/// dy[pixel][column].
template <class T>
struct Correlation {
  const T* x;
  std::int64_t x_stride, rows;
  std::int64_t first, last;  ///< pixels of x that are needed
  const T* dy;
  std::int64_t dy_stride, columns;  ///< dy and sum can be read up to a whole panel
  int taps;
  std::int32_t shift[kMaxTaps];
  const std::int32_t* pixels[kMaxTaps];
  std::int64_t pixel_count[kMaxTaps];
  T* packed;  ///< scratch, (last - first) * rows
  T* sum;
  std::int64_t sum_stride;
};

constexpr int kWinogradPositions = 16;
enum class WinogradStep { kInput, kOutput, kGradient, kKernel, kKernelGradient };

/// One of the transforms of winograd.hpp, between patches of images and 16 positions of tiles. A
/// kernel counts as an image of 3 x 3 pixels with one tile, and only its first tile is asked for.
template <class T>
struct WinogradTransform {
  WinogradStep step;
  const T* from;
  T* to;
  std::int64_t channels;
  std::int64_t height, width, pixel_stride;   ///< of the images
  std::int64_t first, tiles;                  ///< of the images' tiles of 2 x 2, row by row
  std::int64_t position_stride, tile_stride;  ///< tile `first` is the first in memory
  T* outside;  ///< channels: 0, or where to write, in place of pixels that are not in the image
};

/// A rectangle of pixels in memory and the pooling windows over it.
struct Grid {
  std::int64_t height, width, channels;
  std::int64_t row_stride, pixel_stride;  ///< of the pixels, in elements
  std::int64_t window_height, window_width, pooled_height, pooled_width;
};

/// Batch norm, ReLU, max-pool. `real` (one value a pixel, rows of `width`) may be null: all pixels
/// are real.
template <class T>
struct Pool {
  Grid grid;
  const T *y, *real;
  const T *mean, *scale, *shift;  ///< z = (y - mean) * scale + shift
  T* pooled;
  std::uint8_t* choice;
  bool relu;  ///< false: only norm and max-pool
};

/// At each window's choice: scale * (y - mean) + tangent_scale * (tangent - tangent_mean) + shift;
/// 0 where dead.
template <class T>
struct Select {
  Grid grid;
  const T *y, *tangent;  ///< tangent may be null
  const T *mean, *scale, *tangent_mean, *tangent_scale, *shift;
  const std::uint8_t* choice;
  T* pooled;
};

/// Sums over windows that are not dead, d the gradient of the pooled value, all added to what is
/// there: of d, of d * (y - mean), of d * tangent at the choice. The tangent may be null.
template <class T>
struct WindowSums {
  Grid grid;
  const T *y, *tangent, *mean;
  const T* gradient;
  const std::uint8_t* choice;
  T* scratch;  ///< 3 * channels
  double *plain, *centered, *with_tangent;
};

/// d, the gradient of the pooled values, at its choices; 0 at the other pixels of windows. Adds the
/// sum of d.
template <class T>
struct Spread {
  Grid grid;
  const T* gradient;
  const std::uint8_t* choice;
  T* out;
  T* scratch;  ///< channels
  double* plain;
};

/// Per channel, out[pixel] = a * d + b + c * (y - mean) + e * (tangent - tangent_mean) with d as in
/// Spread, and 0 at pixels that are not real. With tangent null without the last term.
template <class T>
struct Gradient {
  Grid grid;
  const T *y, *tangent, *mean, *tangent_mean, *real;
  const T *a, *b, *c, *e;
  const T* gradient;
  const std::uint8_t* choice;
  T* out;
  std::int64_t out_row_stride, out_pixel_stride;
};

/// Mean and sum of squared deviations of each channel over the real pixels; y must be 0 at the
/// others.
template <class T>
struct Moments {
  const T *y, *real;
  std::int64_t pixels, channels;
  double count;
  T* scratch;  ///< channels
  double *mean, *deviation;
};

/// Sums of the tangent and of (y - mean) * tangent over all pixels, added to what is there; the
/// tangent must be 0 at pixels that are not real.
template <class T>
struct Products {
  const T *y, *tangent, *mean;
  std::int64_t pixels, channels;
  double *plain, *centered;
};

enum class RowStep { kGelu, kGeluTanh, kRelu, kSoftmax, kSoftmaxBack };

/// Rows of `columns` values, `stride` (whole vectors) from each other, changed in place: activated;
/// the softmax of `number` times them (zeros up to the stride); or, being the gradient of such a
/// softmax, whose values are `shares` (as x), that of what it was taken of. But for the softmax
/// columns are whole vectors, too.
template <class T>
struct Rows {
  RowStep step;
  T* x;
  std::int64_t rows, columns, stride;
  T number = 0;
  const T* shares = nullptr;
  T* slope = nullptr;  ///< as x; null or, of kGelu, where its derivatives go
};

/// What is let through: all, or from 0 to `most`.
template <class T>
struct Gate {
  bool closes;
  T most;
};

/// out[pixel][column] = bias[column] + sum over channels of in[pixel][channel] * weight, through a
/// gate. Rows of `out` are `columns` values.
template <class T>
struct Mix {
  const T* in;
  std::int64_t in_stride, channels;
  const T* weights;  ///< panels of [channel][panel width], see PanelLayout
  const T* bias;     ///< whole vectors; null: zeros
  T* out;
  std::int64_t columns, pixels;
  Gate<T> gate;
};

/// A row of outputs of a convolution of each channel by itself. Channels are whole vectors.
template <class T>
struct ByChannel {
  const T* const* rows;  ///< `kernel` rows of `width` pixels; null: outside
  std::int64_t kernel, stride, width;
  std::int64_t left;  ///< columns of the kernel left of the first pixel, for the first output
  std::int64_t channels;
  const T* weights;  ///< [kernel, kernel, channels]
  const T* bias;
  T* out;
  std::int64_t out_width;
  Gate<T> gate;
};

template <class T>
struct Isa {
  int lanes;  ///< values in a vector register; a panel is two of them
  int rows;   ///< most rows of a register tile
  void (*convolve)(const Convolution<T>&);
  void (*correlate)(const Correlation<T>&);
  void (*outer)(const Outer<T>&);
  void (*winograd)(const WinogradTransform<T>&);
  void (*pool)(const Pool<T>&);
  void (*select)(const Select<T>&);
  void (*window_sums)(const WindowSums<T>&);
  void (*spread)(const Spread<T>&);
  void (*gradient)(const Gradient<T>&);
  void (*moments)(const Moments<T>&);
  void (*products)(const Products<T>&);
  void (*product)(const Product<T>&);
  void (*dots)(const Dots<T>&);
  void (*transpose)(const Transposition<T>&);
  void (*cells)(const Cells<T>&);
  void (*rows_of)(const Rows<T>&);
  void (*norm)(const LayerNorm<T>&);
  void (*norm_back)(const LayerNormBack<T>&);
  void (*mix)(const Mix<T>&);
  void (*by_channel)(const ByChannel<T>&);
};

template <class T>
const Isa<T>& generic_isa();
template <class T>
const Isa<T>& avx2_isa();
template <class T>
const Isa<T>& avx512_isa();

}  // namespace cuttle::kernels
