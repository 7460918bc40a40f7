#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "adapt/small_products.hpp"
#include "adapt/surface/perceptron_parts.hpp"

namespace cuttle {

/// An encoder that is a linear map, z = E x + e, and the layer that a learner puts after it,
/// y = M z + m, as the one layer (M E) x + (M e + m): where a query has many samples and the layer
/// few outputs, they need not pass through the many columns of z. The same outputs and gradients,
/// by other products.
template <class T>
class JoinedMap {
 public:
  using Layer = kernels::MlpLayer;

  /// Whether that takes fewer operations, there and back.
  static bool pays(const std::vector<Layer>& encoder, const Layer& after, std::int64_t samples) {
    if (encoder.size() != 1) return false;
    const auto [in, middle, relu] = encoder[0];
    const std::int64_t out = kernels::padded<T>(after.out);
    return !relu && in == kernels::padded<T>(in) &&
           2 * samples * (middle - out) > middle * (out + 2 * after.out);
  }
  static Layer layer(const Layer& map, const Layer& after) {
    return {map.in, after.out, after.relu};
  }
  /// Values that one takes of the memory.
  static std::int64_t room(const Layer& map, const Layer& after) {
    return (map.in + 1) * (kernels::padded<T>(after.out) + after.out);
  }

  /// Of both layers, as a perceptron packs them.
  JoinedMap(const Layer& map, const Layer& after, const T* map_packed, const T* after_packed,
            Memory<T>& memory)
      : map_(map),
        after_(after),
        of_map_(map_packed),
        of_after_(after_packed),
        packed_(memory.take((map.in + 1) * stride_)),
        slope_(memory.take(map.in * after.out)),
        bias_slope_(memory.take(after.out)) {
    multiply({of_map_, middle_stride_}, map.out, of_after_, map.in + 1, stride_, packed_);
    add_scaled(after.out, T{1}, of_after_ + map.out * stride_, packed_ + map.in * stride_);
  }

  /// The one layer, and where its gradient is to be written.
  const T* packed() const { return packed_; }
  kernels::MlpWeights<T> slope() const { return {slope_, bias_slope_}; }
  /// From there to that of the layer after: G E^T + g e^T and g.
  void back_to_after(const kernels::MlpWeights<T>& to) const {
    std::vector<T> rows(cuttle::room(after_.out * middle_stride_));
    multiply({slope_, map_.in}, map_.in, of_map_, after_.out, middle_stride_, rows.data());
    for (std::int64_t y = 0; y < after_.out; ++y) {
      T* row = &rows[cuttle::room(y * middle_stride_)];
      add_scaled(map_.out, bias_slope_[y], of_map_ + map_.in * middle_stride_, row);
      std::copy_n(row, map_.out, to.weight + y * map_.out);
    }
    std::copy_n(bias_slope_, after_.out, to.bias);
  }
  /// Adds to that of the map: M^T G and M^T g.
  void back_to_map(const kernels::MlpWeights<T>& to) const {
    multiply({of_after_, stride_}, after_.out, slope_, map_.out, map_.in, to.weight, true);
    for (std::int64_t z = 0; z < map_.out; ++z)
      to.bias[z] += dot(after_.out, of_after_ + z * stride_, bias_slope_);
  }

 private:
  Layer map_, after_;
  std::int64_t middle_stride_ = kernels::padded<T>(map_.out),
               stride_ = kernels::padded<T>(after_.out);
  const T *of_map_, *of_after_;
  T *packed_, *slope_, *bias_slope_;
};

}  // namespace cuttle
