#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/geometry.hpp"
#include "kernels/parallel.hpp"
#include "kernels/paths.hpp"
#include "kernels/weights.hpp"
#include "kernels/winograd.hpp"
#include "kernels/workspace.hpp"

/// The parts of which DensePath's passes are made.
namespace cuttle::kernels {

/// Pixels whose products are summed before they are added to the gradient of the weight: what a
/// tile reads of them fits the first-level cache.
constexpr std::int64_t kCorrelatedPixels = 256;

/// Parts of a batch that all passes need.
template <class T>
struct Batch {
  const ConvBlockShape& shape;
  const BlockInputs<T>& inputs;
  const Isa<T>& loops = isa<T>();
  Groups groups{shape, sizeof(T)};
  std::int64_t image_pixels = shape.height * shape.width;
  std::int64_t image_windows = shape.pooled_height() * shape.pooled_width();
  std::int64_t padded_out = round_up(shape.out, 2 * loops.lanes);
  std::int64_t gradient_stride = odd_lines<T>(padded_out);  ///< of gradients of y
  bool winograd = by_winograd(shape);
  /// Each image has statistics, sums and coefficients of its own, else the batch as a whole: a
  /// unit.
  bool apart = shape.norm_groups > 0;

  std::int64_t units() const { return apart ? shape.images : 1; }
  /// Where an image's begin.
  std::int64_t of_image(std::int64_t image) const { return apart ? image * shape.out : 0; }
  std::int64_t first_pixel(std::int64_t group) const { return groups.first(group) * image_pixels; }
  const T* real_from(std::int64_t pixel) const {
    return inputs.real ? inputs.real + pixel : nullptr;
  }
  /// Of a unit.
  double real_pixels(std::int64_t unit) const {
    const std::int64_t pixels = shape.pixels() / units();
    return inputs.real ? sum_of(inputs.real + unit * pixels, pixels) : static_cast<double>(pixels);
  }

 private:
  static double sum_of(const T* values, std::int64_t count) {
    double sum = 0;
    for (std::int64_t p = 0; p < count; ++p) sum += static_cast<double>(values[p]);
    return sum;
  }
};

/// A source of a convolution: values of a group's pixels. A convolution with one source has
/// {source, {}}.
template <class T>
struct Source {
  const T* values = nullptr;
  std::int64_t stride = 0;
};

/// pack_forward or pack_transposed.
template <class T>
using Pack = void (*)(const ConvBlockShape&, const PanelLayout&, std::int64_t, const T*, T*);

/// The weights of a convolution's sources in the form that convolve_group reads.
template <class T>
const T* packed_weights(const Batch<T>& batch, const PanelLayout& layout, Pack<T> pack,
                        const std::array<const T*, 2>& weights, Scratch& scratch) {
  T* panels = scratch.take<T>(layout.elements());
  for (std::int64_t s = 0; s < layout.sources; ++s)
    pack(batch.shape, layout, s, weights[static_cast<std::size_t>(s)], panels);
  return batch.winograd ? winograd_weights(batch.loops, layout, panels, scratch) : panels;
}

/// Convolutions of a group's first images. Pixels that are not real may be left out.
template <class T>
void convolve_group(const Batch<T>& batch, PixelPlan& plan, std::int64_t images, const T* real,
                    const PanelLayout& layout, const T* weights,
                    const std::array<Source<T>, 2>& sources, T* out, std::int64_t out_stride) {
  Convolution<T> job{};
  job.sources = static_cast<int>(layout.sources);
  for (std::size_t s = 0; s < 2; ++s) {
    job.source[s] = sources[s].values;
    job.stride[s] = sources[s].stride;
  }
  job.weights = weights;
  job.taps = layout.taps;
  job.channels = layout.channels;
  job.out = out;
  job.out_stride = out_stride;
  job.columns = layout.columns;
  if (batch.winograd) return winograd_convolve(batch.loops, batch.shape, images, job);
  plan.make(images, real);
  job.classes = plan.classes();
  job.class_count = plan.class_count();
  job.order = plan.order();
  batch.loops.convolve(job);
}

/// Convolutions leave anything in pixels that are not real.
template <class T>
void clear_padding(const T* real, std::int64_t pixels, std::int64_t channels, T* values) {
  if (real == nullptr) return;
  for (std::int64_t p = 0; p < pixels; ++p) {
    if (real[p] == T{0}) std::fill(values + p * channels, values + (p + 1) * channels, T{0});
  }
}

/// The gradient of the weight: every thread sums over its groups.
template <class T>
struct WeightSums {
  const Batch<T>& batch;
  std::int64_t parts, size;
  T* values;  ///< [part][tap, or position of Winograd's tiles][in][padded out]

  WeightSums(const Batch<T>& of, std::int64_t part_count, Scratch& scratch)
      : batch(of),
        parts(part_count),
        size((of.winograd ? kWinogradPositions : of.shape.taps()) * of.shape.in * of.padded_out),
        values(scratch.zeros<T>(parts * size)) {}
  T* part(std::int64_t index) const { return values + index * size; }
  /// Ends the sums.
  void write(T* weight) const {
    const std::int64_t tap = batch.shape.in * batch.padded_out;
    if (batch.winograd) winograd_taps(batch.loops, parts, tap, values);
    unpack_sums(batch.shape, values, batch.winograd ? 1 : parts, batch.padded_out, weight);
  }
};

/// Adds the products of x and dy, both of one group, to a part of WeightSums.
template <class T>
class GroupCorrelation {
 public:
  GroupCorrelation(const Batch<T>& batch, Scratch& scratch) : batch_(batch) {
    if (batch.winograd) return;
    block_ = std::min(kCorrelatedPixels, batch.groups.size * batch.image_pixels);
    lists_ = scratch.take<std::int32_t>(block_ * batch.shape.taps());
    packed_ = scratch.take<T>((block_ + 2 * reach()) * batch.shape.in);
  }

  void add(std::int64_t images, const T* x, const T* dy, const T* real, T* sums) {
    Correlation<T> job{};
    job.x = x;
    job.x_stride = job.rows = batch_.shape.in;
    job.dy = dy;
    job.dy_stride = batch_.gradient_stride;
    job.columns = batch_.shape.out;
    job.packed = packed_;
    job.sum = sums;
    job.sum_stride = batch_.padded_out;
    if (batch_.winograd) return winograd_correlate(batch_.loops, batch_.shape, images, job);
    const std::int64_t pixels = images * batch_.image_pixels;
    const std::int64_t blocks = (pixels + block_ - 1) / block_;
    for (std::int64_t i = 0; i < blocks; ++i) {
      const std::int64_t first = i * pixels / blocks, last = (i + 1) * pixels / blocks;
      list_tap_pixels(batch_.shape, first, last, real, lists_, job);
      job.first = std::max<std::int64_t>(0, first - reach());
      job.last = std::min(pixels, last + reach());
      batch_.loops.correlate(job);
    }
  }

 private:
  std::int64_t reach() const { return -tap_shift(batch_.shape, 0); }
  const Batch<T>& batch_;
  std::int64_t block_ = 0;
  std::int32_t* lists_ = nullptr;
  T* packed_ = nullptr;
};

}  // namespace cuttle::kernels
