#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "adapt/plain_rows.hpp"
#include "adapt/surface/perceptron_parts.hpp"

namespace cuttle {

/// Where tasks are mapped to, how many numbers that is, and where the clusters' centres are.
struct ClusterPlaces {
  std::int64_t clusters, width, map, centres, sharpness;
};

/// MamlClusters::shares of a perceptron's features, and the way back.
template <class T>
class ClusterShares {
 public:
  ClusterShares(const std::vector<LinearLayer>& encoder, const ClusterPlaces& places,
                const Samples<T>& support, const ParameterLayout& layout, const T* parameters)
      : encoder_(encoder),
        places_(places),
        layout_(layout),
        parameters_(parameters),
        mlp_(shapes_of(encoder)),
        batch_(support.view),
        memory_(room(mlp_.packed_size() + mlp_.point_size(batch_.size))),
        point_(mlp_.point(batch_.size, memory_.data() + mlp_.packed_size())) {
    mlp_.pack(places_in(encoder, layout, parameters), memory_.data());
    mlp_.forward(batch_.size, batch_.x, memory_.data(), point_);
    moments_.resize(room(2 * features_));
    const T count = static_cast<T>(batch_.size);
    for (std::int64_t c = 0; c < features_; ++c) {
      T mean = 0, variance = 0;
      for (std::int64_t i = 0; i < batch_.size; ++i) mean += feature(i, c) / count;
      for (std::int64_t i = 0; i < batch_.size; ++i)
        variance += (feature(i, c) - mean) * (feature(i, c) - mean) / count;
      moments_[room(c)] = mean;
      moments_[room(features_ + c)] = std::sqrt(variance + kLeast);
    }
    const T* map = own(places.map);
    numbers_ = Unit(moments_);
    Values mapped;
    for (std::int64_t r = 0; r < places.width; ++r, map += 2 * features_)
      mapped.push_back(dot(2 * features_, map, numbers_.values.data()));
    z_ = Unit(std::move(mapped));
    for (std::int64_t k = 0; k < places.clusters; ++k) {
      T far = 0;
      for (std::int64_t r = 0; r < places.width; ++r) far += way(k, r) * way(k, r);
      logits_.push_back(-sharpness() * far / static_cast<T>(places.width));
    }
    shares_ = logits_;
    softmax(places.clusters, shares_.data());
  }

  const std::vector<T>& shares() const { return shares_; }

  /// From the gradient of the shares; adds to that of the parameters.
  void back(std::vector<T> of, T* gradient) const {
    const T mean = dot(places_.clusters, of.data(), shares_.data());
    const auto to = [&](std::int64_t place) { return gradient + layout_.offset(place); };
    Values of_z(room(places_.width)), of_numbers(moments_.size());
    for (std::int64_t k = 0; k < places_.clusters; ++k) {
      const T of_logit = shares_[room(k)] * (of[room(k)] - mean);
      *to(places_.sharpness) += of_logit * logits_[room(k)];
      for (std::int64_t r = 0; r < places_.width; ++r) {
        const T each = -2 * sharpness() * of_logit * way(k, r) / static_cast<T>(places_.width);
        of_z[room(r)] += each;
        to(places_.centres)[k * places_.width + r] -= each;
      }
    }
    const Values of_mapped = z_.back(of_z);
    for (std::int64_t r = 0; r < places_.width; ++r) {
      const std::int64_t row = r * 2 * features_;
      add_scaled(2 * features_, of_mapped[room(r)], numbers_.values.data(), to(places_.map) + row);
      add_scaled(2 * features_, of_mapped[room(r)], own(places_.map) + row, of_numbers.data());
    }
    back_to_encoder(numbers_.back(of_numbers), gradient);
  }

 private:
  using Values = std::vector<T>;
  static constexpr T kLeast = static_cast<T>(1e-12);

  /// Values of unit scale.
  struct Unit {
    Unit() = default;
    explicit Unit(Values of) : values(std::move(of)) {
      const auto count = static_cast<std::int64_t>(values.size());
      const T square = dot(count, values.data(), values.data()) / static_cast<T>(count);
      scale = T{1} / std::sqrt(square + kLeast);
      for (T& value : values) value *= scale;
    }
    Values back(Values of) const {
      const auto count = static_cast<std::int64_t>(of.size());
      const T along = dot(count, of.data(), values.data()) / static_cast<T>(count);
      for (std::size_t i = 0; i < of.size(); ++i) of[i] = scale * (of[i] - along * values[i]);
      return of;
    }
    Values values;
    T scale = 0;
  };

  const T* own(std::int64_t place) const { return parameters_ + layout_.offset(place); }
  T sharpness() const { return std::exp(*own(places_.sharpness)); }
  std::size_t at(std::int64_t sample, std::int64_t column) const {
    return room(sample * mlp_.padded(features_) + column);
  }
  T feature(std::int64_t sample, std::int64_t column) const {
    return point_.activations.back()[at(sample, column)];
  }
  /// From a centre to the task.
  T way(std::int64_t k, std::int64_t r) const {
    return z_.values[room(r)] - own(places_.centres)[k * places_.width + r];
  }

  void back_to_encoder(const Values& of_moments, T* gradient) const {
    const T count = static_cast<T>(batch_.size);
    T* deltas = point_.deltas.back();
    std::fill_n(deltas, batch_.size * mlp_.padded(features_), T{});
    for (std::int64_t i = 0; i < batch_.size; ++i)
      for (std::int64_t c = 0; c < features_; ++c) {
        const std::size_t spread = room(features_ + c);
        const T per = (feature(i, c) - moments_[room(c)]) / moments_[spread];
        deltas[at(i, c)] = (of_moments[room(c)] + of_moments[spread] * per) / count;
      }
    mlp_.make_deltas(batch_.size, point_);
    std::int64_t weights = 0;
    for (const auto& layer : encoder_) weights += (layer.in + 1) * layer.out;
    Values more(room(weights));
    std::vector<kernels::MlpWeights<T>> places;
    T* next = more.data();
    for (const auto& layer : encoder_) {
      places.push_back({next, next + layer.in * layer.out});
      next += (layer.in + 1) * layer.out;
    }
    mlp_.weight_gradients({{batch_.size, batch_.x, point_}}, places);
    for (std::size_t l = 0; l < encoder_.size(); ++l) {
      const auto& layer = encoder_[l];
      add_scaled(layer.in * layer.out, T{1}, places[l].weight,
                 gradient + layout_.offset(layer.weight));
      add_scaled(layer.out, T{1}, places[l].bias, gradient + layout_.offset(layer.bias));
    }
  }

  std::vector<LinearLayer> encoder_;
  ClusterPlaces places_;
  const ParameterLayout& layout_;
  const T* parameters_;
  kernels::Mlp<T> mlp_;
  kernels::MlpBatch<T> batch_;
  std::int64_t features_ = encoder_.back().out;
  Values memory_;
  typename kernels::Mlp<T>::Point point_;
  Values moments_;  ///< means of features, then spreads
  Unit numbers_, z_;
  Values logits_, shares_;
};

}  // namespace cuttle
