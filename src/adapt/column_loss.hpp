#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "cuttle/kernels/mlp.hpp"

namespace cuttle {

/// The batch's loss of outputs z [outputs, stride], and its gradient; 0 past the last sample.
template <class T>
double loss_of_columns(const kernels::MlpBatch<T>& batch, std::int64_t outputs, std::int64_t stride,
                       const T* z, T* of_z) {
  double loss = 0;
  std::fill_n(of_z, outputs * stride, T{});
  for (std::int64_t n = 0; n < batch.size; ++n, ++z, ++of_z) {
    if (batch.targets) {
      for (std::int64_t o = 0; o < outputs; ++o) {
        const T error = z[o * stride] - batch.targets[n * outputs + o];
        loss += static_cast<double>(error) * static_cast<double>(error);
        of_z[o * stride] = T{2} / static_cast<T>(batch.size * outputs) * error;
      }
      continue;
    }
    const std::int64_t label = batch.labels[n] * stride;
    T most = z[0], sum = 0;
    for (std::int64_t o = 1; o < outputs; ++o) most = std::max(most, z[o * stride]);
    for (std::int64_t o = 0; o < outputs; ++o)
      sum += of_z[o * stride] = std::exp(z[o * stride] - most);
    for (std::int64_t o = 0; o < outputs; ++o)
      of_z[o * stride] *= T{1} / (sum * static_cast<T>(batch.size));
    of_z[label] -= T{1} / static_cast<T>(batch.size);
    loss += static_cast<double>(std::log(sum) + most - z[label]);
  }
  return loss / static_cast<double>(batch.targets ? batch.size * outputs : batch.size);
}

/// z [outputs, stride] to [samples, outputs].
template <class T>
void copy_outputs(const T* z, std::int64_t samples, std::int64_t outputs, std::int64_t stride,
                  T* to) {
  for (std::int64_t n = 0; n < samples; ++n)
    for (std::int64_t o = 0; o < outputs; ++o) *to++ = z[o * stride + n];
}

/// How that gradient moves where the outputs move by `along`.
template <class T>
void loss_curvature(const kernels::MlpBatch<T>& batch, std::int64_t outputs, std::int64_t stride,
                    const T* of_z, const T* along, T* moved) {
  std::fill_n(moved, outputs * stride, T{});
  const T count = static_cast<T>(batch.size);
  for (std::int64_t n = 0; n < batch.size; ++n, ++of_z, ++along, ++moved) {
    if (batch.targets) {
      for (std::int64_t o = 0; o < outputs; ++o)
        moved[o * stride] = T{2} / (count * static_cast<T>(outputs)) * along[o * stride];
      continue;
    }
    // d softmax = p (dz - <p, dz>); the gradients are (p - label) / size.
    T mean = 0;
    for (std::int64_t o = 0; o < outputs; ++o) {
      moved[o * stride] = of_z[o * stride] + (o == batch.labels[n] ? T{1} / count : T{});
      mean += count * moved[o * stride] * along[o * stride];
    }
    for (std::int64_t o = 0; o < outputs; ++o) moved[o * stride] *= along[o * stride] - mean;
  }
}

}  // namespace cuttle
