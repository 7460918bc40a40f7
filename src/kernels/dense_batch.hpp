#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/geometry.hpp"
#include "kernels/norm_terms.hpp"
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

  std::int64_t first_pixel(std::int64_t group) const { return groups.first(group) * image_pixels; }
  const T* real_from(std::int64_t pixel) const {
    return inputs.real ? inputs.real + pixel : nullptr;
  }
  double count() const {
    if (inputs.real == nullptr) return static_cast<double>(shape.pixels());
    double sum = 0;
    for (std::int64_t p = 0; p < shape.pixels(); ++p) sum += static_cast<double>(inputs.real[p]);
    return std::max(sum, 1.0);
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

/// Mean and 1 / std from the moments of the groups (Chan, Golub and LeVeque, 1983).
template <class T>
void merge_moments(const Batch<T>& batch, const double* counts, const double* means,
                   const double* deviations, const BlockSaved<T>& saved) {
  const std::int64_t out = batch.shape.out;
  for (std::int64_t c = 0; c < out; ++c) {
    double count = 0, mean = 0, deviation = 0;
    for (std::int64_t g = 0; g < batch.groups.count; ++g) {
      if (counts[g] == 0) continue;
      const double difference = means[g * out + c] - mean, total = count + counts[g];
      mean += difference * counts[g] / total;
      deviation += deviations[g * out + c] + difference * difference * count * counts[g] / total;
      count = total;
    }
    const double variance = std::max(deviation, 0.0) / std::max(count, 1.0);
    saved.mean[c] = static_cast<T>(mean);
    saved.inv_std[c] = static_cast<T>(1 / std::sqrt(variance + kNormEpsilon));
  }
}

/// Sums over all windows, per channel; `tangent` may be null.
template <class T>
struct SummedWindows {
  double *plain, *centered, *with_tangent;

  SummedWindows(const Batch<T>& batch, const BlockSaved<T>& saved, const T* d, const T* tangent,
                Scratch& scratch) {
    const std::int64_t out = batch.shape.out, groups = batch.groups.count;
    double* sums = scratch.zeros<double>(3 * out * groups);
    T* rows = scratch.take<T>(3 * out * parts_of(groups));
    in_parts(groups, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
      for (std::int64_t g = begin; g < end; ++g) {
        for (std::int64_t i = batch.groups.first(g);
             i < batch.groups.first(g) + batch.groups.images_of(g); ++i) {
          WindowSums<T> job{};
          job.grid = grid_of(batch.shape);
          job.y = saved.y + i * batch.image_pixels * out;
          job.tangent = tangent ? tangent + i * batch.image_pixels * out : nullptr;
          job.mean = saved.mean;
          job.gradient = d + i * batch.image_windows * out;
          job.choice = saved.choice + i * batch.image_windows * out;
          job.scratch = rows + 3 * out * part;
          job.plain = sums + g * 3 * out;
          job.centered = job.plain + out;
          job.with_tangent = job.centered + out;
          batch.loops.window_sums(job);
        }
      }
    });
    join_parts(groups, 3 * out, sums);
    plain = sums;
    centered = plain + out;
    with_tangent = centered + out;
  }
};

/// Coefficients of Gradient, one array each.
template <class T>
struct Coefficients {
  T *a, *b, *c, *e, *mean;
  Coefficients(std::int64_t out, Scratch& scratch)
      : a(scratch.zeros<T>(5 * out)), b(a + out), c(b + out), e(c + out), mean(e + out) {}
};

/// Writes the gradient of y for one group. With a tangent, its tangent.
template <class T>
void group_gradient(const Batch<T>& batch, const BlockSaved<T>& saved, std::int64_t group,
                    const T* d, const Coefficients<T>& terms, const T* tangent, T* out_values) {
  const std::int64_t out = batch.shape.out;
  for (std::int64_t k = 0; k < batch.groups.images_of(group); ++k) {
    const std::int64_t i = batch.groups.first(group) + k;
    Gradient<T> job{};
    job.grid = grid_of(batch.shape);
    job.y = saved.y + i * batch.image_pixels * out;
    job.tangent = tangent ? tangent + i * batch.image_pixels * out : nullptr;
    job.mean = saved.mean;
    job.tangent_mean = terms.mean;
    job.real = batch.real_from(i * batch.image_pixels);
    job.a = terms.a;
    job.b = terms.b;
    job.c = terms.c;
    job.e = terms.e;
    job.gradient = d + i * batch.image_windows * out;
    job.choice = saved.choice + i * batch.image_windows * out;
    job.out = out_values + k * batch.image_pixels * batch.gradient_stride;
    job.out_pixel_stride = batch.gradient_stride;
    job.out_row_stride = batch.shape.width * batch.gradient_stride;
    batch.loops.gradient(job);
  }
}

}  // namespace cuttle::kernels
