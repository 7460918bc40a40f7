#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "adapt/column_loss.hpp"
#include "adapt/small_products.hpp"

namespace cuttle {

/// An encoder that is a linear map, z = E x + e, and the layer that a learner puts after it,
/// y = M z + m, as the one layer (M E) x + (M e + m): where a query has many samples and the layer
/// few outputs, they need not pass through the many columns of z. The same outputs and gradients,
/// by other products, of weights as they lie in the parameters.
template <class T>
class JoinedMap {
 public:
  using Layer = kernels::MlpLayer;
  template <class U>
  using Weights = kernels::MlpWeights<U>;

  /// Whether that takes fewer operations, there and back.
  static bool pays(const std::vector<Layer>& encoder, std::int64_t outputs, std::int64_t samples) {
    if (encoder.size() != 1) return false;
    const auto [in, middle, relu] = encoder[0];
    return !relu && in == kernels::padded<T>(in) &&
           2 * samples * (middle - outputs) > 3 * middle * outputs;
  }

  JoinedMap(const Layer& map, const Weights<const T>& at, std::int64_t outputs)
      : in_(map.in),
        middle_(map.out),
        outputs_(outputs),
        map_(at),
        joined_(room(outputs * in_)),
        of_joined_(joined_.size()),
        of_shift_(room(outputs)) {}

  /// z [size, padded] of x.
  std::vector<T> map(std::int64_t size, const T* x) const {
    std::vector<T> z(room(size * stride_));
    for (std::int64_t n = 0; n < size; ++n) std::copy_n(map_.bias, middle_, &z[room(n * stride_)]);
    kernels::run(kernels::Dots<T>{in_, map_.weight, middle_, x, size, z.data(), stride_});
    return z;
  }

  /// The loss of x behind both, and its gradient by M and m, which is written.
  double loss(const kernels::MlpBatch<T>& batch, const Weights<const T>& after,
              const Weights<T>& of_after) {
    after_ = after;
    columns_ = kernels::padded<T>(batch.size);
    z_.assign(room(outputs_ * columns_), T{});
    of_z_.resize(z_.size());
    multiply({after.weight, middle_}, middle_, map_.weight, outputs_, in_, joined_.data());
    for (std::int64_t y = 0; y < outputs_; ++y)
      std::fill_n(&z_[room(y * columns_)], batch.size,
                  after.bias[y] + dot(middle_, after.weight + y * middle_, map_.bias));
    kernels::run(
        kernels::Dots<T>{in_, batch.x, batch.size, joined_.data(), outputs_, z_.data(), columns_});
    const double loss = loss_of_columns(batch, outputs_, columns_, z_.data(), of_z_.data());

    multiply({of_z_.data(), columns_}, batch.size, batch.x, outputs_, in_, of_joined_.data());
    std::fill_n(of_shift_.data(), outputs_, T{});
    add_sums(outputs_, batch.size, columns_, of_z_.data(), of_shift_.data());
    std::copy_n(of_shift_.data(), outputs_, of_after.bias);
    // G E^T + g e^T.
    std::vector<T> rows(room(outputs_ * stride_));
    for (std::int64_t y = 0; y < outputs_; ++y)
      add_scaled(middle_, of_shift_[room(y)], map_.bias, &rows[room(y * stride_)]);
    kernels::run(kernels::Dots<T>{in_, map_.weight, middle_, of_joined_.data(), outputs_,
                                  rows.data(), stride_});
    for (std::int64_t y = 0; y < outputs_; ++y)
      std::copy_n(&rows[room(y * stride_)], middle_, of_after.weight + y * middle_);
    return loss;
  }
  /// What was said of them, [size, outputs].
  void copy_answers(std::int64_t size, T* to) const {
    copy_outputs(z_.data(), size, outputs_, columns_, to);
  }

  /// The gradient by E and e: through z of x [size], of which it is given, and through loss(), M^T
  /// G and M^T g. `counts`: how often e is in z; null: once.
  void back(std::int64_t size, const T* x, const T* of_z, const Weights<T>& to,
            const T* counts = nullptr) const {
    kernels::Product<T> job{1, {}, nullptr, to.weight, middle_, in_, false, nullptr};
    job.source[0] = {after_.weight, 1, middle_, of_joined_.data(), in_, outputs_};
    if (size > 0) job.source[job.sources++] = {of_z, 1, stride_, x, in_, size};
    kernels::run(job);
    std::fill_n(to.bias, middle_, T{});
    for (std::int64_t n = 0; n < size; ++n)
      add_scaled(middle_, counts ? counts[n] : T{1}, of_z + n * stride_, to.bias);
    add_times_rows(outputs_, middle_, of_shift_.data(), after_.weight, to.bias);
  }

 private:
  std::int64_t in_, middle_, stride_ = kernels::padded<T>(middle_), outputs_, columns_ = 0;
  Weights<const T> map_, after_{};
  /// M E, its gradient and that of the joined bias; y of the samples in columns, and its gradient.
  std::vector<T> joined_, of_joined_, of_shift_, z_, of_z_;
};

}  // namespace cuttle
