#include "kernels/dense_batch.hpp"

namespace cuttle::kernels {
namespace {

/// The tangent of the convolution's output, conv(tx, W) + conv(x, tW), and its sums.
template <class T>
struct Tangent {
  const T* values = nullptr;  ///< null: 0
  double *plain, *centered;

  Tangent(const Batch<T>& batch, const BlockSaved<T>& saved, const BlockCotangents<T>& cotangents,
          Scratch& scratch) {
    const ConvBlockShape& shape = batch.shape;
    const std::int64_t out = shape.out, groups = batch.groups.count;
    double* sums = scratch.zeros<double>(2 * out * groups);
    plain = sums;
    centered = sums + out;
    const std::int64_t sources = (cotangents.x ? 1 : 0) + (cotangents.weight ? 1 : 0);
    if (sources == 0) return;
    T* written = scratch.take<T>(shape.pixels() * out);
    values = written;
    const PanelLayout layout = forward_layout(shape, sources, batch.loops.lanes);
    const T* weights = packed_weights<T>(
        batch, layout, pack_forward,
        {cotangents.x ? batch.inputs.weight : cotangents.weight, cotangents.weight}, scratch);
    in_parts(groups, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      Scratch local;
      PixelPlan plan(shape, batch.groups.size, local);
      for (std::int64_t g = begin; g < end; ++g) {
        const std::int64_t first = batch.first_pixel(g),
                           pixels = batch.groups.images_of(g) * batch.image_pixels;
        const T* real = batch.real_from(first);
        const Source<T> x{batch.inputs.x + first * shape.in, shape.in};
        const Source<T> tx{cotangents.x ? cotangents.x + first * shape.in : nullptr, shape.in};
        convolve_group(batch, plan, batch.groups.images_of(g), real, layout, weights,
                       {cotangents.x ? tx : x, x}, written + first * out, out);
        clear_padding(real, pixels, out, written + first * out);
        batch.loops.products({saved.y + first * out, written + first * out, saved.mean, pixels, out,
                              sums + g * 2 * out, sums + g * 2 * out + out});
      }
    });
    join_parts(groups, 2 * out, sums);
  }
};

/// Coefficients of dy and of its tangent, and of the tangent of z.
template <class T>
struct SecondCoefficients {
  Coefficients<T> first, second;
  T* of_tangent;
  T* shift;

  SecondCoefficients(const Batch<T>& batch, const BlockSaved<T>& saved,
                     const BlockCotangents<T>& cotangents, const Tangent<T>& tangent,
                     const SummedWindows<T>& sums, T* dgamma, Scratch& scratch)
      : first(batch.shape.out, scratch),
        second(batch.shape.out, scratch),
        of_tangent(scratch.take<T>(batch.shape.out)),
        shift(scratch.take<T>(batch.shape.out)) {
    const double count = batch.count();
    for (std::int64_t c = 0; c < batch.shape.out; ++c) {
      const NormSums known{count, batch.inputs.gamma[c], saved.inv_std[c], sums.plain[c],
                           sums.centered[c]};
      const double mean = tangent.plain[c] / count;
      const FirstTerms one(known);
      const SecondTerms two(known,
                            {mean, tangent.centered[c], sums.with_tangent[c],
                             cotangents.gamma ? static_cast<double>(cotangents.gamma[c]) : 0.0});
      first.a[c] = static_cast<T>(one.a);
      first.b[c] = static_cast<T>(one.b);
      first.c[c] = static_cast<T>(one.c);
      second.a[c] = static_cast<T>(two.a);
      second.b[c] = static_cast<T>(two.b);
      second.c[c] = static_cast<T>(two.c);
      second.e[c] = static_cast<T>(two.e);
      second.mean[c] = static_cast<T>(mean);
      of_tangent[c] = static_cast<T>(two.of_tangent);
      shift[c] = cotangents.beta ? cotangents.beta[c] : T{0};
      dgamma[c] = static_cast<T>(two.q);
    }
  }
};

template <class T>
void tangent_of_pooled(const Batch<T>& batch, const BlockSaved<T>& saved,
                       const SecondCoefficients<T>& terms, const T* tangent, T* result) {
  const std::int64_t out = batch.shape.out;
  in_parts(batch.shape.images, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t pixel = i * batch.image_pixels * out,
                         window = i * batch.image_windows * out;
      batch.loops.select({grid_of(batch.shape), saved.y + pixel,
                          tangent ? tangent + pixel : nullptr, saved.mean, terms.second.a,
                          terms.second.mean, terms.of_tangent, terms.shift, saved.choice + window,
                          result + window});
    }
  });
}

}  // namespace

template <class T>
void DensePath<T>::double_backward(const T* d, const BlockCotangents<T>& cotangents,
                                   const BlockSecondGradients<T>& gradients) const {
  const Batch<T> batch{shape, inputs};
  const std::int64_t in = shape.in, groups = batch.groups.count;
  Scratch scratch;
  const Tangent<T> tangent(batch, saved, cotangents, scratch);
  const SummedWindows<T> sums(batch, saved, d, tangent.values, scratch);
  const SecondCoefficients<T> terms(batch, saved, cotangents, tangent, sums, gradients.gamma,
                                    scratch);
  if (gradients.pooled_gradient)
    tangent_of_pooled(batch, saved, terms, tangent.values, gradients.pooled_gradient);
  if (!gradients.x && !gradients.weight) return;

  // x: conv^T(tangent of dy, W) + conv^T(dy, tW); weight: corr(x, tangent of dy) + corr(tx, dy).
  const bool two_sources = gradients.x && cotangents.weight;
  const bool needs_first = two_sources || (gradients.weight && cotangents.x);
  const PanelLayout layout = transposed_layout(shape, two_sources ? 2 : 1, batch.loops.lanes);
  const T* weights = gradients.x ? packed_weights<T>(batch, layout, pack_transposed,
                                                     {inputs.weight, cotangents.weight}, scratch)
                                 : nullptr;
  const WeightSums<T> sums_of_weight(batch, gradients.weight ? parts_of(groups) : 0, scratch);
  in_parts(groups, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
    Scratch local;
    PixelPlan plan(shape, batch.groups.size, local);
    GroupCorrelation<T> correlation(batch, local);
    const std::int64_t size = batch.groups.size * batch.image_pixels * batch.gradient_stride;
    T* second = local.zeros<T>(size);
    T* first = needs_first ? local.zeros<T>(size) : nullptr;
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t from = batch.first_pixel(g), images = batch.groups.images_of(g);
      const T* real = batch.real_from(from);
      group_gradient(batch, saved, g, d, terms.second, tangent.values, second);
      if (needs_first)
        group_gradient(batch, saved, g, d, terms.first, static_cast<const T*>(nullptr), first);
      if (gradients.x) {
        const Source<T> of_second{second, batch.gradient_stride},
            of_first{first, batch.gradient_stride};
        convolve_group(batch, plan, images, static_cast<const T*>(nullptr), layout, weights,
                       {of_second, of_first}, gradients.x + from * in, in);
      }
      if (!gradients.weight) continue;
      T* to = sums_of_weight.part(part);
      correlation.add(images, inputs.x + from * in, second, real, to);
      if (cotangents.x) correlation.add(images, cotangents.x + from * in, first, real, to);
    }
  });
  if (gradients.weight) sums_of_weight.write(gradients.weight);
}

template void DensePath<float>::double_backward(const float*, const BlockCotangents<float>&,
                                                const BlockSecondGradients<float>&) const;
template void DensePath<double>::double_backward(const double*, const BlockCotangents<double>&,
                                                 const BlockSecondGradients<double>&) const;

}  // namespace cuttle::kernels
