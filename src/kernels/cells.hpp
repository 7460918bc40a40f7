#pragma once

#include "kernels/isa.hpp"
#include "kernels/lanes.hpp"

/// The cells of an LSTM, element by element.
namespace cuttle::kernels {
namespace {

/// What exp needs of a type: x = n ln 2 + r, exp x = 2^n exp r. `rounder` plus a small number keeps
/// its nearest integer n in the lowest bits; ln 2 has two parts, so that n times the first is
/// exact.
template <class T>
struct Exp;
template <>
struct Exp<float> {
  static constexpr float lowest = -87.0F, highest = 88.0F, rounder = 12582912.0F;
  static constexpr float ln2_high = 0.693359375F, ln2_low = -2.12194440e-4F;
  static constexpr int terms = 7, bits = 23, bias = 127;
};
template <>
struct Exp<double> {
  static constexpr double lowest = -708.0, highest = 709.0, rounder = 6755399441055744.0;
  static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
  static constexpr int terms = 13, bits = 52, bias = 1023;
};

constexpr double factorial(int n) {
  return n == 0 ? 1.0 : n * factorial(n - 1);
}

/// By Taylor's series of exp r, |r| <= ln 2 / 2: a few units in the last place, in float and in
/// double. Not a number stays one.
template <class T, class V>
CUTTLE_INLINE V exp_of(V x) {
  using E = Exp<T>;
  using Bits = Lanes<Mask<T>, kLanes<T>>;
  x = x < E::lowest ? V{} + E::lowest : x;
  x = x > E::highest ? V{} + E::highest : x;
  const V rounded = x * T(1.44269504088896340736) + E::rounder;
  const V n = rounded - E::rounder;
  const V r = (x - n * E::ln2_high) - n * E::ln2_low;
  V sum{};
#pragma GCC unroll 16
  for (int k = E::terms; k >= 0; --k) sum = sum * r + static_cast<T>(1 / factorial(k));
  const Bits power = ((Bits)rounded << E::bits) + (static_cast<Mask<T>>(E::bias) << E::bits);
  return sum * (V)power;
}
template <class T, class V>
CUTTLE_INLINE V sigmoid_of(V x) {
  return T(1) / (T(1) + exp_of<T>(-x));
}
/// To a unit in the last place of 1: what a gate wants, not a relative error near 0.
template <class T, class V>
CUTTLE_INLINE V tanh_of(V x) {
  return T(1) - T(2) / (T(1) + exp_of<T>(x + x));
}

/// c' = f c + i g, h' = o tanh c'; with `of_h`, the way back from there too.
template <class T>
void cells(const Cells<T>& job) {
  using Vec = Lanes<T, kLanes<T>>;
  for (std::int64_t at = 0; at < job.size; at += kLanes<T>) {
    T* gate[4];
    for (int k = 0; k < 4; ++k) gate[k] = job.gates + k * job.size + at;
    const Vec i = sigmoid_of<T>(load<Vec>(gate[0])), f = sigmoid_of<T>(load<Vec>(gate[1]));
    const Vec g = tanh_of<T>(load<Vec>(gate[2])), o = sigmoid_of<T>(load<Vec>(gate[3]));
    const Vec c = load<Vec>(job.c + at), next = f * c + i * g, out = tanh_of<T>(next);
    if (!job.of_h) {
      store(job.next_c + at, next);
      store(job.next_h + at, o * out);
      continue;
    }
    const Vec of_h = load<Vec>(job.of_h + at);
    const Vec of_next = load<Vec>(job.of_c + at) + of_h * o * (T(1) - out * out);
    store(gate[0], of_next * g * i * (T(1) - i));
    store(gate[1], of_next * c * f * (T(1) - f));
    store(gate[2], of_next * i * (T(1) - g * g));
    store(gate[3], of_h * out * o * (T(1) - o));
    store(job.next_c + at, of_next * f);
  }
}

}  // namespace
}  // namespace cuttle::kernels
