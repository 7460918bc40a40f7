#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/dense_batch.hpp"
#include "kernels/norm_terms.hpp"

/// Statistics of the convolution's output, sums over windows, and the coefficients of the
/// derivatives: of the batch, or of each image by groups of channels.
namespace cuttle::kernels {

/// Mean and 1 / std of the batch from the moments of the groups of images (Chan, Golub and LeVeque,
/// 1983).
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

/// The same of an image's groups of channels, from the moments of its channels, `count` pixels
/// each.
template <class T>
void merge_channels(const Batch<T>& batch, std::int64_t image, double count, const double* means,
                    const double* deviations, const BlockSaved<T>& saved) {
  const std::int64_t out = batch.shape.out, channels = out / batch.shape.norm_groups;
  for (std::int64_t first = 0; first < out; first += channels) {
    const auto with_bias = [&](std::int64_t c) { return means[c] + element(batch.inputs.bias, c); };
    double mean = 0, deviation = 0;
    for (std::int64_t c = first; c < first + channels; ++c) mean += with_bias(c);
    mean /= static_cast<double>(channels);
    for (std::int64_t c = first; c < first + channels; ++c) {
      const double offset = with_bias(c) - mean;
      deviation += std::max(deviations[c], 0.0) + count * offset * offset;
    }
    const double variance = deviation / std::max(count * static_cast<double>(channels), 1.0);
    for (std::int64_t c = first; c < first + channels; ++c) {
      const std::int64_t k = batch.of_image(image) + c;
      saved.mean[k] = static_cast<T>(mean - element(batch.inputs.bias, c));
      saved.inv_std[k] = static_cast<T>(1 / std::sqrt(variance + kNormEpsilon));
      saved.offset[k] = static_cast<T>(with_bias(c) - mean);
    }
  }
}

/// Sums over all windows of a unit, per channel; `tangent` may be null.
template <class T>
struct SummedWindows {
  const double* sums;
  std::int64_t out;

  SummedWindows(const Batch<T>& batch, const BlockSaved<T>& saved, const T* d, const T* tangent,
                Scratch& scratch)
      : out(batch.shape.out) {
    const std::int64_t groups = batch.groups.count;
    double* written = scratch.zeros<double>(3 * out * (batch.apart ? batch.shape.images : groups));
    T* rows = scratch.take<T>(3 * out * parts_of(groups));
    in_parts(groups, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
      for (std::int64_t g = begin; g < end; ++g) {
        for (std::int64_t i = batch.groups.first(g);
             i < batch.groups.first(g) + batch.groups.images_of(g); ++i) {
          WindowSums<T> job{};
          job.grid = grid_of(batch.shape);
          job.y = saved.y + i * batch.image_pixels * out;
          job.tangent = tangent ? tangent + i * batch.image_pixels * out : nullptr;
          job.mean = saved.mean + batch.of_image(i);
          job.gradient = d + i * batch.image_windows * out;
          job.choice = saved.choice + i * batch.image_windows * out;
          job.scratch = rows + 3 * out * part;
          job.plain = written + (batch.apart ? i : g) * 3 * out;
          job.centered = job.plain + out;
          job.with_tangent = job.centered + out;
          batch.loops.window_sums(job);
        }
      }
    });
    if (!batch.apart) join_parts(groups, 3 * out, written);
    sums = written;
  }
  double plain(std::int64_t unit, std::int64_t c) const { return sums[3 * unit * out + c]; }
  double centered(std::int64_t unit, std::int64_t c) const { return plain(unit, out + c); }
  double with_tangent(std::int64_t unit, std::int64_t c) const { return plain(unit, 2 * out + c); }
};

/// Channels of a unit that share mean and variance.
struct Shared {
  std::int64_t unit, first, last;
  double pixels;  ///< real ones
  double count;   ///< values that made the statistics, at least 1
};

/// Calls body(shared) for all of them, in order.
template <class T, class Body>
void over_statistics(const Batch<T>& batch, const Body& body) {
  const std::int64_t channels = batch.apart ? batch.shape.out / batch.shape.norm_groups : 1;
  for (std::int64_t unit = 0; unit < batch.units(); ++unit) {
    const double pixels = batch.real_pixels(unit);
    const double count = std::max(pixels * static_cast<double>(channels), 1.0);
    for (std::int64_t first = 0; first < batch.shape.out; first += channels)
      body(Shared{unit, first, first + channels, pixels, count});
  }
}

template <class T>
NormSums sums_of(const Batch<T>& batch, const BlockSaved<T>& saved, const SummedWindows<T>& sums,
                 const Shared& at, std::int64_t c) {
  return {at.count, batch.inputs.gamma[c], saved.inv_std[at.unit * batch.shape.out + c],
          sums.plain(at.unit, c), sums.centered(at.unit, c)};
}

/// Coefficients of Gradient, one array of all units each.
template <class T>
struct Coefficients {
  T *a, *b, *c, *e, *mean;
  Coefficients(const Batch<T>& batch, Scratch& scratch) {
    const std::int64_t size = batch.units() * batch.shape.out;
    a = scratch.zeros<T>(5 * size);
    b = a + size, c = b + size, e = c + size, mean = e + size;
  }
};

/// Gradients of the parameters of channels, summed over the units in double.
struct ParameterSums {
  double *gamma, *beta, *bias;
  ParameterSums(std::int64_t out, Scratch& scratch)
      : gamma(scratch.zeros<double>(3 * out)), beta(gamma + out), bias(beta + out) {}

  template <class T>
  static void write(const double* sums, std::int64_t out, T* to) {
    for (std::int64_t c = 0; c < out && to != nullptr; ++c) to[c] = static_cast<T>(sums[c]);
  }
};

/// Writes the gradient of y for one group. With a tangent, its tangent.
template <class T>
void group_gradient(const Batch<T>& batch, const BlockSaved<T>& saved, std::int64_t group,
                    const T* d, const Coefficients<T>& terms, const T* tangent, T* out_values) {
  const std::int64_t out = batch.shape.out;
  for (std::int64_t k = 0; k < batch.groups.images_of(group); ++k) {
    const std::int64_t i = batch.groups.first(group) + k, unit = batch.of_image(i);
    Gradient<T> job{};
    job.grid = grid_of(batch.shape);
    job.y = saved.y + i * batch.image_pixels * out;
    job.tangent = tangent ? tangent + i * batch.image_pixels * out : nullptr;
    job.mean = saved.mean + unit;
    job.tangent_mean = terms.mean + unit;
    job.real = batch.real_from(i * batch.image_pixels);
    job.a = terms.a + unit;
    job.b = terms.b + unit;
    job.c = terms.c + unit;
    job.e = terms.e + unit;
    job.gradient = d + i * batch.image_windows * out;
    job.choice = saved.choice + i * batch.image_windows * out;
    job.out = out_values + k * batch.image_pixels * batch.gradient_stride;
    job.out_pixel_stride = batch.gradient_stride;
    job.out_row_stride = batch.shape.width * batch.gradient_stride;
    batch.loops.gradient(job);
  }
}

}  // namespace cuttle::kernels
