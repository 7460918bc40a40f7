#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "kernels_reference.hpp"

/// The kernels with buffers of their own, and the shapes that tests try.
namespace cuttle::kernels {

using reference::Values;

inline std::size_t size_of(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

inline Values normal(std::int64_t count, unsigned seed, double scale = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> draw(0, scale);
  Values result(size_of(count));
  // Rounded to float, so that both types see the same numbers.
  for (auto& v : result) v = static_cast<float>(draw(generator));
  return result;
}

inline reference::Inputs random_inputs(const ConvBlockShape& s, bool masked) {
  reference::Inputs in;
  in.x = normal(s.pixels() * s.in, 1);
  in.weight = normal(s.weight_elements(), 2, 1 / std::sqrt(static_cast<double>(s.patch())));
  in.gamma = normal(s.out, 3);
  in.beta = normal(s.out, 4, 0.3);
  if (s.norm_groups > 0) in.bias = normal(s.out, 6, 0.5);
  if (!masked) return in;
  // Sequences of several lengths; one is empty.
  for (std::int64_t n = 0; n < s.images; ++n) {
    for (std::int64_t t = 0; t < s.height * s.width; ++t)
      in.real.push_back(t < (n == 1 ? 0 : s.height * s.width - 2 * n) ? 1.0 : 0.0);
  }
  for (std::int64_t p = 0; p < s.pixels(); ++p) {
    for (std::int64_t i = 0; i < s.in; ++i) in.x[reference::at(p, s.in, i)] *= in.real[size_of(p)];
  }
  return in;
}

template <class T>
std::vector<T> as(const Values& from) {
  return {from.begin(), from.end()};
}
template <class T>
Values to_double(const std::vector<T>& from) {
  return {from.begin(), from.end()};
}

/// Null where there is nothing.
template <class T>
T* some(std::vector<T>& values) {
  return values.empty() ? nullptr : values.data();
}
template <class T>
const T* some(const std::vector<T>& values) {
  return values.empty() ? nullptr : values.data();
}

/// The kernels with buffers of their own.
template <class T>
struct BlockRun {
  ConvBlockShape shape;
  std::vector<T> x, weight, gamma, beta, real, bias, y, mean, inv_std, offset, pooled;
  std::vector<double> moments;
  std::vector<std::uint8_t> choice;

  BlockRun(const ConvBlockShape& s, const reference::Inputs& in)
      : shape(s),
        x(as<T>(in.x)),
        weight(as<T>(in.weight)),
        gamma(as<T>(in.gamma)),
        beta(as<T>(in.beta)),
        real(as<T>(in.real)),
        bias(as<T>(in.bias)),
        y(size_of(s.conv_elements())),
        mean(size_of(s.norm_elements())),
        inv_std(mean.size()),
        offset(s.norm_groups > 0 ? mean.size() : 0),
        pooled(size_of(s.pooled_elements())),
        moments(size_of(s.moment_elements())),
        choice(size_of(s.pooled_elements())) {}
  const T* mask() const { return some(real); }
  BlockInputs<T> inputs() const {
    return {x.data(),      weight.data(), gamma.data(), beta.data(), mask(),
            some(moments), nullptr,       nullptr,      some(bias)};
  }
  BlockSaved<T> saved() {
    return {some(y), mean.data(), inv_std.data(), choice.data(), some(offset)};
  }
  void forward() {
    if (shape.by_patches()) patch_moments(shape, x.data(), mask(), moments.data());
    kernels::forward(shape, inputs(), saved(), pooled.data());
  }
  reference::Backward backward(const Values& d) {
    std::vector<T> gx(shape.input_gradient ? x.size() : 0), gw(weight.size()), gg(gamma.size()),
        gb(beta.size()), gc(bias.size());
    kernels::backward(shape, inputs(), saved(), as<T>(d).data(),
                      {some(gx), gw.data(), gg.data(), gb.data(), nullptr, nullptr, some(gc)});
    return {to_double(gx), to_double(gw), to_double(gg), to_double(gb), to_double(gc)};
  }
};

/// |a - b| relative to the largest of b.
inline double difference(const Values& a, const Values& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 1e-30, off = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    most = std::max(most, std::abs(b[i]));
    off = std::max(off, std::isfinite(a[i]) ? std::abs(a[i] - b[i]) : 1e30);
  }
  return off / most;
}

struct Case {
  std::string name;
  ConvBlockShape shape;
  bool masked = false;
};

inline ConvBlockShape sequence(std::int64_t images, std::int64_t steps, std::int64_t in,
                               std::int64_t out, bool pool, bool input_gradient = true) {
  return {images, 1, steps, in, out, 1, 1, pool ? 2 : 1, true, input_gradient};
}

inline std::vector<Case> cases() {
  return {{"one_odd_image", {1, 3, 5, 3, 7}},
          {"smallest", {1, 2, 2, 1, 1}},
          {"two_wide", {3, 5, 2, 2, 9}},
          {"panel_and_half", {4, 7, 7, 5, 24}},
          {"vectors", {3, 6, 8, 16, 32}},
          {"many_small", {40, 3, 3, 17, 33}},
          {"several_blocks", {1, 20, 30, 3, 8}},
          {"several_groups", {5, 40, 41, 8, 20}},
          {"winograd", {8, 8, 8, 32, 32}},
          {"winograd_odd", {3, 17, 21, 20, 50}},
          {"winograd_groups_and_blocks", {3, 30, 34, 24, 33}},
          {"winograd_masked", {4, 10, 10, 32, 32}, true},
          {"no_pool", {2, 5, 4, 3, 10, 3, 1, 1}},
          {"one_channel", {3, 28, 28, 1, 64}},
          {"by_patches", {3, 9, 7, 1, 19, 3, 2, 2, false, false}},
          {"by_patches_colour", {2, 12, 13, 3, 32, 3, 2, 2, false, false}},
          {"by_patches_no_pool", {2, 5, 4, 2, 6, 3, 1, 1, false, false}},
          {"sequence", sequence(4, 9, 6, 18, false), true},
          {"sequence_pool", sequence(5, 13, 8, 16, true), true},
          {"sequence_all_real", sequence(3, 8, 3, 5, true)},
          {"sequence_by_patches", sequence(4, 11, 4, 12, true, false), true},
          {"one_step", sequence(6, 1, 5, 4, true)},
          {"pointwise", {3, 5, 4, 6, 10, 1, 1, 1, false, true, false, 1}},
          {"pointwise_groups_and_blocks", {5, 40, 41, 8, 20, 1, 2, 2, false, true, true, 1}},
          {"pointwise_first", {2, 6, 7, 3, 9, 1, 1, 1, false, false, false, 1}},
          {"linear", {2, 6, 5, 4, 18, 3, 1, 1, false, true, false}},
          {"linear_pool", {3, 7, 6, 5, 9, 3, 2, 2, false, true, false}},
          {"linear_winograd", {8, 8, 8, 32, 32, 3, 1, 1, false, true, false}},
          {"linear_by_patches", {2, 9, 8, 3, 20, 3, 1, 1, false, false, false}}};
}

/// Every image by its own statistics.
inline std::vector<Case> cases_apart() {
  const auto by = [](ConvBlockShape s, std::int64_t groups) {
    s.norm_groups = groups;
    return s;
  };
  return {{"layer", by({3, 7, 5, 3, 10}, 1)},
          {"layer_of_one_image", by({1, 6, 6, 2, 17}, 1)},
          {"group", by({4, 8, 6, 5, 24}, 4)},
          {"instance", by({3, 9, 9, 4, 11}, 11)},
          {"instance_of_few_pixels", by({4, 2, 3, 6, 8, 3, 1, 1}, 8)},
          {"layer_first", by({3, 9, 8, 1, 19, 3, 2, 2, false, false}, 1)},
          {"group_no_pool", by({2, 5, 4, 3, 10, 3, 1, 1}, 5)},
          {"group_winograd", by({6, 10, 9, 32, 32}, 8)},
          {"layer_groups_and_blocks", by({5, 40, 41, 8, 20}, 1)},
          {"layer_sequence", by(sequence(4, 9, 6, 18, false), 1), true},
          {"group_sequence_pool", by(sequence(5, 13, 8, 16, true), 4), true},
          {"layer_pointwise", by({3, 5, 4, 6, 10, 1, 1, 1, false, true, false, 1}, 1)},
          {"group_linear", by({2, 6, 5, 4, 18, 3, 1, 1, false, true, false}, 3)}};
}
inline std::vector<Case> all_cases() {
  auto result = cases();
  for (const auto& c : cases_apart()) result.push_back(c);
  return result;
}

inline double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) sum += a[i] * b[i];
  return sum;
}

inline Values moved(const Values& from, const Values& direction, double by) {
  Values result = from;
  for (std::size_t i = 0; i < direction.size(); ++i) result[i] += by * direction[i];
  return result;
}

}  // namespace cuttle::kernels
