#pragma once

#include <torch/types.h>

#include <algorithm>
#include <string>
#include <vector>

#include "adapt/layers.hpp"
#include "adapt/plain_rows.hpp"
#include "adapt/task_layers.hpp"

namespace cuttle {

/// h or g of a neural process: one hidden layer.
struct ProcessPart {
  ProcessPart(ParameterLayout& layout, const std::string& name, std::int64_t in,
              std::int64_t hidden, std::int64_t out)
      : first(layout, name + ".0", {hidden, in}), second(layout, name + ".1", {out, hidden}) {}
  torch::Tensor operator()(const Tensors& p, const Tensors& x) const {
    return second(p, torch::relu(first(p, torch::cat(x, 1))));
  }
  OwnLayer first, second;
};

/// The conditional process as layers on queries: r, `means` means side by side (of classes, or one
/// of all), is the same for all of them, so what it adds before g's hidden layer is a bias of that.
template <class T>
class DecodingLayers final : public MadeLayers<T> {
 public:
  DecodingLayers(const SampleRows<T>& support, T* layers, const ProcessPart& encoder,
                 const ProcessPart& decoder, std::int64_t answers, std::int64_t width,
                 std::int64_t means)
      : support_(support),
        encoder_(encoder),
        decoder_(decoder),
        width_(width),
        r_width_(means * width),
        outputs_(support.way),
        inputs_(support.width + answers),
        mlp_({{inputs_, width, true}, {width, width, false}}),
        memory_(room(2 * mlp_.packed_size() + mlp_.point_size(support.size))),
        point_(mlp_.point(support.size, gradient() + mlp_.packed_size())),
        x_(room(support.size * inputs_)),
        r_(room(r_width_)),
        counts_(room(means)) {
    for (std::int64_t i = 0; i < support.size; ++i) counts_[room(mean_of(i))] += T{1};
    encode();
    const T *first = own(decoder_.first.weight), *second = own(decoder_.second.weight);
    T *bias = layers + width * support.width, *last = bias + width;
    for (std::int64_t h = 0; h < width; ++h, first += support.width + r_width_) {
      std::copy_n(first, support.width, layers + h * support.width);
      bias[h] = own(decoder_.first.bias)[h] + dot(r_width_, first + support.width, r_.data());
    }
    std::copy_n(second, outputs_ * width, last);
    std::copy_n(own(decoder_.second.bias), outputs_, last + outputs_ * width);
  }

  void back(const T* of_layers) override {
    const std::int64_t features = support_.width;
    const T *of_bias = of_layers + width_ * features, *of_last = of_bias + width_;
    const T* first = own(decoder_.first.weight);
    T* of_first = support_.of_own(decoder_.first.weight);
    std::vector<T> of_r(room(r_width_));
    for (std::int64_t h = 0; h < width_; ++h) {
      const std::int64_t row = h * (features + r_width_);
      std::copy_n(of_layers + h * features, features, of_first + row);
      add_scaled(r_width_, of_bias[h], r_.data(), of_first + row + features);
      add_scaled(r_width_, of_bias[h], first + row + features, of_r.data());
    }
    std::copy_n(of_bias, width_, support_.of_own(decoder_.first.bias));
    std::copy_n(of_last, outputs_ * width_, support_.of_own(decoder_.second.weight));
    std::copy_n(of_last + outputs_ * width_, outputs_, support_.of_own(decoder_.second.bias));

    const std::int64_t stride = mlp_.padded(width_), columns = mlp_.padded(inputs_);
    T* deltas = point_.deltas.back();
    std::fill_n(deltas, support_.size * stride, T{});
    for (std::int64_t i = 0; i < support_.size; ++i)
      add_scaled(width_, share(i), of_r.data() + mean_of(i) * width_, deltas + i * stride);
    std::vector<T> of_x(room(support_.size * columns));
    mlp_.backward(support_.size, x_.data(), point_, gradient(), of_x.data());
    mlp_.unpack(gradient(),
                {{support_.of_own(encoder_.first.weight), support_.of_own(encoder_.first.bias)},
                 {support_.of_own(encoder_.second.weight), support_.of_own(encoder_.second.bias)}});
    for (std::int64_t i = 0; i < support_.size; ++i)
      add_scaled(features, T{1}, of_x.data() + i * columns, support_.of_row(i));
  }

 private:
  void encode() {
    T* row = x_.data();
    for (std::int64_t i = 0; i < support_.size; ++i, row += inputs_) {
      std::copy_n(support_.row(i), support_.width, row);
      for (std::int64_t c = support_.width; c < inputs_; ++c)
        row[c] = support_.answer(i, c - support_.width);
    }
    mlp_.pack({{own(encoder_.first.weight), own(encoder_.first.bias)},
               {own(encoder_.second.weight), own(encoder_.second.bias)}},
              memory_.data());
    mlp_.forward(support_.size, x_.data(), memory_.data(), point_);
    for (std::int64_t i = 0; i < support_.size; ++i)
      add_scaled(width_, share(i), point_.activations.back() + i * mlp_.padded(width_),
                 r_.data() + mean_of(i) * width_);
  }
  const T* own(std::int64_t place) const { return support_.own(place); }
  T* gradient() { return memory_.data() + mlp_.packed_size(); }
  /// Which mean a sample is in.
  std::int64_t mean_of(std::int64_t sample) const {
    return support_.labels ? support_.labels[sample] : 0;
  }
  T share(std::int64_t sample) const { return T{1} / counts_[room(mean_of(sample))]; }

  const SampleRows<T>& support_;
  const ProcessPart &encoder_, &decoder_;
  std::int64_t width_, r_width_, outputs_, inputs_;
  kernels::Mlp<T> mlp_;
  std::vector<T> memory_;
  typename kernels::Mlp<T>::Point point_;
  std::vector<T> x_, r_, counts_;
};

}  // namespace cuttle
