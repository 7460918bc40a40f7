#include <algorithm>
#include <cmath>

#include "kernels/norm_terms.hpp"
#include "kernels/patch_batch.hpp"

namespace cuttle::kernels {

template <class T>
void patch_moments(const ConvBlockShape& shape, const T* x, const T* real, double* moments) {
  const Isa<double>& loops = isa<double>();
  const std::int64_t patch = shape.patch(), columns = patch + 1,
                     stride = round_up(columns, 2 * loops.lanes);
  const std::int64_t pixels = shape.height * shape.width, parts = parts_of(shape.images),
                     size = columns * stride;
  Scratch scratch;
  double* sums = scratch.zeros<double>(parts * size);
  in_parts(shape.images, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
    Scratch local;
    PaddedImage<double> image(shape, local);
    // The patches of one row of pixels, and a column of ones that gives count and sums.
    double* patches = local.zeros<double>(shape.width * stride);
    for (std::int64_t w = 0; w < shape.width; ++w) patches[w * stride + patch] = 1;
    auto* list = local.take<std::int32_t>(shape.width);
    const double** rows = local.take<const double*>(columns);
    for (std::int64_t k = 0; k < columns; ++k) rows[k] = patches + k;
    for (std::int64_t i = begin; i < end; ++i) {
      image.fill(x + i * pixels * shape.in);
      for (std::int64_t h = 0; h < shape.height; ++h) {
        for (std::int64_t w = 0; w < shape.width; ++w) {
          const double* from = image.values + h * image.row + w * shape.in;
          double* to = patches + w * stride;
          for (std::int64_t a = 0; a < shape.kernel_height; ++a, from += image.row) {
            for (std::int64_t b = 0; b < 3 * shape.in; ++b) *to++ = from[b];
          }
        }
        const std::int64_t count =
            list_pixels(shape, 1, real ? real + i * pixels + h * shape.width : nullptr, list);
        loops.outer({rows, columns, stride, patches, stride, columns, list, count,
                     sums + part * size, stride, true});
      }
    }
  });
  join_parts(parts, size, sums);
  const double count = sums[patch * stride + patch], divisor = std::max(count, 1.0);
  double *mean = moments + 1, *covariance = mean + patch;
  moments[0] = count;
  for (std::int64_t k = 0; k < patch; ++k) mean[k] = sums[k * stride + patch] / divisor;
  for (std::int64_t k = 0; k < patch; ++k) {
    for (std::int64_t l = k; l < patch; ++l)
      covariance[k * patch + l] = covariance[l * patch + k] =
          sums[k * stride + l] / divisor - mean[k] * mean[l];
  }
}

template <class T>
void PatchPath<T>::forward(T* pooled) const {
  Scratch scratch;
  if (inputs.given()) {
    keep_given(shape, inputs, saved);
  } else {
    const PatchStatistics y(shape, inputs.moments, inputs.weight, scratch);
    const double* variance = column_products(shape, y.weighted, y.weight, scratch);
    for (std::int64_t c = 0; c < shape.out; ++c) {
      saved.mean[c] = static_cast<T>(y.mean[c]);
      saved.inv_std[c] = static_cast<T>(1 / std::sqrt(std::max(variance[c], 0.0) + kNormEpsilon));
    }
  }
  T* scale = scratch.take<T>(shape.out);
  for (std::int64_t c = 0; c < shape.out; ++c) scale[c] = inputs.gamma[c] * saved.inv_std[c];
  over_convolved_rows(
      shape, inputs, inputs.weight, [&](const WindowRows<T>& rows, std::int64_t i, std::int64_t r) {
        const std::int64_t window = rows.window(i, r);
        isa<T>().pool({rows.grid(r), rows.buffer, rows.real(inputs, i, r), saved.mean, scale,
                       inputs.beta, pooled + window, saved.choice + window, shape.relu});
      });
}

template <class T>
void PatchPath<T>::backward(const T* d, const BlockGradients<T>& gradients,
                            const MomentGradients<T>& of_moments) const {
  if (inputs.given()) return backward_by_given(d, gradients);
  const std::int64_t out = shape.out;
  Scratch scratch;
  const PatchStatistics y(shape, inputs.moments, inputs.weight, scratch);
  const ChosenPatches<T> sums(shape, inputs, saved, d, scratch);
  const double* centered = center(shape, y, sums.plain, sums.patches, scratch);
  for (std::int64_t c = 0; c < out; ++c) {
    const NormSums known{y.count, inputs.gamma[c], saved.inv_std[c], sums.plain[c], centered[c]};
    gradients.beta[c] = static_cast<T>(known.plain);
    gradients.gamma[c] = static_cast<T>(known.dgamma());
    if (!gradients.weight) continue;
    // a S + b n mean(X) + c n cov W, where b = -a sum d / n makes of the first two the centred sum.
    // The mean's own gradient comes beside it.
    const double of_mean = element(of_moments.mean, c);
    const FirstTerms terms(known, of_mean, element(of_moments.variance, c));
    for (std::int64_t i = 0; i < shape.in; ++i) {
      for (std::int64_t tap = 0; tap < shape.taps(); ++tap) {
        const std::int64_t patch = tap * shape.in + i, k = patch * out + c;
        gradients.weight[(c * shape.in + i) * shape.taps() + tap] =
            static_cast<T>(terms.a * sums.patches[k] + terms.c * y.count * y.weighted[k] +
                           of_mean * y.patch_mean[patch]);
      }
    }
  }
}

template <class T>
void PatchPath<T>::backward_by_given(const T* d, const BlockGradients<T>& gradients) const {
  const std::int64_t out = shape.out;
  Scratch scratch;
  const ChosenPatches<T> sums(shape, inputs, saved, d, scratch);
  const double* with_y =
      column_products(shape, sums.patches, by_patch(shape, inputs.weight, scratch), scratch);
  for (std::int64_t c = 0; c < out; ++c) {
    const double centered = with_y[c] - static_cast<double>(saved.mean[c]) * sums.plain[c];
    const NormSums known{1, inputs.gamma[c], saved.inv_std[c], sums.plain[c], centered};
    const GivenTerms terms(known);
    gradients.beta[c] = static_cast<T>(known.plain);
    gradients.gamma[c] = static_cast<T>(known.dgamma());
    gradients.mean[c] = static_cast<T>(terms.mean);
    gradients.variance[c] = static_cast<T>(terms.variance);
    for (std::int64_t i = 0; gradients.weight && i < shape.in; ++i) {
      for (std::int64_t tap = 0; tap < shape.taps(); ++tap)
        gradients.weight[(c * shape.in + i) * shape.taps() + tap] =
            static_cast<T>(terms.a * sums.patches[(tap * shape.in + i) * out + c]);
    }
  }
}

template <class T>
void PatchPath<T>::double_backward(const T* d, const BlockCotangents<T>& cotangents,
                                   const BlockSecondGradients<T>& gradients) const {
  const std::int64_t out = shape.out, patch = shape.patch();
  Scratch scratch;
  const T* direction =
      cotangents.weight ? cotangents.weight : scratch.zeros<T>(shape.weight_elements());
  const PatchStatistics y(shape, inputs.moments, inputs.weight, scratch);
  const PatchStatistics tangent(shape, inputs.moments, direction, scratch);
  const ChosenPatches<T> sums(shape, inputs, saved, d, scratch);
  const double* centered = center(shape, y, sums.plain, sums.patches, scratch);
  const double* with_tangent = column_products(shape, sums.patches, tangent.weight, scratch);
  const double* both = column_products(shape, y.weighted, tangent.weight, scratch);
  // The tangent of z is itself a convolution, by this weight.
  T* weight = scratch.take<T>(shape.weight_elements());
  T *mean = scratch.take<T>(out), *shift = scratch.take<T>(out), *ones = scratch.take<T>(out);
  for (std::int64_t c = 0; c < out; ++c) {
    const NormSums known{y.count, inputs.gamma[c], saved.inv_std[c], sums.plain[c], centered[c]};
    const double of_gamma = cotangents.gamma ? static_cast<double>(cotangents.gamma[c]) : 0.0;
    // Sums over centred patches: their tangent's mean is 0.
    const SecondTerms terms(known, {0, y.count * both[c], with_tangent[c], of_gamma});
    gradients.gamma[c] = static_cast<T>(terms.q);
    ones[c] = T{1};
    mean[c] = static_cast<T>(terms.a * y.mean[c] + terms.of_tangent * tangent.mean[c]);
    shift[c] = cotangents.beta ? cotangents.beta[c] : T{0};
    for (std::int64_t i = 0; i < shape.in; ++i) {
      for (std::int64_t tap = 0; tap < shape.taps(); ++tap) {
        const std::int64_t k = (tap * shape.in + i) * out + c,
                           at = c * patch + i * shape.taps() + tap;
        weight[at] = static_cast<T>(terms.a * y.weight[k] + terms.of_tangent * tangent.weight[k]);
        if (gradients.weight)
          gradients.weight[at] =
              static_cast<T>(terms.a * sums.patches[k] +
                             y.count * (terms.c * y.weighted[k] + terms.e * tangent.weighted[k]));
      }
    }
  }
  if (!gradients.pooled_gradient) return;
  over_convolved_rows(
      shape, inputs, weight, [&](const WindowRows<T>& rows, std::int64_t i, std::int64_t r) {
        const std::int64_t window = rows.window(i, r);
        isa<T>().select({rows.grid(r), rows.buffer, nullptr, mean, ones, nullptr, nullptr, shift,
                         saved.choice + window, gradients.pooled_gradient + window});
      });
}

template void patch_moments<float>(const ConvBlockShape&, const float*, const float*, double*);
template void patch_moments<double>(const ConvBlockShape&, const double*, const double*, double*);
template struct PatchPath<float>;
template struct PatchPath<double>;

}  // namespace cuttle::kernels
