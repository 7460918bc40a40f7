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

/// erf, in float to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26); `bell` is exp(-x^2).
template <class T, class V>
CUTTLE_INLINE V erf_of(V x, V bell) {
  if constexpr (sizeof(T) == sizeof(double)) {
    for (int i = 0; i < kLanes<T>; ++i) x[i] = __builtin_erf(x[i]);
    return x;
  }
  const V size = x < 0 ? -x : x;
  const V t = T(1) / (T(1) + T(0.3275911) * size);
  V sum = V{} + T(1.061405429);
  sum = sum * t + T(-1.453152027);
  sum = sum * t + T(1.421413741);
  sum = sum * t + T(-0.284496736);
  sum = sum * t + T(0.254829592);
  const V value = T(1) - sum * t * bell;
  return x < 0 ? -value : value;
}

/// x Phi(x); in `slope`, unless it is null, the derivative Phi(x) + x phi(x).
template <class T, class V>
CUTTLE_INLINE V gelu_of(V x, T* slope) {
  const V z = x * T(0.70710678118654752440), bell = exp_of<T>(-z * z);
  const V share = T(0.5) * (T(1) + erf_of<T>(z, bell));
  if (slope) store(slope, share + x * bell * T(0.39894228040143267794));
  return x * share;
}

template <class T, class V>
CUTTLE_INLINE V activated(RowStep step, V x) {
  if (step == RowStep::kRelu) return x <= 0 ? V{} : x;
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
void softmax_back(const Rows<T>& job, T* row, const T* shares) {
  using Vec = Lanes<T, kLanes<T>>;
  Vec sum{};
  for (std::int64_t c = 0; c < job.stride; c += kLanes<T>)
    sum += load<Vec>(row + c) * load<Vec>(shares + c);
  const T mean = sum_of<T>(sum);
  for (std::int64_t c = 0; c < job.stride; c += kLanes<T>)
    store(row + c, (load<Vec>(row + c) - mean) * load<Vec>(shares + c) * job.number);
}

template <class T>
void rows(const Rows<T>& job) {
  using Vec = Lanes<T, kLanes<T>>;
  for (std::int64_t r = 0; r < job.rows; ++r) {
    T* row = job.x + r * job.stride;
    if (job.step == RowStep::kSoftmax) {
      softmax(job, row);
    } else if (job.step == RowStep::kSoftmaxBack) {
      softmax_back(job, row, job.shares + r * job.stride);
    } else if (job.step == RowStep::kGelu) {
      T* slope = job.slope ? job.slope + r * job.stride : nullptr;
      for (std::int64_t c = 0; c < job.columns; c += kLanes<T>)
        store(row + c, gelu_of<T>(load<Vec>(row + c), slope ? slope + c : nullptr));
    } else {
      for (std::int64_t c = 0; c < job.columns; c += kLanes<T>)
        store(row + c, activated<T>(job.step, load<Vec>(row + c)));
    }
  }
}

template <class T>
void norm(const LayerNorm<T>& job) {
  using Vec = Lanes<T, kLanes<T>>;
  for (std::int64_t r = 0; r < job.rows; ++r) {
    const std::int64_t first = r * job.columns;
    const T* row = job.x + first;
    Vec sum{}, squares{};
    for (std::int64_t c = 0; c < job.columns; c += kLanes<T>) {
      Vec value = load<Vec>(row + c);
      if (job.added) store(job.sum + first + c, value += load<Vec>(job.added + first + c));
      sum += value;
    }
    if (job.added) row = job.sum + first;
    const T mean = sum_of<T>(sum) / static_cast<T>(job.columns);
    for (std::int64_t c = 0; c < job.columns; c += kLanes<T>) {
      const Vec off = load<Vec>(row + c) - mean;
      squares += off * off;
    }
    const T variance = sum_of<T>(squares) / static_cast<T>(job.columns);
    const T over = T(1) / static_cast<T>(__builtin_sqrt(variance + job.eps));
    for (std::int64_t c = 0; c < job.columns; c += kLanes<T>)
      store(job.to + first + c, (load<Vec>(row + c) - mean) * over * load<Vec>(job.scale + c) +
                                    load<Vec>(job.shift + c));
    if (job.units) job.units[2 * r] = mean, job.units[2 * r + 1] = over;
  }
}

template <class T>
void norm_back(const LayerNormBack<T>& job) {
  using Vec = Lanes<T, kLanes<T>>;
  for (std::int64_t r = 0; r < job.rows; ++r) {
    const T *x = job.x + r * job.columns, *d = job.d + r * job.columns;
    T* of_x = job.of_x + r * job.columns;
    const T mean = job.units[2 * r], over = job.units[2 * r + 1];
    Vec sum{}, along{};
    for (std::int64_t c = 0; c < job.columns; c += kLanes<T>) {
      const Vec unit = (load<Vec>(x + c) - mean) * over, of = load<Vec>(d + c);
      store(job.of_scale + c, load<Vec>(job.of_scale + c) + of * unit);
      store(job.of_shift + c, load<Vec>(job.of_shift + c) + of);
      const Vec scaled = of * load<Vec>(job.scale + c);
      sum += scaled;
      along += scaled * unit;
    }
    const T of_mean = sum_of<T>(sum) / static_cast<T>(job.columns);
    const T of_unit = sum_of<T>(along) / static_cast<T>(job.columns);
    for (std::int64_t c = 0; c < job.columns; c += kLanes<T>) {
      const Vec unit = (load<Vec>(x + c) - mean) * over;
      const Vec change = load<Vec>(d + c) * load<Vec>(job.scale + c) - of_mean - unit * of_unit;
      store(of_x + c, load<Vec>(of_x + c) + change * over);
    }
  }
}

}  // namespace
}  // namespace cuttle::kernels
