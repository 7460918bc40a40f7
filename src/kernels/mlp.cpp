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
  if (layers_.back().relu) throw std::invalid_argument("perceptron: the last layer has a ReLU");
}

template <class T>
std::int64_t Mlp<T>::padded(std::int64_t columns) const {
  return (columns + lanes_ - 1) / lanes_ * lanes_;
}

template <class T>
void Mlp<T>::pack(const std::vector<MlpWeights<const T>>& from, T* packed) const {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto [in, out, relu] = layers_[l];
    T* row = packed + offsets_[l];
    for (std::int64_t i = 0; i <= in; ++i, row += padded(out)) {
      for (std::int64_t o = 0; o < out; ++o)
        row[o] = i < in ? from[l].weight[o * in + i] : from[l].bias[o];
      std::fill(row + out, row + padded(out), T{});
    }
  }
}

template <class T>
void Mlp<T>::unpack(const T* packed, const std::vector<MlpWeights<T>>& to) const {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto [in, out, relu] = layers_[l];
    const T* row = packed + offsets_[l];
    for (std::int64_t i = 0; i <= in; ++i, row += padded(out))
      for (std::int64_t o = 0; o < out; ++o)
        (i < in ? to[l].weight[o * in + i] : to[l].bias[o]) = row[o];
  }
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
std::vector<T*> Mlp<T>::turn(const T* packed, std::vector<T*> to) const {
  for (std::size_t l = 1; l < layers_.size(); ++l) {
    const auto [in, out, relu] = layers_[l];
    isa<T>().transpose({packed + offsets_[l], in, out, padded(out), to[l - 1], padded(in)});
  }
  return to;
}

/// Gradients of the loss with respect to the outputs; returns the loss.
template <class T>
double Mlp<T>::start_deltas(const MlpBatch<T>& batch, const T* z, T* deltas) const {
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
double Mlp<T>::gradient(const MlpBatch<T>& batch, const T* packed, Point& point,
                        T* gradient) const {
  const Isa<T>& loops = isa<T>();
  point.packed = packed;
  turn(packed, point.turned);
  const auto input = [&](std::size_t l) { return l == 0 ? batch.x : point.activations[l - 1]; };
  const auto input_stride = [&](std::size_t l) {
    return l == 0 ? layers_[0].in : padded(layers_[l].in);
  };
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto [in, out, relu] = layers_[l];
    const std::int64_t stride = padded(out);
    const T* weights = packed + offsets_[l];
    loops.product({1,
                   {weights_of(weights, stride, input(l), input_stride(l), in), {}},
                   weights + in * stride,
                   point.activations[l],
                   batch.size,
                   stride,
                   relu,
                   nullptr});
  }
  const double loss = start_deltas(batch, point.activations.back(), point.deltas.back());
  for (std::size_t l = layers_.size(); l-- > 0;) {
    const auto [in, out, relu] = layers_[l];
    const std::int64_t stride = padded(out);
    weight_gradient<T>(loops, 1, {input(l), nullptr}, input_stride(l), {point.deltas[l], nullptr},
                       stride, batch.size, in, gradient + offsets_[l]);
    if (l == 0) break;
    loops.product({1,
                   {{point.deltas[l], stride, 1, point.turned[l - 1], padded(in), out}, {}},
                   nullptr,
                   point.deltas[l - 1],
                   batch.size,
                   padded(in),
                   false,
                   layers_[l - 1].relu ? point.activations[l - 1] : nullptr});
  }
  return loss;
}

template <class T>
void Mlp<T>::hessian_product(const MlpBatch<T>& batch, const Point& point, const T* direction,
                             T* product) const {
  const Isa<T>& loops = isa<T>();
  Scratch scratch;
  const Point tangent = this->point(batch.size, scratch.take<T>(point_size(batch.size)));
  const auto &tangents = tangent.activations, &deltas = tangent.deltas;
  const auto turned = turn(direction, tangent.turned);
  const auto gate = [&](std::size_t l) {
    return layers_[l].relu ? point.activations[l] : static_cast<const T*>(nullptr);
  };
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto [in, out, relu] = layers_[l];
    const std::int64_t stride = padded(out), left = l == 0 ? in : padded(in);
    const T* ahead = direction + offsets_[l];
    const auto moved =
        weights_of(ahead, stride, l == 0 ? batch.x : point.activations[l - 1], left, in);
    Product<T> job{1,     {moved, {}}, ahead + in * stride, tangents[l], batch.size, stride,
                   false, gate(l)};
    if (l > 0) {
      job.sources = 2;
      job.source[1] = weights_of<T>(point.packed + offsets_[l], stride, tangents[l - 1], left, in);
    }
    loops.product(job);
  }
  start_tangent(batch, point.deltas.back(), tangents.back(), deltas.back());
  for (std::size_t l = layers_.size(); l-- > 0;) {
    const auto [in, out, relu] = layers_[l];
    const std::int64_t stride = padded(out);
    if (l == 0) {
      weight_gradient<T>(loops, 1, {batch.x, nullptr}, in, {deltas[0], nullptr}, stride, batch.size,
                         in, product);
      break;
    }
    weight_gradient<T>(loops, 2, {tangents[l - 1], point.activations[l - 1]}, padded(in),
                       {point.deltas[l], deltas[l]}, stride, batch.size, in, product + offsets_[l]);
    loops.product({2,
                   {{deltas[l], stride, 1, point.turned[l - 1], padded(in), out},
                    {point.deltas[l], stride, 1, turned[l - 1], padded(in), out}},
                   nullptr,
                   deltas[l - 1],
                   batch.size,
                   padded(in),
                   false,
                   gate(l - 1)});
  }
}

template class Mlp<float>;
template class Mlp<double>;

}  // namespace cuttle::kernels
