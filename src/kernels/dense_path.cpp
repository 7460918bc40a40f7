#include <algorithm>

#include "kernels/dense_batch.hpp"

namespace cuttle::kernels {

template <class T>
void DensePath<T>::forward(T* pooled) const {
  const Batch<T> batch{shape, inputs};
  const std::int64_t out = shape.out, groups = batch.groups.count;
  Scratch scratch;
  const PanelLayout layout = forward_layout(shape, 1, batch.loops.lanes);
  const T* weights = packed_weights<T>(batch, layout, pack_forward, {inputs.weight}, scratch);
  double* counts = scratch.take<double>(groups);
  double* means = scratch.take<double>(groups * out);
  double* deviations = scratch.take<double>(groups * out);
  in_parts(groups, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    Scratch local;
    PixelPlan plan(shape, batch.groups.size, local);
    T* rounded_mean = local.take<T>(out);
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t first = batch.first_pixel(g),
                         pixels = batch.groups.images_of(g) * batch.image_pixels;
      const T* real = batch.real_from(first);
      T* y = saved.y + first * out;
      const Source<T> source{inputs.x + first * shape.in, shape.in};
      convolve_group(batch, plan, batch.groups.images_of(g), real, layout, weights, {source, {}}, y,
                     out);
      clear_padding(real, pixels, out, y);
      if (inputs.given()) continue;
      counts[g] = static_cast<double>(pixels);
      if (real != nullptr)
        counts[g] =
            static_cast<double>(std::count_if(real, real + pixels, [](T v) { return v != 0; }));
      batch.loops.moments(
          {y, real, pixels, out, counts[g], rounded_mean, means + g * out, deviations + g * out});
    }
  });
  inputs.given() ? keep_given(shape, inputs, saved)
                 : merge_moments(batch, counts, means, deviations, saved);
  T* scale = scratch.take<T>(out);
  for (std::int64_t c = 0; c < out; ++c) scale[c] = inputs.gamma[c] * saved.inv_std[c];
  in_parts(shape.images, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      batch.loops.pool({grid_of(shape), saved.y + i * batch.image_pixels * out,
                        batch.real_from(i * batch.image_pixels), saved.mean, scale, inputs.beta,
                        pooled + i * batch.image_windows * out,
                        saved.choice + i * batch.image_windows * out, shape.relu});
    }
  });
}

template <class T>
void DensePath<T>::backward(const T* d, const BlockGradients<T>& gradients,
                            const MomentGradients<T>& of_moments) const {
  const Batch<T> batch{shape, inputs};
  const std::int64_t out = shape.out, in = shape.in, groups = batch.groups.count;
  Scratch scratch;
  const SummedWindows<T> sums(batch, saved, d, nullptr, scratch);
  const Coefficients<T> terms(out, scratch);
  const double count = batch.count();
  for (std::int64_t c = 0; c < out; ++c) {
    const NormSums known{count, inputs.gamma[c], saved.inv_std[c], sums.plain[c], sums.centered[c]};
    gradients.beta[c] = static_cast<T>(known.plain);
    gradients.gamma[c] = static_cast<T>(known.dgamma());
    if (inputs.given()) {
      const GivenTerms given(known);
      terms.a[c] = static_cast<T>(given.a);
      gradients.mean[c] = static_cast<T>(given.mean);
      gradients.variance[c] = static_cast<T>(given.variance);
      continue;
    }
    const FirstTerms first(known, element(of_moments.mean, c), element(of_moments.variance, c));
    terms.a[c] = static_cast<T>(first.a);
    terms.b[c] = static_cast<T>(first.b);
    terms.c[c] = static_cast<T>(first.c);
  }
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
