#pragma once

#include <cstdint>
#include <vector>

/// The block convolution -> norm -> ReLU -> max-pool on CPUs, with its first and second
/// derivatives, for gradients through the steps of an inner loop. The norm's statistics are the
/// batch's own, or given (a support set's, say; first derivatives only), or each image's own. Plain
/// pointers, no LibTorch.
///
/// Activations are [images, height, width, channels], dense, channels innermost. The kernel is 3 x
/// 3 (or 1 x 3) with padding 1, or 1 x 1. T is float or double.
///
/// Threads: as many as OpenMP would use. Results depend on the shape, the thread count and the
/// instruction set, not on addresses, on what ran before or on which thread calls. Scratch memory
/// is kept per thread.
namespace cuttle::kernels {

struct ConvBlockShape {
  std::int64_t images = 1, height = 2, width = 2, in = 1, out = 1;
  std::int64_t kernel_height = 3;  ///< 3, or 1 for sequences (height 1, width = time)
  /// Pooling window; 1 x 1 leaves only ReLU. Without ceil what is left over at the end is dropped,
  /// as LibTorch does.
  std::int64_t pool_height = 2, pool_width = 2;
  bool ceil = false;
  /// Whether any derivative with respect to x will be asked for, or given. When not, and with few
  /// input channels, nothing of the size of the convolution's output is stored: see by_patches.
  bool input_gradient = true;
  bool relu = true;               ///< false: nothing is cut
  std::int64_t kernel_width = 3;  ///< 3, or 1 with kernel_height 1
  /// 0: statistics are the batch's. Else every image's own, over so many equal groups of channels
  /// (Wu and He, 2018): 1 is layer norm, `out` instance norm.
  std::int64_t norm_groups = 0;

  std::int64_t pooled_height() const { return pooled(height, pool_height); }
  std::int64_t pooled_width() const { return pooled(width, pool_width); }
  std::int64_t pixels() const { return images * height * width; }
  std::int64_t taps() const { return kernel_height * kernel_width; }
  std::int64_t patch() const { return taps() * in; }
  std::int64_t conv_elements() const { return by_patches() ? 0 : pixels() * out; }
  std::int64_t weight_elements() const { return out * patch(); }
  /// Of means and deviations: a channel's, and an image's where each has its own.
  std::int64_t norm_elements() const { return (norm_groups > 0 ? images : 1) * out; }
  std::int64_t pooled_elements() const { return images * pooled_height() * pooled_width() * out; }
  /// Of patch_moments: count, mean, covariance; 0 where they are not used.
  std::int64_t moment_elements() const { return by_patches() ? 1 + patch() * (1 + patch()) : 0; }

  /// First layers. With X the matrix of patches (pixels x 9 in) the convolution is X W, so mean and
  /// covariance of the patches give its statistics, and every sum over all pixels in the
  /// derivatives becomes a product of small matrices. The convolution is recomputed where it is
  /// needed rather than stored.
  bool by_patches() const {
    return !input_gradient && kernel_width == 3 && patch() <= 32 && norm_groups == 0;
  }

 private:
  std::int64_t pooled(std::int64_t size, std::int64_t window) const {
    return (ceil ? size + window - 1 : size) / window;
  }
};

/// What all passes read. The weight is laid out as LibTorch's: [out, in, kernel height, 3].
template <class T>
struct BlockInputs {
  const T* x = nullptr;
  const T* weight = nullptr;
  const T* gamma = nullptr;
  const T* beta = nullptr;
  /// 1 at real pixels, 0 at padding of sequences, [images, height, width]; null: all are real. Only
  /// real pixels enter the statistics, and the others are 0 after the norm. x must be 0 there.
  const T* real = nullptr;
  /// By patches and own statistics only: what patch_moments gives. Depends on x and real alone.
  const double* moments = nullptr;
  /// Statistics to normalise by, [out] each; null: those of the batch.
  const T* mean = nullptr;
  const T* variance = nullptr;
  /// The convolution's, [out], with norm_groups only: the batch's statistics cancel it, and its
  /// gradient by them is exactly 0. Null: 0.
  const T* bias = nullptr;

  bool given() const { return mean != nullptr; }
};

/// What forward leaves for the derivatives.
template <class T>
struct BlockSaved {
  T* y = nullptr;        ///< of the convolution without bias, conv_elements(); null by patches
  T* mean = nullptr;     ///< of y, norm_elements(); the bias is taken off
  T* inv_std = nullptr;  ///< like mean, of the biased variance + 1e-5
  std::uint8_t* choice =
      nullptr;  ///< like pooled: row * pool_width + column of the maximum, 255 where ReLU cut it
  T* offset = nullptr;  ///< with norm_groups, like mean: a channel's mean less its group's
};

template <class T>
struct BlockGradients {
  T* x = nullptr;         ///< may be null: not wanted
  T* weight = nullptr;    ///< may be null: not wanted
  T* gamma = nullptr;     ///< must be given
  T* beta = nullptr;      ///< must be given
  T* mean = nullptr;      ///< of given statistics; must be there with them
  T* variance = nullptr;  ///< likewise
  T* bias = nullptr;      ///< may be null: not wanted, or not there
};

/// Gradients of the batch's own statistics, [out] each, where somebody used them; null stands for
/// 0. `variance` is the biased one.
template <class T>
struct MomentGradients {
  const T* mean = nullptr;
  const T* variance = nullptr;
};

/// Cotangents of backward's results; null stands for 0. x's can only be given if the shape has
/// input_gradient.
template <class T>
struct BlockCotangents {
  const T* x = nullptr;
  const T* weight = nullptr;
  const T* gamma = nullptr;
  const T* beta = nullptr;
  const T* bias = nullptr;
};

/// Gradients of backward's results, weighted by the cotangents, with respect to backward's inputs.
/// Beta's is 0.
template <class T>
struct BlockSecondGradients {
  T* pooled_gradient = nullptr;  ///< may be null, as may x and weight: not wanted
  T* x = nullptr;
  T* weight = nullptr;
  T* gamma = nullptr;  ///< must be given
  T* bias = nullptr;   ///< may be null: not wanted, or not there
};

template <class T>
void patch_moments(const ConvBlockShape& shape, const T* x, const T* real, double* moments);

template <class T>
void forward(const ConvBlockShape& shape, const BlockInputs<T>& inputs, const BlockSaved<T>& saved,
             T* pooled);

template <class T>
void backward(const ConvBlockShape& shape, const BlockInputs<T>& inputs, const BlockSaved<T>& saved,
              const T* pooled_gradient, const BlockGradients<T>& gradients,
              const MomentGradients<T>& of_moments = {});

/// Of backward by own statistics, without gradients of moments.
template <class T>
void double_backward(const ConvBlockShape& shape, const BlockInputs<T>& inputs,
                     const BlockSaved<T>& saved, const T* pooled_gradient,
                     const BlockCotangents<T>& cotangents,
                     const BlockSecondGradients<T>& gradients);

/// Which copy of the inner loops runs. The first use takes the best that the processor has.
enum class InstructionSet { kGeneric, kAvx2, kAvx512 };
std::vector<InstructionSet> available_instruction_sets();
InstructionSet instruction_set();
/// "generic", "avx2" or "avx512".
const char* to_string(InstructionSet set);
/// Not while another thread computes. Throws std::invalid_argument if the processor lacks it.
void select_instruction_set(InstructionSet chosen);

}  // namespace cuttle::kernels
