#pragma once

#include "kernels/cells.hpp"
#include "kernels/isa.hpp"
#include "kernels/lanes.hpp"

/// What a transformer does to rows between its products; a row's values depend on no other.
namespace cuttle::kernels {
namespace {

/// The sum of a vector's values, in a fixed order.
template <class T, class V>
CUTTLE_INLINE T sum_of(V v) {
  T sum = 0;
  for (int i = 0; i < kLanes<T>; ++i) sum += v[i];
  return sum;
}

/// erf, to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
template <class T, class V>
CUTTLE_INLINE V erf_of(V x) {
  const V size = x < 0 ? -x : x;
  const V t = T(1) / (T(1) + T(0.3275911) * size);
  V sum = V{} + T(1.061405429);
  sum = sum * t + T(-1.453152027);
  sum = sum * t + T(1.421413741);
  sum = sum * t + T(-0.284496736);
  sum = sum * t + T(0.254829592);
  const V value = T(1) - sum * t * exp_of<T>(-size * size);
  return x < 0 ? -value : value;
}

template <class T, class V>
CUTTLE_INLINE V activated(RowStep step, V x) {
  if (step == RowStep::kRelu) return x <= 0 ? V{} : x;
  if (step == RowStep::kGelu) return T(0.5) * x * (T(1) + erf_of<T>(x * T(0.70710678118654752440)));
  const V inner = T(0.79788456080286535588) * (x + T(0.044715) * x * x * x);
  return T(0.5) * x * (T(1) + tanh_of<T>(inner));
}

template <class T>
void softmax(const Rows<T>& job, T* row) {
  using Vec = Lanes<T, kLanes<T>>;
  T most = row[0];
  for (std::int64_t c = 1; c < job.columns; ++c) most = row[c] > most ? row[c] : most;
  Vec sum{};
  for (std::int64_t c = 0; c < job.stride; c += kLanes<T>) {
    Vec value = exp_of<T>((load<Vec>(row + c) - most) * job.number);
    for (int i = 0; c + kLanes<T> > job.columns && i < kLanes<T>; ++i)
      if (c + i >= job.columns) value[i] = 0;
    sum += value;
    store(row + c, value);
  }
  const T over = T(1) / sum_of<T>(sum);
  for (std::int64_t c = 0; c < job.stride; c += kLanes<T>)
    store(row + c, load<Vec>(row + c) * over);
}

template <class T>
void add_and_norm(const Rows<T>& job, T* row, const T* added) {
  using Vec = Lanes<T, kLanes<T>>;
  Vec sum{}, squares{};
  for (std::int64_t c = 0; c < job.columns; c += kLanes<T>) {
    const Vec value = load<Vec>(row + c) + load<Vec>(added + c);
    sum += value;
    store(row + c, value);
  }
  const T mean = sum_of<T>(sum) / static_cast<T>(job.columns);
  for (std::int64_t c = 0; c < job.columns; c += kLanes<T>) {
    const Vec off = load<Vec>(row + c) - mean;
    squares += off * off;
  }
  const T variance = sum_of<T>(squares) / static_cast<T>(job.columns);
  const T over = T(1) / static_cast<T>(__builtin_sqrt(variance + job.number));
  for (std::int64_t c = 0; c < job.columns; c += kLanes<T>)
    store(row + c,
          (load<Vec>(row + c) - mean) * over * load<Vec>(job.scale + c) + load<Vec>(job.shift + c));
}

template <class T>
void rows(const Rows<T>& job) {
  using Vec = Lanes<T, kLanes<T>>;
  for (std::int64_t r = 0; r < job.rows; ++r) {
    T* row = job.x + r * job.stride;
    if (job.step == RowStep::kSoftmax) {
      softmax(job, row);
    } else if (job.step == RowStep::kNorm) {
      add_and_norm(job, row, job.added + r * job.stride);
    } else {
      for (std::int64_t c = 0; c < job.columns; c += kLanes<T>)
        store(row + c, activated<T>(job.step, load<Vec>(row + c)));
    }
  }
}

}  // namespace
}  // namespace cuttle::kernels
