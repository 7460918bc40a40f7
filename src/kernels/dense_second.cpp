#include "kernels/dense_terms.hpp"

namespace cuttle::kernels {
namespace {

/// The tangent of the convolution's output, conv(tx, W) + conv(x, tW), and its sums; what the bias
/// adds is constant in each channel and comes to them afterwards.
template <class T>
struct Tangent {
  const T* values = nullptr;  ///< null: 0
  const double* sums;         ///< of units: plain, then centered

  Tangent(const Batch<T>& batch, const BlockSaved<T>& saved, const BlockCotangents<T>& cotangents,
          Scratch& scratch)
      : bias_(cotangents.bias), out_(batch.shape.out) {
    const ConvBlockShape& shape = batch.shape;
    const std::int64_t out = shape.out, groups = batch.groups.count;
    double* added = scratch.zeros<double>(2 * out * (batch.apart ? shape.images : groups));
    sums = added;
    const std::int64_t sources = (cotangents.x ? 1 : 0) + (cotangents.weight ? 1 : 0);
    if (sources == 0) {
      // The mean of a group's biases is not that of each channel.
      if (cotangents.bias) values = scratch.zeros<T>(shape.pixels() * out);
      return;
    }
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
        const std::int64_t first = batch.first_pixel(g), images = batch.groups.images_of(g);
        const T* real = batch.real_from(first);
        const Source<T> x{batch.inputs.x + first * shape.in, shape.in};
        const Source<T> tx{cotangents.x ? cotangents.x + first * shape.in : nullptr, shape.in};
        convolve_group(batch, plan, images, real, layout, weights, {cotangents.x ? tx : x, x},
                       written + first * out, out);
        clear_padding(real, images * batch.image_pixels, out, written + first * out);
        const std::int64_t pixels = (batch.apart ? 1 : images) * batch.image_pixels;
        for (std::int64_t k = 0; k < (batch.apart ? images : 1); ++k) {
          const std::int64_t image = batch.groups.first(g) + k, from = first + k * pixels;
          double* to = added + (batch.apart ? image : g) * 2 * out;
          batch.loops.products({saved.y + from * out, written + from * out,
                                saved.mean + batch.of_image(image), pixels, out, to, to + out});
        }
      }
    });
    if (!batch.apart) join_parts(groups, 2 * out, added);
  }

  /// Of the bias: what it adds to every pixel of a channel.
  double bias(std::int64_t c) const { return element(bias_, c); }
  double plain(const Shared& at, std::int64_t c) const {
    return sums[2 * at.unit * out_ + c] + at.pixels * bias(c);
  }
  /// `offset`: of the channel's mean.
  double centered(const Shared& at, std::int64_t c, double offset) const {
    return sums[(2 * at.unit + 1) * out_ + c] + at.pixels * bias(c) * offset;
  }

 private:
  const T* bias_;
  std::int64_t out_;
};

/// Coefficients of dy and of its tangent, and of the tangent of z. Writes the gradients of gamma
/// and of the bias.
template <class T>
struct SecondCoefficients {
  Coefficients<T> first, second;
  T* of_tangent;
  T* shift;

  SecondCoefficients(const Batch<T>& batch, const BlockSaved<T>& saved,
                     const BlockCotangents<T>& cotangents, const Tangent<T>& tangent,
                     const SummedWindows<T>& sums, const BlockSecondGradients<T>& gradients,
                     Scratch& scratch)
      : first(batch, scratch),
        second(batch, scratch),
        of_tangent(scratch.take<T>(batch.units() * batch.shape.out)),
        shift(scratch.take<T>(batch.shape.out)) {
    const std::int64_t out = batch.shape.out;
    for (std::int64_t c = 0; c < out; ++c) shift[c] = cotangents.beta ? cotangents.beta[c] : T{0};
    Scratch own;
    const ParameterSums total(out, own);
    over_statistics(batch, [&](const Shared& at) {
      const auto place = [&](std::int64_t c) { return at.unit * out + c; };
      TangentSums of{};
      for (std::int64_t c = at.first; c < at.last; ++c) {
        of.mean += tangent.plain(at, c) / at.count;
        of.centered += tangent.centered(at, c, element(saved.offset, place(c)));
      }
      double one_b = 0, one_c = 0, b = 0, centered = 0, e = 0;
      for (std::int64_t c = at.first; c < at.last; ++c) {
        const NormSums known = sums_of(batch, saved, sums, at, c);
        of.with_d = sums.with_tangent(at.unit, c) + known.plain * tangent.bias(c);
        of.gamma = element(cotangents.gamma, c);
        const FirstTerms one(known);
        const SecondTerms two(known, of);
        first.a[place(c)] = static_cast<T>(one.a);
        second.a[place(c)] = static_cast<T>(two.a);
        second.mean[place(c)] = static_cast<T>(of.mean - tangent.bias(c));
        of_tangent[place(c)] = static_cast<T>(two.of_tangent);
        total.gamma[c] += two.q;
        total.bias[c] += two.a * known.plain;
        one_b += one.b, one_c += one.c;
        b += two.b, centered += two.c, e += two.e;
      }
      for (std::int64_t c = at.first; c < at.last; ++c) {
        first.b[place(c)] = static_cast<T>(one_b);
        first.c[place(c)] = static_cast<T>(one_c);
        second.b[place(c)] = static_cast<T>(b);
        second.c[place(c)] = static_cast<T>(centered);
        second.e[place(c)] = static_cast<T>(e);
        total.bias[c] += at.pixels * (b + centered * element(saved.offset, place(c))) +
                         e * (tangent.plain(at, c) - at.pixels * of.mean);
      }
    });
    ParameterSums::write(total.gamma, out, gradients.gamma);
    ParameterSums::write(total.bias, out, gradients.bias);
  }
};

template <class T>
void tangent_of_pooled(const Batch<T>& batch, const BlockSaved<T>& saved,
                       const SecondCoefficients<T>& terms, const T* tangent, T* result) {
  const std::int64_t out = batch.shape.out;
  in_parts(batch.shape.images, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t pixel = i * batch.image_pixels * out,
                         window = i * batch.image_windows * out, unit = batch.of_image(i);
      batch.loops.select({grid_of(batch.shape), saved.y + pixel,
                          tangent ? tangent + pixel : nullptr, saved.mean + unit,
                          terms.second.a + unit, terms.second.mean + unit, terms.of_tangent + unit,
                          terms.shift, saved.choice + window, result + window});
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
  const SecondCoefficients<T> terms(batch, saved, cotangents, tangent, sums, gradients, scratch);
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
