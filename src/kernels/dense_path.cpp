#include <algorithm>

#include "kernels/dense_terms.hpp"

namespace cuttle::kernels {

namespace {

/// 1 at real pixels: their number in double.
template <class T>
double count_real(const T* real, std::int64_t pixels) {
  if (real == nullptr) return static_cast<double>(pixels);
  return static_cast<double>(std::count_if(real, real + pixels, [](T v) { return v != 0; }));
}

/// Convolves all groups and leaves the statistics.
template <class T>
void convolve_all(const Batch<T>& batch, const BlockSaved<T>& saved) {
  const ConvBlockShape& shape = batch.shape;
  const std::int64_t out = shape.out, groups = batch.groups.count;
  Scratch scratch;
  const PanelLayout layout = forward_layout(shape, 1, batch.loops.lanes);
  const T* weights = packed_weights<T>(batch, layout, pack_forward, {batch.inputs.weight}, scratch);
  double* counts = scratch.take<double>(groups);
  double* means = scratch.take<double>(groups * out);
  double* deviations = scratch.take<double>(groups * out);
  in_parts(groups, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    Scratch local;
    PixelPlan plan(shape, batch.groups.size, local);
    T* rounded_mean = local.take<T>(out);
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t first = batch.first_pixel(g), images = batch.groups.images_of(g);
      const T* real = batch.real_from(first);
      T* y = saved.y + first * out;
      const Source<T> source{batch.inputs.x + first * shape.in, shape.in};
      convolve_group(batch, plan, images, real, layout, weights, {source, {}}, y, out);
      clear_padding(real, images * batch.image_pixels, out, y);
      if (batch.inputs.given()) continue;
      // Moments of the group, or of each of its images.
      const std::int64_t pixels = (batch.apart ? 1 : images) * batch.image_pixels;
      for (std::int64_t k = 0; k < (batch.apart ? images : 1); ++k) {
        const T* of_these = real ? real + k * pixels : nullptr;
        counts[g] = count_real(of_these, pixels);
        batch.loops.moments({y + k * pixels * out, of_these, pixels, out, counts[g], rounded_mean,
                             means + g * out, deviations + g * out});
        if (batch.apart)
          merge_channels(batch, batch.groups.first(g) + k, counts[g], means + g * out,
                         deviations + g * out, saved);
      }
    }
  });
  if (batch.inputs.given()) return keep_given(shape, batch.inputs, saved);
  if (!batch.apart) merge_moments(batch, counts, means, deviations, saved);
}

/// Coefficients of dy; writes all gradients but those of x and the weight.
template <class T>
void first_terms(const Batch<T>& batch, const BlockSaved<T>& saved, const SummedWindows<T>& sums,
                 const MomentGradients<T>& of_moments, const Coefficients<T>& terms,
                 const BlockGradients<T>& gradients) {
  const std::int64_t out = batch.shape.out;
  Scratch scratch;
  const ParameterSums total(out, scratch);
  over_statistics(batch, [&](const Shared& at) {
    double b = 0, centered = 0;
    for (std::int64_t c = at.first; c < at.last; ++c) {
      const NormSums known = sums_of(batch, saved, sums, at, c);
      total.beta[c] += known.plain;
      total.gamma[c] += known.dgamma();
      T& a = terms.a[at.unit * out + c];
      if (batch.inputs.given()) {
        const GivenTerms given(known);
        a = static_cast<T>(given.a);
        gradients.mean[c] = static_cast<T>(given.mean);
        gradients.variance[c] = static_cast<T>(given.variance);
        continue;
      }
      const FirstTerms first(known, element(of_moments.mean, c), element(of_moments.variance, c));
      a = static_cast<T>(first.a);
      total.bias[c] += first.a * known.plain;
      b += first.b;
      centered += first.c;
    }
    for (std::int64_t c = at.first; c < at.last; ++c) {
      const std::int64_t k = at.unit * out + c;
      terms.b[k] = static_cast<T>(b);
      terms.c[k] = static_cast<T>(centered);
      total.bias[c] += at.pixels * (b + centered * element(saved.offset, k));
    }
  });
  ParameterSums::write(total.gamma, out, gradients.gamma);
  ParameterSums::write(total.beta, out, gradients.beta);
  ParameterSums::write(total.bias, out, gradients.bias);
}

}  // namespace

template <class T>
void DensePath<T>::forward(T* pooled) const {
  const Batch<T> batch{shape, inputs};
  const std::int64_t out = shape.out;
  convolve_all(batch, saved);
  Scratch scratch;
  T* scale = scratch.take<T>(batch.units() * out);
  for (std::int64_t k = 0; k < batch.units() * out; ++k)
    scale[k] = inputs.gamma[k % out] * saved.inv_std[k];
  in_parts(shape.images, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      batch.loops.pool({grid_of(shape), saved.y + i * batch.image_pixels * out,
                        batch.real_from(i * batch.image_pixels), saved.mean + batch.of_image(i),
                        scale + batch.of_image(i), inputs.beta,
                        pooled + i * batch.image_windows * out,
                        saved.choice + i * batch.image_windows * out, shape.relu});
    }
  });
}

template <class T>
void DensePath<T>::backward(const T* d, const BlockGradients<T>& gradients,
                            const MomentGradients<T>& of_moments) const {
  const Batch<T> batch{shape, inputs};
  const std::int64_t in = shape.in, groups = batch.groups.count;
  Scratch scratch;
  const SummedWindows<T> sums(batch, saved, d, nullptr, scratch);
  const Coefficients<T> terms(batch, scratch);
  first_terms(batch, saved, sums, of_moments, terms, gradients);
  const PanelLayout layout = transposed_layout(shape, 1, batch.loops.lanes);
  const T* weights =
      gradients.x ? packed_weights<T>(batch, layout, pack_transposed, {inputs.weight}, scratch)
                  : nullptr;
  const WeightSums<T> sums_of_weight(batch, gradients.weight ? parts_of(groups) : 0, scratch);
  in_parts(groups, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
    Scratch local;
    PixelPlan plan(shape, batch.groups.size, local);
    GroupCorrelation<T> correlation(batch, local);
    T* dy = local.zeros<T>(batch.groups.size * batch.image_pixels * batch.gradient_stride);
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t first = batch.first_pixel(g), images = batch.groups.images_of(g);
      group_gradient(batch, saved, g, d, terms, static_cast<const T*>(nullptr), dy);
      if (gradients.x) {
        const Source<T> source{dy, batch.gradient_stride};
        convolve_group(batch, plan, images, static_cast<const T*>(nullptr), layout, weights,
                       {source, {}}, gradients.x + first * in, in);
      }
      if (gradients.weight)
        correlation.add(images, inputs.x + first * in, dy, batch.real_from(first),
                        sums_of_weight.part(part));
    }
  });
  if (gradients.weight) sums_of_weight.write(gradients.weight);
}

template void DensePath<float>::forward(float*) const;
template void DensePath<double>::forward(double*) const;
template void DensePath<float>::backward(const float*, const BlockGradients<float>&,
                                         const MomentGradients<float>&) const;
template void DensePath<double>::backward(const double*, const BlockGradients<double>&,
                                          const MomentGradients<double>&) const;

}  // namespace cuttle::kernels
