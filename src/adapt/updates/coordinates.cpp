#include "adapt/updates/coordinates.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "adapt/updates/as_input.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/model/linear_stack.hpp"

namespace cuttle {
namespace {

using torch::autograd::AutogradContext;

/// Some coordinates at a time, and as many of their sums as the compiler keeps in vectors.
constexpr std::int64_t kBlock = 128, kSums = 8;

/// Coordinates as preprocess() gives them; the last block is filled up with zeros, which `there`
/// tells apart.
template <class T>
struct CoordinateBlock {
  T size[kBlock] = {}, sign[kBlock] = {};
  std::int64_t there;

  CoordinateBlock(const T* x, std::int64_t count) : there(std::min(kBlock, count)) {
    const T power = std::exp(T{10}), least = 1 / power;
    for (std::int64_t i = 0; i < there; ++i) {
      const T length = std::abs(x[i]);
      size[i] = length >= least ? std::log(length) / 10 : T{-1};
      sign[i] = length >= least ? std::copysign(T{1}, x[i]) : power * x[i];
    }
  }
};

/// The perceptron's weights, or their gradients.
template <class T>
struct CoordinateWeights {
  std::int64_t hidden;
  T *in, *in_bias, *out, *out_bias;
  explicit CoordinateWeights(at::TensorList w)
      : hidden(w[1].numel()),
        in(w[0].data_ptr<T>()),
        in_bias(w[1].data_ptr<T>()),
        out(w[2].data_ptr<T>()),
        out_bias(w[3].data_ptr<T>()) {}
};

/// Of a block, what `slopes` of its outputs are for the weights.
template <class T>
void add_slopes(const CoordinateBlock<T>& block, const T* slopes, const CoordinateWeights<T>& w,
                const CoordinateWeights<T>& to) {
  for (std::int64_t i = 0; i < kBlock; ++i) *to.out_bias += slopes[i];
  for (std::int64_t h = 0; h < w.hidden; ++h) {
    const T by_size = w.in[2 * h], by_sign = w.in[2 * h + 1], bias = w.in_bias[h];
    T of_size[kSums] = {}, of_sign[kSums] = {}, of_bias[kSums] = {}, of_out[kSums] = {};
    for (std::int64_t first = 0; first < kBlock; first += kSums)
      for (std::int64_t s = 0; s < kSums; ++s) {
        const T size = block.size[first + s], sign = block.sign[first + s];
        const T value = by_size * size + by_sign * sign + bias;
        const T slope = value > 0 ? slopes[first + s] : T{};
        of_size[s] += slope * size;
        of_sign[s] += slope * sign;
        of_bias[s] += slope;
        of_out[s] += slope * value;
      }
    for (std::int64_t s = 0; s < kSums; ++s) {
      to.in[2 * h] += w.out[h] * of_size[s];
      to.in[2 * h + 1] += w.out[h] * of_sign[s];
      to.in_bias[h] += w.out[h] * of_bias[s];
      to.out[h] += of_out[s];
    }
  }
}

class OfCoordinates : public torch::autograd::Function<OfCoordinates> {
 public:
  static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& gradient,
                               at::TensorList weights) {
    Tensors w = weights.vec();
    auto made = torch::empty_like(gradient);
    with_type_of(gradient, [&](auto type) {
      using T = decltype(type);
      const CoordinateWeights<T> by(w);
      const T* x = gradient.data_ptr<T>();
      T* to = made.template data_ptr<T>();
      for (std::int64_t left = gradient.numel(); left > 0; left -= kBlock, x += kBlock) {
        const CoordinateBlock<T> block(x, left);
        T sums[kBlock];
        std::fill_n(sums, kBlock, *by.out_bias);
        for (std::int64_t h = 0; h < by.hidden; ++h) {
          const T by_size = by.in[2 * h], by_sign = by.in[2 * h + 1], bias = by.in_bias[h];
          const T out = by.out[h];
          for (std::int64_t i = 0; i < kBlock; ++i) {
            const T value = by_size * block.size[i] + by_sign * block.sign[i] + bias;
            sums[i] += out * (value > 0 ? value : T{});
          }
        }
        to = std::copy_n(sums, block.there, to);
      }
    });
    w.push_back(gradient);
    ctx->save_for_backward(std::move(w));
    return made;
  }

  static Tensors backward(AutogradContext* ctx, Tensors cotangents) {
    CUTTLE_REQUIRE(!torch::GradMode::is_enabled(),
                   "fast weights made of coordinates have no second derivative");
    const auto w = ctx->get_saved_variables();
    Tensors result{torch::Tensor()};
    for (std::size_t i = 0; i < 4; ++i) result.push_back(torch::zeros_like(w[i]));
    const auto given = cotangents[0].contiguous();
    with_type_of(given, [&](auto type) {
      using T = decltype(type);
      const CoordinateWeights<T> by(w), to(at::TensorList(result).slice(1));
      const T *x = w[4].data_ptr<T>(), *of = given.data_ptr<T>();
      for (std::int64_t left = given.numel(); left > 0; left -= kBlock) {
        const CoordinateBlock<T> block(x, left);
        T slopes[kBlock] = {};
        std::copy_n(of, block.there, slopes);
        add_slopes(block, slopes, by, to);
        x += kBlock, of += kBlock;
      }
    });
    return result;
  }
};

}  // namespace

torch::Tensor of_coordinates(const torch::Tensor& gradient, const torch::Tensor& in,
                             const torch::Tensor& in_bias, const torch::Tensor& out,
                             const torch::Tensor& out_bias) {
  if (!may_be_packed(gradient, in))
    return torch::linear(torch::relu(torch::linear(preprocess(gradient.flatten()), in, in_bias)),
                         out, out_bias)
        .view(gradient.sizes());
  const Tensors weights{in.contiguous(), in_bias.contiguous(), out.contiguous(),
                        out_bias.contiguous()};
  return OfCoordinates::apply(gradient.contiguous(), at::TensorList(weights));
}

}  // namespace cuttle
