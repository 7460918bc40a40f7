#pragma once

#include <cstdint>
#include <vector>

#include "cuttle/kernels/mlp.hpp"

// Layers of transformers: with the norms after attention and perceptron for weights that stay,
// before them with derivatives.
namespace cuttle::kernels {

/// The perceptron's activation: x Phi(x) (Hendrycks and Gimpel 2016), its form by tanh, or ReLU.
enum class Activation { kGelu, kGeluTanh, kRelu };

/// The sizes of a transformer's layer.
struct PostNormShape {
  std::int64_t width, heads, inner;
  float eps;
  Activation activation;
};

/// Its weights as PyTorch has them: queries, keys and values [3 width, width], what follows the
/// attention [width, width], the perceptron [inner, width] and [width, inner], scales and shifts of
/// the norms of attention and perceptron, [width].
template <class T>
struct TransformerWeights {
  MlpWeights<T> in, out, up, down, norm1, norm2;
};

/// A transformer's layer whose weights stay: self-attention, then a perceptron, each added to what
/// came in and normalised after (Vaswani et al. 2017). Float32, one thread; what becomes of a text
/// does not depend on the others.
class PostNormLayer {
 public:
  /// Whether the sizes are whole vectors of every instruction set.
  static bool fits(const PostNormShape& shape);
  /// Keeps the weights in a form of its own. fits(shape).
  PostNormLayer(const PostNormShape& shape, const TransformerWeights<const float>& weights);

  /// x: the tokens of all texts, one text after the other without padding, [sum of lengths, width].
  void forward(const std::vector<std::int64_t>& lengths, float* x) const;

 private:
  void attend(std::int64_t length, const float* all, float* mixed) const;

  PostNormShape shape_;
  Mlp<float> in_, out_, up_, down_;
  std::vector<float> weights_, norms_;  ///< packed, layer after layer; scale, shift of both norms
};

/// The sizes of a transformer's layer.
struct PreNormShape {
  std::int64_t width, heads, inner;
  double eps;  ///< of its norms
};

/// Sequences of tokens [count, length, width].
template <class T>
struct Sequences {
  std::int64_t count, length;
  const T* x;
  const T* mask;  ///< [count, length], 0 where there is no token; null: all are there
};

/// A transformer's layer with derivatives: self-attention, then a perceptron with x Phi(x)
/// (Hendrycks and Gimpel 2016), each behind a layer norm and added to what came in (Xiong et al.
/// 2020). Nobody looks at a token that is not there, unless a sequence has none. What becomes of a
/// sequence does not depend on the others.
template <class T>
class PreNormLayer {
 public:
  /// Whether the sizes are whole vectors of every instruction set.
  static bool fits(const PreNormShape& shape);
  /// The weights stay where they are. fits(shape).
  PreNormLayer(const PreNormShape& shape, const TransformerWeights<const T>& weights)
      : shape_(shape), weights_(weights) {}

  /// Values that forward() leaves to backward().
  std::int64_t kept_size(std::int64_t count, std::int64_t length) const;
  /// y is as x; kept may be null.
  void forward(const Sequences<T>& of, T* y, T* kept) const;
  /// Values of all weights and biases.
  std::int64_t weights_size() const;
  /// From of_y the gradients of x and of the weights; those are one after the other, each weight
  /// with its bias, in the order of TransformerWeights. In sums whose order the sizes and the
  /// number of threads decide.
  void backward(const Sequences<T>& of, T* kept, const T* of_y, T* of_x, T* of_weights) const;

 private:
  PreNormShape shape_;
  TransformerWeights<const T> weights_;
};

}  // namespace cuttle::kernels
