#include "cuttle/kernels/mlp.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "kernels/paths.hpp"
#include "kernels/workspace.hpp"

namespace cuttle::kernels {
namespace {

/// The rows of a packed layer are its weights transposed, then its bias.
template <class T>
Factors<T> weights_of(const T* packed, std::int64_t stride, const T* left, std::int64_t left_stride,
                      std::int64_t depth) {
  return {left, left_stride, 1, packed, stride, depth};
}

/// dL/dp = sum over samples of left^T deltas, and the sum of the deltas for the bias. With two
/// sources: the sum of two such products; the bias takes the second one's deltas.
template <class T>
void weight_gradient(const Isa<T>& loops, int sources, const T* const (&left)[2],
                     std::int64_t left_stride, const T* const (&deltas)[2], std::int64_t stride,
                     std::int64_t size, std::int64_t in, T* to) {
  static const T one = 1;
  Product<T> job{sources, {}, nullptr, to, in, stride, false, nullptr};
  for (int s = 0; s < sources; ++s)
    job.source[s] = {left[s], 1, left_stride, deltas[s], stride, size};
  loops.product(job);
  loops.product({1,
                 {{&one, 0, 0, deltas[sources - 1], stride, size}, {}},
                 nullptr,
                 to + in * stride,
                 1,
                 stride,
                 false,
                 nullptr});
}

}  // namespace

template <class T>
Mlp<T>::Mlp(std::vector<MlpLayer> layers) : layers_(std::move(layers)), lanes_(isa<T>().lanes) {
  if (layers_.empty()) throw std::invalid_argument("perceptron: no layers");
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (layers_[l].in < 1 || layers_[l].out < 1 || (l > 0 && layers_[l].in != layers_[l - 1].out))
      throw std::invalid_argument("perceptron: impossible layers");
    offsets_.push_back(packed_size_);
    packed_size_ += (layers_[l].in + 1) * padded(layers_[l].out);
  }
}

template <class T>
std::int64_t Mlp<T>::padded(std::int64_t columns) const {
  return (columns + lanes_ - 1) / lanes_ * lanes_;
}

template <class T>
void Mlp<T>::pack(const std::vector<MlpWeights<const T>>& from, T* packed) const {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto [in, out, relu] = layers_[l];
    isa<T>().transpose({from[l].weight, out, in, in, packed + offsets_[l], padded(out)});
    T* bias = packed + offsets_[l] + in * padded(out);
    std::copy_n(from[l].bias, out, bias);
    std::fill(bias + out, bias + padded(out), T{});
  }
}

template <class T>
void Mlp<T>::unpack_layer(std::size_t l, const T* rows, const MlpWeights<T>& to) const {
  const auto [in, out, relu] = layers_[l];
  const std::int64_t stride = padded(out);
  std::copy_n(rows + in * stride, out, to.bias);
  if (in % lanes_ == 0) return isa<T>().transpose({rows, in, out, stride, to.weight, in});
  for (std::int64_t i = 0; i < in; ++i, rows += stride)
    for (std::int64_t o = 0; o < out; ++o) to.weight[o * in + i] = rows[o];
}

template <class T>
void Mlp<T>::unpack(const T* packed, const std::vector<MlpWeights<T>>& to) const {
  for (std::size_t l = 0; l < layers_.size(); ++l) unpack_layer(l, packed + offsets_[l], to[l]);
}

template <class T>
std::int64_t Mlp<T>::point_size(std::int64_t size) const {
  std::int64_t total = 0;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    total += 2 * size * padded(layers_[l].out);
    if (l > 0) total += layers_[l].out * padded(layers_[l].in);
  }
  return total;
}

template <class T>
typename Mlp<T>::Point Mlp<T>::point(std::int64_t size, T* memory) const {
  const auto take = [&](std::int64_t count) { return std::exchange(memory, memory + count); };
  Point point;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const std::int64_t rows = size * padded(layers_[l].out);
    point.activations.push_back(take(rows));
    point.deltas.push_back(take(rows));
    if (l > 0) point.turned.push_back(take(layers_[l].out * padded(layers_[l].in)));
  }
  return point;
}

/// The weights as the way back reads them.
template <class T>
void Mlp<T>::turn(const T* packed, const std::vector<T*>& to) const {
  for (std::size_t l = 1; l < layers_.size(); ++l) {
    const auto [in, out, relu] = layers_[l];
    isa<T>().transpose({packed + offsets_[l], in, out, padded(out), to[l - 1], padded(in)});
  }
}

/// Gradients of the loss with respect to the outputs; returns the loss.
template <class T>
double Mlp<T>::start_deltas(const MlpBatch<T>& batch, const T* z, T* deltas) const {
  if (layers_.back().relu) throw std::invalid_argument("perceptron: a loss of what a ReLU gives");
  const std::int64_t outputs = layers_.back().out, stride = padded(outputs);
  double loss = 0;
  std::fill(deltas, deltas + batch.size * stride, T{});
  for (std::int64_t n = 0; n < batch.size; ++n, z += stride, deltas += stride) {
    if (batch.targets) {
      const T scale = T{2} / static_cast<T>(batch.size * outputs);
      for (std::int64_t o = 0; o < outputs; ++o) {
        const T error = z[o] - batch.targets[n * outputs + o];
        loss += static_cast<double>(error) * static_cast<double>(error);
        deltas[o] = scale * error;
      }
      continue;
    }
    const T most = *std::max_element(z, z + outputs);
    T sum = 0;
    for (std::int64_t o = 0; o < outputs; ++o) sum += deltas[o] = std::exp(z[o] - most);
    const T scale = T{1} / (sum * static_cast<T>(batch.size));
    for (std::int64_t o = 0; o < outputs; ++o) deltas[o] *= scale;
    deltas[batch.labels[n]] -= T{1} / static_cast<T>(batch.size);
    loss += static_cast<double>(std::log(sum) + most - z[batch.labels[n]]);
  }
  return loss / static_cast<double>(batch.targets ? batch.size * outputs : batch.size);
}

/// The same for the tangent of the deltas, from that of the outputs.
template <class T>
void Mlp<T>::start_tangent(const MlpBatch<T>& batch, const T* deltas, const T* tangent,
                           T* tangent_deltas) const {
  const std::int64_t outputs = layers_.back().out, stride = padded(outputs);
  std::fill(tangent_deltas, tangent_deltas + batch.size * stride, T{});
  for (std::int64_t n = 0; n < batch.size;
       ++n, deltas += stride, tangent += stride, tangent_deltas += stride) {
    if (batch.targets) {
      const T scale = T{2} / static_cast<T>(batch.size * outputs);
      for (std::int64_t o = 0; o < outputs; ++o) tangent_deltas[o] = scale * tangent[o];
      continue;
    }
    // d softmax = p (dz - <p, dz>); the deltas are (p - label) / size.
    T mean = 0;
    for (std::int64_t o = 0; o < outputs; ++o) {
      const T hit = o == batch.labels[n] ? T{1} / static_cast<T>(batch.size) : T{};
      tangent_deltas[o] = deltas[o] + hit;
      mean += tangent_deltas[o] * static_cast<T>(batch.size) * tangent[o];
    }
    for (std::int64_t o = 0; o < outputs; ++o) tangent_deltas[o] *= tangent[o] - mean;
  }
}

template <class T>
void Mlp<T>::forward(std::int64_t size, const T* x, const T* packed, Point& point) const {
  point.packed = packed;
  turn(packed, point.turned);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto [in, out, relu] = layers_[l];
    const std::int64_t stride = padded(out);
    const T* weights = packed + offsets_[l];
    isa<T>().product({1,
                      {weights_of(weights, stride, input(x, point, l), input_stride(l), in), {}},
                      weights + in * stride,
                      point.activations[l],
                      size,
                      stride,
                      relu,
                      nullptr});
  }
}

/// The first layer's deltas times its weights; with two sources the sum of two such products.
template <class T>
void Mlp<T>::to_inputs(std::int64_t size, int sources, const T* const (&deltas)[2],
                       const T* const (&packed)[2], T* of_x) const {
  const auto [in, out, relu] = layers_[0];
  const std::int64_t stride = padded(out);
  Scratch scratch;
  Product<T> job{sources, {}, nullptr, of_x, size, padded(in), false, nullptr};
  for (int s = 0; s < sources; ++s) {
    T* turned = scratch.take<T>(out * padded(in));
    isa<T>().transpose({packed[s], in, out, stride, turned, padded(in)});
    job.source[s] = {deltas[s], stride, 1, turned, padded(in), out};
  }
  isa<T>().product(job);
}

template <class T>
void Mlp<T>::make_deltas(std::int64_t size, const Point& point) const {
  T* last = point.deltas.back();
  if (const T* given = gate(point, layers_.size() - 1))
    for (std::int64_t i = 0; i < size * padded(layers_.back().out); ++i)
      last[i] = given[i] <= 0 ? T{} : last[i];  // always written: a branch would be a coin's toss
  for (std::size_t l = layers_.size() - 1; l > 0; --l) {
    const auto [in, out, relu] = layers_[l];
    isa<T>().product({1,
                      {{point.deltas[l], padded(out), 1, point.turned[l - 1], padded(in), out}, {}},
                      nullptr,
                      point.deltas[l - 1],
                      size,
                      padded(in),
                      false,
                      gate(point, l - 1)});
  }
}

template <class T>
void Mlp<T>::weight_gradients(const std::vector<Passed>& batches,
                              const std::vector<MlpWeights<T>>& to) const {
  static const T one = 1;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (!to[l].weight) continue;
    const auto [in, out, relu] = layers_[l];
    const std::int64_t stride = padded(out), left = input_stride(l);
    const bool in_place = in % lanes_ == 0;  // the weights' rows are whole vectors
    Scratch scratch;
    T* rows = scratch.take<T>((in_place ? 1 : in + 1) * stride);
    T* bias_row = in_place ? rows : rows + in * stride;
    Product<T> weight{0, {}, nullptr, rows, in, stride, false, nullptr},
        bias{0, {}, nullptr, bias_row, 1, stride, false, nullptr};
    if (in_place) weight = {0, {}, nullptr, to[l].weight, out, in, false, nullptr};
    for (const auto& [size, x, point] : batches) {
      if (size == 0) continue;
      const int s = weight.sources++;
      const T *a = input(x, point, l), *deltas = point.deltas[l];
      bias.source[s] = {&one, 0, 0, deltas, stride, size};
      weight.source[s] = in_place ? Factors<T>{deltas, 1, stride, a, left, size}
                                  : Factors<T>{a, 1, left, deltas, stride, size};
    }
    bias.sources = weight.sources;
    isa<T>().product(weight);
    isa<T>().product(bias);
    if (in_place)
      std::copy_n(bias_row, out, to[l].bias);
    else
      unpack_layer(l, rows, to[l]);
  }
}

/// From all deltas.
template <class T>
void Mlp<T>::packed_gradient(std::int64_t size, const T* x, const Point& point, T* gradient,
                             T* of_x) const {
  for (std::size_t l = 0; l < layers_.size(); ++l)
    weight_gradient<T>(isa<T>(), 1, {input(x, point, l), nullptr}, input_stride(l),
                       {point.deltas[l], nullptr}, padded(layers_[l].out), size, layers_[l].in,
                       gradient + offsets_[l]);
  if (of_x) to_inputs(size, 1, {point.deltas[0], nullptr}, {point.packed, nullptr}, of_x);
}

template <class T>
void Mlp<T>::backward(std::int64_t size, const T* x, const Point& point, T* gradient,
                      T* of_x) const {
  make_deltas(size, point);
  packed_gradient(size, x, point, gradient, of_x);
}

template <class T>
double Mlp<T>::loss(const MlpBatch<T>& batch, const T* packed, Point& point) const {
  forward(batch.size, batch.x, packed, point);
  const double loss = start_deltas(batch, point.activations.back(), point.deltas.back());
  make_deltas(batch.size, point);
  return loss;
}

template <class T>
double Mlp<T>::gradient(const MlpBatch<T>& batch, const T* packed, Point& point, T* gradient,
                        T* of_x) const {
  const double loss = this->loss(batch, packed, point);
  packed_gradient(batch.size, batch.x, point, gradient, of_x);
  return loss;
}

template <class T>
void Mlp<T>::tangent(std::int64_t size, const T* x, const Point& point, const Direction& direction,
                     Point& tangent) const {
  turn(direction.packed, tangent.turned);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto [in, out, relu] = layers_[l];
    const std::int64_t stride = padded(out), left = input_stride(l);
    const T* ahead = direction.packed + offsets_[l];
    Product<T> job{1,
                   {weights_of(ahead, stride, input(x, point, l), left, in), {}},
                   ahead + in * stride,
                   tangent.activations[l],
                   size,
                   stride,
                   false,
                   gate(point, l)};
    if (const T* moved = l > 0 ? tangent.activations[l - 1] : direction.x) {
      job.sources = 2;
      job.source[1] = weights_of<T>(point.packed + offsets_[l], stride, moved, left, in);
    }
    isa<T>().product(job);
  }
}

template <class T>
void Mlp<T>::tangent_backward(std::int64_t size, const T* x, const Point& point,
                              const Point& tangent, const Direction& direction, T* product,
                              T* of_x) const {
  const Isa<T>& loops = isa<T>();
  for (std::size_t l = layers_.size(); l-- > 0;) {
    const auto [in, out, relu] = layers_[l];
    const std::int64_t stride = padded(out);
    const T* moved = l > 0 ? tangent.activations[l - 1] : direction.x;
    if (moved)
      weight_gradient<T>(loops, 2, {moved, input(x, point, l)}, input_stride(l),
                         {point.deltas[l], tangent.deltas[l]}, stride, size, in,
                         product + offsets_[l]);
    else
      weight_gradient<T>(loops, 1, {x, nullptr}, in, {tangent.deltas[0], nullptr}, stride, size, in,
                         product);
    if (l == 0) break;
    loops.product({2,
                   {{tangent.deltas[l], stride, 1, point.turned[l - 1], padded(in), out},
                    {point.deltas[l], stride, 1, tangent.turned[l - 1], padded(in), out}},
                   nullptr,
                   tangent.deltas[l - 1],
                   size,
                   padded(in),
                   false,
                   gate(point, l - 1)});
  }
  if (of_x)
    to_inputs(size, 2, {tangent.deltas[0], point.deltas[0]}, {point.packed, direction.packed},
              of_x);
}

template <class T>
void Mlp<T>::hessian_product(const MlpBatch<T>& batch, const Point& point, const T* direction,
                             T* product, T* of_x) const {
  Scratch scratch;
  Point along = this->point(batch.size, scratch.take<T>(point_size(batch.size)));
  tangent(batch.size, batch.x, point, {direction}, along);
  start_tangent(batch, point.deltas.back(), along.activations.back(), along.deltas.back());
  tangent_backward(batch.size, batch.x, point, along, {direction}, product, of_x);
}

template class Mlp<float>;
template class Mlp<double>;

}  // namespace cuttle::kernels
