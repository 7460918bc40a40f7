#pragma once

#include "cuttle/kernels/conv_block.hpp"
#include "kernels/isa.hpp"

namespace cuttle::kernels {

/// The inner loops of the selected instruction set.
template <class T>
const Isa<T>& isa();

/// The general case: the convolution's output is stored.
template <class T>
struct DensePath {
  const ConvBlockShape& shape;
  const BlockInputs<T>& inputs;
  const BlockSaved<T>& saved;
  void forward(T* pooled) const;
  void backward(const T* d, const BlockGradients<T>& gradients,
                const MomentGradients<T>& of_moments) const;
  void double_backward(const T* d, const BlockCotangents<T>& cotangents,
                       const BlockSecondGradients<T>& gradients) const;
};

/// ConvBlockShape::by_patches.
template <class T>
struct PatchPath {
  const ConvBlockShape& shape;
  const BlockInputs<T>& inputs;
  const BlockSaved<T>& saved;
  void forward(T* pooled) const;
  void backward(const T* d, const BlockGradients<T>& gradients,
                const MomentGradients<T>& of_moments) const;
  void double_backward(const T* d, const BlockCotangents<T>& cotangents,
                       const BlockSecondGradients<T>& gradients) const;

 private:
  void backward_by_given(const T* d, const BlockGradients<T>& gradients) const;
};

}  // namespace cuttle::kernels
