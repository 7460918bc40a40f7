#pragma once

#include <algorithm>
#include <vector>

#include "adapt/task_layers.hpp"

namespace cuttle {

/// The class means c as a layer on queries q: its outputs 2 q.c - |c|^2 are as far from each other
/// as the negative squared distances.
template <class T>
class PrototypeLayer final : public MadeLayers<T> {
 public:
  PrototypeLayer(const SampleRows<T>& support, T* layer)
      : support_(support), weight_(layer), shares_(room(support.way)) {
    for (std::int64_t i = 0; i < support.size; ++i) shares_[room(support.labels[i])] += T{1};
    for (T& share : shares_) share = T{1} / share;
    const std::int64_t width = support.width;
    T* shift = layer + support.way * width;
    std::fill(layer, shift, T{});
    for (std::int64_t i = 0; i < support.size; ++i)
      add_scaled(width, 2 * share(i), support.row(i), layer + support.labels[i] * width);
    for (std::int64_t c = 0; c < support.way; ++c)
      shift[c] = -dot(width, layer + c * width, layer + c * width) / 4;
  }
  /// A class without a sample is neither near nor far, which takes more than a layer.
  bool complete() const override { return *std::max_element(shares_.begin(), shares_.end()) <= 1; }
  void back(const T* of_layer) override {
    const std::int64_t width = support_.width;
    for (std::int64_t i = 0; i < support_.size; ++i) {
      const std::int64_t c = support_.labels[i];
      T* to = support_.of_row(i);
      add_scaled(width, 2 * share(i), of_layer + c * width, to);
      add_scaled(width, -share(i) * of_layer[support_.way * width + c], weight_ + c * width, to);
    }
  }

 private:
  /// Of its class's mean.
  T share(std::int64_t sample) const { return shares_[room(support_.labels[sample])]; }

  const SampleRows<T>& support_;
  const T* weight_;
  std::vector<T> shares_;
};

}  // namespace cuttle
