#include "cuttle/kernels/conv_block.hpp"

#include <stdexcept>

#include "kernels/paths.hpp"

namespace cuttle::kernels {
namespace {

template <class T>
void check(const ConvBlockShape& s, const BlockInputs<T>& inputs, bool needs_input_gradient) {
  const bool sound = s.images >= 1 && s.height >= 1 && s.width >= 1 && s.in >= 1 && s.out >= 1 &&
                     (s.kernel_height == 1 || s.kernel_height == 3) &&
                     (s.kernel_width == 3 || (s.kernel_width == 1 && s.kernel_height == 1)) &&
                     s.pool_height >= 1 && s.pool_height <= 2 && s.pool_width >= 1 &&
                     s.pool_width <= 2 && s.pooled_height() >= 1 && s.pooled_width() >= 1 &&
                     s.norm_groups >= 0 && (s.norm_groups == 0 || s.out % s.norm_groups == 0);
  if (!sound) throw std::invalid_argument("convolution block: impossible shape");
  // Pixels are numbered in 32 bits within an image.
  if (s.height * s.width > (std::int64_t{1} << 30))
    throw std::invalid_argument("convolution block: image too large");
  if (s.by_patches() && !inputs.given() && inputs.moments == nullptr)
    throw std::invalid_argument("convolution block by patches: needs patch_moments");
  if (s.norm_groups > 0 ? inputs.given() : inputs.bias != nullptr)
    throw std::invalid_argument(
        "convolution block: by the images' own statistics and a bias, or by others and none");
  if (needs_input_gradient && !s.input_gradient)
    throw std::invalid_argument(
        "convolution block: gradient of x wanted, but the shape says that it is not");
}

}  // namespace

template <class T>
void forward(const ConvBlockShape& shape, const BlockInputs<T>& inputs, const BlockSaved<T>& saved,
             T* pooled) {
  check(shape, inputs, false);
  shape.by_patches() ? PatchPath<T>{shape, inputs, saved}.forward(pooled)
                     : DensePath<T>{shape, inputs, saved}.forward(pooled);
}

template <class T>
void backward(const ConvBlockShape& shape, const BlockInputs<T>& inputs, const BlockSaved<T>& saved,
              const T* pooled_gradient, const BlockGradients<T>& gradients,
              const MomentGradients<T>& of_moments) {
  check(shape, inputs, gradients.x != nullptr);
  if (inputs.given() && (gradients.mean == nullptr || gradients.variance == nullptr))
    throw std::invalid_argument("convolution block: given statistics, but not their gradients");
  if (shape.norm_groups > 0 && (of_moments.mean != nullptr || of_moments.variance != nullptr))
    throw std::invalid_argument("convolution block: nobody else uses an image's own statistics");
  shape.by_patches()
      ? PatchPath<T>{shape, inputs, saved}.backward(pooled_gradient, gradients, of_moments)
      : DensePath<T>{shape, inputs, saved}.backward(pooled_gradient, gradients, of_moments);
}

template <class T>
void double_backward(const ConvBlockShape& shape, const BlockInputs<T>& inputs,
                     const BlockSaved<T>& saved, const T* pooled_gradient,
                     const BlockCotangents<T>& cotangents,
                     const BlockSecondGradients<T>& gradients) {
  check(shape, inputs, gradients.x != nullptr || cotangents.x != nullptr);
  if (inputs.given())
    throw std::invalid_argument("convolution block: no second derivative by given statistics");
  shape.by_patches()
      ? PatchPath<T>{shape, inputs, saved}.double_backward(pooled_gradient, cotangents, gradients)
      : DensePath<T>{shape, inputs, saved}.double_backward(pooled_gradient, cotangents, gradients);
}

#define CUTTLE_INSTANTIATE(T)                                                                   \
  template void forward<T>(const ConvBlockShape&, const BlockInputs<T>&, const BlockSaved<T>&,  \
                           T*);                                                                 \
  template void backward<T>(const ConvBlockShape&, const BlockInputs<T>&, const BlockSaved<T>&, \
                            const T*, const BlockGradients<T>&, const MomentGradients<T>&);     \
  template void double_backward<T>(const ConvBlockShape&, const BlockInputs<T>&,                \
                                   const BlockSaved<T>&, const T*, const BlockCotangents<T>&,   \
                                   const BlockSecondGradients<T>&);
CUTTLE_INSTANTIATE(float)
CUTTLE_INSTANTIATE(double)

}  // namespace cuttle::kernels
