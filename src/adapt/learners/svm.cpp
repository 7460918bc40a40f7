#include "adapt/learners/svm.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace cuttle {
namespace {

using Numbers = SvmDual::Numbers;

double dot(const Numbers& x, const Numbers& y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

void add(Numbers& to, double factor, const Numbers& x) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * x[i];
}

}  // namespace

SvmDual::SvmDual(Numbers kernel, Numbers caps, std::size_t samples)
    : kernel_(std::move(kernel)),
      caps_(std::move(caps)),
      samples_(samples),
      way_(caps_.size() / samples) {}

Numbers SvmDual::times_kernel(const Numbers& x) const {
  Numbers product(x.size(), 0.0);
  for (std::size_t k = 0; k < way_; ++k)
    for (std::size_t m = 0; m < samples_; ++m)
      for (std::size_t n = 0; n < samples_; ++n)
        product[k * samples_ + n] += x[k * samples_ + m] * kernel_[m * samples_ + n];
  return product;
}

/// Of the objective.
Numbers SvmDual::slope(const Numbers& at) const {
  Numbers slope = times_kernel(at);
  for (std::size_t i = 0; i < slope.size(); ++i) slope[i] -= caps_[i] > 0 ? 1.0 : 0.0;
  return slope;
}

double SvmDual::value(const Numbers& at) const {
  double value = dot(at, times_kernel(at)) / 2;
  for (std::size_t i = 0; i < at.size(); ++i) value -= caps_[i] > 0 ? at[i] : 0.0;
  return value;
}

/// A sample's column to the nearest one that sums to 0 and is nowhere above its caps: all less one
/// level, cut off. What is above its cap at a level is so at every lower one, so the level falls.
void SvmDual::project(Numbers& at, std::size_t sample) const {
  std::vector<bool> cut(way_, false);
  double level = 0;
  for (bool more = true; more;) {
    double sum = 0, free = 0;
    for (std::size_t k = 0, i = sample; k < way_; ++k, i += samples_) {
      sum += cut[k] ? caps_[i] : at[i];
      free += cut[k] ? 0 : 1;
    }
    level = sum / free;
    more = false;
    for (std::size_t k = 0, i = sample; k < way_; ++k, i += samples_)
      if (!cut[k] && at[i] - level > caps_[i]) cut[k] = more = true;
  }
  for (std::size_t k = 0, i = sample; k < way_; ++k, i += samples_)
    at[i] = cut[k] ? caps_[i] : at[i] - level;
}

/// The nearest direction that keeps the sums of columns, and what is at its cap there. Twice: where
/// little is left of much, the first time leaves a rest of rounding that is as large.
void SvmDual::make_tangent(const Numbers& at, Numbers& direction) const {
  for (int time = 0; time < 2; ++time) {
    Numbers sum(samples_, 0.0), free(samples_, 0.0);
    for (std::size_t k = 0, i = 0; k < way_; ++k)
      for (std::size_t n = 0; n < samples_; ++n, ++i) {
        if (at[i] >= caps_[i]) direction[i] = 0.0;
        sum[n] += direction[i];
        free[n] += at[i] < caps_[i] ? 1.0 : 0.0;
      }
    for (std::size_t k = 0, i = 0; k < way_; ++k)
      for (std::size_t n = 0; n < samples_; ++n, ++i)
        if (at[i] < caps_[i]) direction[i] -= sum[n] / free[n];
  }
}

/// The step that takes `push` from the slope of what is below its caps, but for a `share` of it, by
/// conjugate gradients: never more than [way, n] numbers, however large the support set.
Numbers SvmDual::newton(const Numbers& at, const Numbers& push, double share) const {
  Numbers step(push.size(), 0.0), rest = push;
  make_tangent(at, rest);
  Numbers direction = rest;
  double size = dot(rest, rest);
  const double enough = share * share * size;
  for (std::size_t i = 0; size > enough && i < push.size(); ++i) {
    Numbers curved = times_kernel(direction);
    make_tangent(at, curved);
    const double length = size / dot(direction, curved), before = size;
    add(step, length, direction);
    add(rest, -length, curved);
    size = dot(rest, rest);
    for (std::size_t j = 0; j < rest.size(); ++j)
      direction[j] = rest[j] + size / before * direction[j];
  }
  return step;
}

/// Conjugate gradients lose as much as they gain below 1e-8 or so; begun anew they do not.
Numbers SvmDual::moved(const Numbers& optimum, const Numbers& push) const {
  constexpr double kShare = 1e-8;
  Numbers step = newton(optimum, push, kShare), rest = push;
  add(rest, -1.0, times_kernel(step));
  add(step, 1.0, newton(optimum, rest, kShare));
  return step;
}

void SvmDual::sweep(Numbers& at) const {
  Numbers slope = this->slope(at);
  for (std::size_t n = 0; n < samples_; ++n) {
    bool in = false;
    for (std::size_t i = n; i < at.size(); i += samples_) in |= caps_[i] > 0;
    if (!in) continue;
    Numbers change;
    for (std::size_t i = n; i < at.size(); i += samples_) {
      change.push_back(-at[i]);
      at[i] -= slope[i] / kernel_[n * samples_ + n];
    }
    project(at, n);
    for (std::size_t k = 0; k < way_; ++k) {
      change[k] += at[k * samples_ + n];
      for (std::size_t m = 0; m < samples_; ++m)
        slope[k * samples_ + m] += change[k] * kernel_[n * samples_ + m];
    }
  }
}

/// Towards the best of all that is below its caps, cut off at them; shorter until it is better.
void SvmDual::descend(Numbers& at) const {
  constexpr double kShare = 1e-3, kShortest = 1e-6;
  Numbers down = slope(at);
  for (double& x : down) x = -x;
  const Numbers step = newton(at, down, kShare);
  const double before = value(at);
  for (double length = 1; length > kShortest; length /= 2) {
    Numbers trial = at;
    add(trial, length, step);
    for (std::size_t n = 0; n < samples_; ++n) project(trial, n);
    if (value(trial) >= before) continue;
    at = std::move(trial);
    return;
  }
}

/// Whether nothing below its cap has anywhere to go, and nothing at its cap is better off below it.
bool SvmDual::optimal(const Numbers& at) const {
  constexpr double kTolerance = 1e-8;
  const Numbers slope = this->slope(at);
  Numbers rest = slope, level(samples_, HUGE_VAL);  // a sample's slope below its caps
  make_tangent(at, rest);
  for (std::size_t i = 0; i < at.size(); ++i)
    if (at[i] < caps_[i]) level[i % samples_] = slope[i];
  for (std::size_t i = 0; i < at.size(); ++i)
    if (std::abs(rest[i]) > kTolerance || slope[i] > level[i % samples_] + kTolerance) return false;
  return true;
}

Numbers SvmDual::optimum() const {
  constexpr int kRounds = 1000;
  Numbers at(caps_.size(), 0.0);
  sweep(at);
  for (int round = 0; round < kRounds && !optimal(at); ++round) {
    descend(at);
    sweep(at);  // last: it says to the bit what is at its cap
  }
  Numbers down = slope(at);
  for (double& x : down) x = -x;
  add(at, 1.0, moved(at, down));
  return at;
}

}  // namespace cuttle
