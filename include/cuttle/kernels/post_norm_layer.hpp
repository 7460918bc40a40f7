#pragma once

#include <cstdint>
#include <vector>

#include "cuttle/kernels/mlp.hpp"

namespace cuttle::kernels {

/// The perceptron's activation: x Phi(x) (Hendrycks and Gimpel 2016), its form by tanh, or ReLU.
enum class Activation { kGelu, kGeluTanh, kRelu };

/// The sizes of a transformer's layer.
struct PostNormShape {
  std::int64_t width, heads, inner;
  float eps;
  Activation activation;
};

/// Its weights as PyTorch has them.
struct PostNormWeights {
  MlpWeights<const float> in;     ///< queries, keys, values: [3 width, width]
  MlpWeights<const float> out;    ///< [width, width]
  MlpWeights<const float> norm1;  ///< scale and shift, [width]
  MlpWeights<const float> up;     ///< [inner, width]
  MlpWeights<const float> down;   ///< [width, inner]
  MlpWeights<const float> norm2;
};

/// A transformer's layer whose weights stay: self-attention, then a perceptron, each added to what
/// came in and normalised after (Vaswani et al. 2017). Float32, one thread; what becomes of a text
/// does not depend on the others.
class PostNormLayer {
 public:
  /// Whether the sizes are whole vectors of every instruction set.
  static bool fits(const PostNormShape& shape);
  /// Keeps the weights in a form of its own. fits(shape).
  PostNormLayer(const PostNormShape& shape, const PostNormWeights& weights);

  /// x: the tokens of all texts, one text after the other without padding, [sum of lengths, width].
  void forward(const std::vector<std::int64_t>& lengths, float* x) const;

 private:
  void attend(std::int64_t length, const float* all, float* mixed) const;

  PostNormShape shape_;
  Mlp<float> in_, out_, up_, down_;
  std::vector<float> weights_, norms_;  ///< packed, layer after layer; scale, shift of both norms
};

}  // namespace cuttle::kernels
