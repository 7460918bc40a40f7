#pragma once

#include <cstdint>
#include <vector>

namespace cuttle::kernels {

/// A linear layer: z = a W^T + b, then ReLU if `relu`.
struct MlpLayer {
  std::int64_t in, out;
  bool relu;
};

/// Where a layer's weight [out, in] and bias [out] are, as LibTorch has them.
template <class T>
struct MlpWeights {
  T *weight, *bias;
};

/// Samples with labels (int64 [size], mean cross-entropy) or targets ([size, outputs], mean squared
/// error); the other one is null.
template <class T>
struct MlpBatch {
  std::int64_t size;
  const T* x;  ///< [size, inputs]
  const std::int64_t* labels;
  const T* targets;
};

/// A multilayer perceptron with its loss, gradient and Hessian-vector product (the R-operator:
/// Pearlmutter, "Fast exact multiplication by the Hessian", 1994), for models so small that their
/// arithmetic is done before a general library has dispatched it; or a stack of layers without
/// loss. One thread; a sample's values do not depend on the other samples.
///
/// Parameter vectors are "packed": layer after layer in + 1 rows (the last one is the bias) of
/// `out` values, rows padded with zeros to whole vectors of the instruction set; so are their
/// gradients and directions, and a step of gradient descent is one pass over them.
template <class T>
class Mlp {
 public:
  /// At least one layer; each takes what the one before gives.
  explicit Mlp(std::vector<MlpLayer> layers);

  std::int64_t packed_size() const { return packed_size_; }
  void pack(const std::vector<MlpWeights<const T>>& from, T* packed) const;
  void unpack(const T* packed, const std::vector<MlpWeights<T>>& to) const;

  /// What a pass keeps: what the Hessian at the same parameters starts from.
  struct Point {
    const T* packed = nullptr;
    std::vector<T*> turned;       ///< weights of the layers but the first, [out, in padded]
    std::vector<T*> activations;  ///< what each layer gives, [size, out padded]
    std::vector<T*> deltas;       ///< gradients of the loss with respect to each z
  };
  /// Values of memory that a point for `size` samples takes; a point in such memory.
  std::int64_t point_size(std::int64_t size) const;
  Point point(std::int64_t size, T* memory) const;

  /// Value `column` of what the model says of a sample.
  T output(const Point& point, std::int64_t sample, std::int64_t column) const {
    return point.activations.back()[sample * padded(layers_.back().out) + column];
  }

  /// The columns of a row of activations and deltas: a layer's outputs, padded.
  std::int64_t padded(std::int64_t columns) const;

  /// What the layers make of x [size, inputs] at `packed`, which must live as long as the point.
  void forward(std::int64_t size, const T* x, const T* packed, Point& point) const;
  /// All deltas of a point from its last ones, the gradient with respect to what the layers give.
  void make_deltas(std::int64_t size, const Point& point) const;
  /// A batch with all deltas.
  struct Passed {
    std::int64_t size;
    const T* x;
    const Point& point;
  };
  /// The gradient, summed over one or two batches, as LibTorch has the weights; null: not wanted.
  void weight_gradients(const std::vector<Passed>& batches,
                        const std::vector<MlpWeights<T>>& to) const;
  /// make_deltas(), and the gradient packed. `of_x` [size, inputs padded], if asked for, gets that
  /// of x.
  void backward(std::int64_t size, const T* x, const Point& point, T* gradient,
                T* of_x = nullptr) const;
  /// A way to go: of the parameters, packed, and of x [size, inputs], which may stand still (null).
  struct Direction {
    const T* packed;
    const T* x = nullptr;
  };
  /// How the layers' outputs move along a direction at a point: the tangent's activations; and its
  /// turned weights.
  void tangent(std::int64_t size, const T* x, const Point& point, const Direction& direction,
               Point& tangent) const;
  /// The derivative of backward() along that direction, from the tangent's last deltas, which are
  /// the derivatives of the point's; and of_x's.
  void tangent_backward(std::int64_t size, const T* x, const Point& point, const Point& tangent,
                        const Direction& direction, T* product, T* of_x = nullptr) const;

  // Without a ReLU at the end:
  /// The loss at `packed`, which must live as long as the point; makes all deltas.
  double loss(const MlpBatch<T>& batch, const T* packed, Point& point) const;
  /// The same, and the gradient, packed too. `of_x` [size, inputs padded], if asked for, gets the
  /// loss's gradient with respect to x.
  double gradient(const MlpBatch<T>& batch, const T* packed, Point& point, T* gradient,
                  T* of_x = nullptr) const;

  /// product = Hessian of the loss at the point, times direction. Both packed. `of_x`: the gradient
  /// with respect to x of the loss's gradient times direction.
  void hessian_product(const MlpBatch<T>& batch, const Point& point, const T* direction, T* product,
                       T* of_x = nullptr) const;

 private:
  const T* input(const T* x, const Point& point, std::size_t l) const {
    return l == 0 ? x : point.activations[l - 1];
  }
  std::int64_t input_stride(std::size_t l) const {
    return l == 0 ? layers_[0].in : padded(layers_[l].in);
  }
  /// Zeros where a ReLU before layer l + 1 lets nothing through; null: none is there.
  const T* gate(const Point& point, std::size_t l) const {
    return layers_[l].relu ? point.activations[l] : nullptr;
  }
  void unpack_layer(std::size_t l, const T* rows, const MlpWeights<T>& to) const;
  void turn(const T* packed, const std::vector<T*>& to) const;
  void packed_gradient(std::int64_t size, const T* x, const Point& point, T* gradient,
                       T* of_x) const;
  void to_inputs(std::int64_t size, int sources, const T* const (&deltas)[2],
                 const T* const (&packed)[2], T* of_x) const;
  double start_deltas(const MlpBatch<T>& batch, const T* z, T* deltas) const;
  void start_tangent(const MlpBatch<T>& batch, const T* deltas, const T* tangent,
                     T* tangent_deltas) const;

  std::vector<MlpLayer> layers_;
  std::vector<std::int64_t> offsets_;  ///< of the layers in packed vectors
  std::int64_t packed_size_ = 0;
  std::int64_t lanes_;
};

}  // namespace cuttle::kernels
