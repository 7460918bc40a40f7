#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "adapt/small_products.hpp"
#include "adapt/task_layers.hpp"

namespace cuttle {

/// Places of an LSTM's parameters: [4 width, inputs], [4 width, past], [4 width].
struct CellPlaces {
  std::int64_t in, past, bias;
};

/// Columns of an LSTM's weights, [4 width, width] in rows of `step`, gate by gate, and their
/// gradient. Gates are [4, count, stride].
template <class T>
class GateBlock {
 public:
  GateBlock(const T* weight, T* gradient, std::int64_t width, std::int64_t step)
      : place_(gradient), width_(width), step_(step), stride_(kernels::padded<T>(width)) {
    turned_.resize(room(4 * size()));
    rows_.resize(room(4 * size()));
    gradient_.resize(room(4 * size()));
    for (std::int64_t k = 0; k < 4; ++k) {
      const T* from = weight + k * width * step;
      turn(from, width, width, step, &turned_[room(k * size())]);
      for (std::int64_t r = 0; r < width; ++r)
        std::copy_n(from + r * step, width, &rows_[room(k * size() + r * stride_)]);
    }
  }
  /// gates += what x [count, stride] says to them.
  void tell(const T* x, std::int64_t count, T* gates) const {
    for (std::int64_t k = 0; k < 4; ++k)
      multiply<T>({x, stride_}, width_, &turned_[room(k * size())], count, stride_,
                  gates + k * count * stride_, true);
  }
  /// From the gates' gradient: adds to that of x, and to that of the weights.
  void back(const T* of_gates, std::int64_t count, T* of_x) const {
    for (std::int64_t k = 0; k < 4; ++k)
      multiply<T>({of_gates + k * count * stride_, stride_}, width_, &rows_[room(k * size())],
                  count, stride_, of_x, true);
  }
  void learn(const T* of_gates, const T* x, std::int64_t count) {
    for (std::int64_t k = 0; k < 4; ++k)
      multiply<T>({of_gates + k * count * stride_, 1, stride_}, count, x, width_, stride_,
                  &gradient_[room(k * size())], true);
  }
  /// To where it belongs.
  void finish() const {
    for (std::int64_t row = 0; row < 4 * width_; ++row)
      std::copy_n(&gradient_[room(row * stride_)], width_, place_ + row * step_);
  }

 private:
  std::int64_t size() const { return width_ * stride_; }

  T* place_;
  std::int64_t width_, step_, stride_;
  std::vector<T> turned_, rows_, gradient_;
};

/// Gates [4, count, stride] that all have the bias.
template <class T>
std::vector<T> biased(const T* bias, std::int64_t width, std::int64_t count) {
  const std::int64_t stride = kernels::padded<T>(width);
  std::vector<T> gates(room(4 * count * stride));
  for (std::int64_t row = 0; row < 4 * count; ++row)
    std::copy_n(bias + row / count * width, width, &gates[room(row * stride)]);
  return gates;
}
template <class T>
void add_bias_gradient(const std::vector<T>& of_gates, std::int64_t width, std::int64_t count,
                       T* of_bias) {
  const std::int64_t stride = kernels::padded<T>(width);
  for (std::int64_t row = 0; row < 4 * count; ++row)
    add_scaled(width, T{1}, &of_gates[room(row * stride)], of_bias + row / count * width);
}

/// An LSTM along a support set, from its first sample or from its last.
template <class T>
class AlongSupport {
 public:
  AlongSupport(const CellPlaces& places, bool reversed, const SampleRows<T>& rows)
      : width_(rows.width),
        stride_(rows.stride),
        reversed_(reversed),
        bias_(rows.own(places.bias)),
        of_bias_(rows.of_own(places.bias)),
        in_(rows.own(places.in), rows.of_own(places.in), width_, width_),
        past_(rows.own(places.past), rows.of_own(places.past), width_, width_) {}

  /// g [count, stride] += what it says at x [count, stride].
  void run(const std::vector<T>& x, std::int64_t count, std::vector<T>& g) {
    gates_ = biased(bias_, width_, count);
    in_.tell(x.data(), count, gates_.data());
    before_.assign(x.size(), T{});
    cells_.assign(x.size(), T{});
    std::vector<T> h(room(stride_)), c = h, sums(room(4 * stride_));
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t i = at(t, count);
      std::copy_n(h.data(), stride_, &before_[room(i * stride_)]);
      std::copy_n(c.data(), stride_, &cells_[room(i * stride_)]);
      gates_of(i, count, sums.data(), true);
      past_.tell(h.data(), 1, sums.data());
      kernels::run(
          kernels::Cells<T>{stride_, sums.data(), c.data(), nullptr, nullptr, h.data(), c.data()});
      gates_of(i, count, sums.data(), false);
      add_scaled(stride_, T{1}, h.data(), &g[room(i * stride_)]);
    }
  }
  void back(const std::vector<T>& x, std::int64_t count, const std::vector<T>& of_g,
            std::vector<T>& of_x) {
    std::vector<T> of_h(room(stride_)), of_c = of_h, sums(room(4 * stride_));
    for (std::int64_t t = count; t-- > 0;) {
      const std::int64_t i = at(t, count);
      add_scaled(stride_, T{1}, &of_g[room(i * stride_)], of_h.data());
      gates_of(i, count, sums.data(), true);
      kernels::run(kernels::Cells<T>{stride_, sums.data(), &cells_[room(i * stride_)], of_h.data(),
                                     of_c.data(), nullptr, of_c.data()});
      gates_of(i, count, sums.data(), false);
      std::fill(of_h.begin(), of_h.end(), T{});
      past_.back(sums.data(), 1, of_h.data());
    }
    past_.learn(gates_.data(), before_.data(), count);
    in_.learn(gates_.data(), x.data(), count);
    in_.back(gates_.data(), count, of_x.data());
    add_bias_gradient(gates_, width_, count, of_bias_);
    past_.finish();
    in_.finish();
  }

 private:
  std::int64_t at(std::int64_t t, std::int64_t count) const {
    return reversed_ ? count - 1 - t : t;
  }
  /// Reads a sample's four gates, or writes them.
  void gates_of(std::int64_t i, std::int64_t count, T* one, bool reads) {
    for (std::int64_t k = 0; k < 4; ++k) {
      T *all = &gates_[room((k * count + i) * stride_)], *its = one + k * stride_;
      std::copy_n(reads ? all : its, stride_, reads ? its : all);
    }
  }

  std::int64_t width_, stride_;
  bool reversed_;
  const T* bias_;
  T* of_bias_;
  GateBlock<T> in_, past_;
  std::vector<T> gates_, before_, cells_;  ///< by sample: what enters the cell, h and c before it
};

/// The LSTM of each query that attends to a support set g. What it attended to enters the gates as
/// attention a times what each g_i would say, so its products are as thin as the support is small.
template <class T>
class AttendingQuery {
 public:
  AttendingQuery(const CellPlaces& places, std::int64_t steps, const SampleRows<T>& rows)
      : width_(rows.width),
        stride_(rows.stride),
        steps_(steps),
        bias_(rows.own(places.bias)),
        of_bias_(rows.of_own(places.bias)),
        in_(rows.own(places.in), rows.of_own(places.in), width_, width_),
        past_(rows.own(places.past), rows.of_own(places.past), width_, 2 * width_),
        read_(rows.own(places.past) + width_, rows.of_own(places.past) + width_, width_,
              2 * width_) {}

  /// f [count, stride] of x [count, stride].
  const std::vector<T>& run(const T* x, std::int64_t count, const std::vector<T>& g,
                            std::int64_t known) {
    const std::int64_t size = count * stride_, lanes = kernels::padded<T>(known);
    said_.assign(room(4 * known * stride_), T{});
    read_.tell(g.data(), known, said_.data());
    turned_.assign(room(width_ * lanes), T{});
    turn(g.data(), known, width_, stride_, turned_.data());
    auto inputs = biased(bias_, width_, count);
    in_.tell(x, count, inputs.data());
    h_.assign(room(steps_ + 1), std::vector<T>(room(size)));
    c_ = h_;
    for (std::int64_t k = 0; k < steps_; ++k) {
      const auto &h = h_[room(k)], &c = c_[room(k)];
      attention_.emplace_back(room(count * lanes));
      auto& a = attention_.back();
      multiply<T>({h.data(), stride_}, width_, turned_.data(), count, lanes, a.data());
      for (std::int64_t q = 0; q < count; ++q) softmax(known, &a[room(q * lanes)]);
      gates_.push_back(inputs);
      T* gates = gates_.back().data();
      if (k > 0) past_.tell(h.data(), count, gates);
      for (std::int64_t gate = 0; gate < 4; ++gate)
        multiply<T>({a.data(), lanes}, known, &said_[room(gate * known * stride_)], count, stride_,
                    gates + gate * size, true);
      auto& next = h_[room(k + 1)];
      kernels::run(kernels::Cells<T>{size, gates, c.data(), nullptr, nullptr, next.data(),
                                     c_[room(k + 1)].data()});
      add_scaled(size, T{1}, x, next.data());
    }
    return h_.back();
  }
  /// From the gradient of f; adds to those of x and g.
  void back(const T* x, std::int64_t count, const std::vector<T>& g, std::int64_t known,
            std::vector<T> of_f, T* of_x, std::vector<T>& of_g) {
    const std::int64_t size = count * stride_, lanes = kernels::padded<T>(known);
    std::vector<T> of_c(room(size)), of_inputs(room(4 * size)), of_said(said_.size()),
        of_a(room(count * lanes)), said_turned(room(4 * width_ * lanes));
    for (std::int64_t k = 0; k < 4; ++k)
      turn(&said_[room(k * known * stride_)], known, width_, stride_,
           &said_turned[room(k * width_ * lanes)]);
    for (std::int64_t k = steps_ - 1; k >= 0; --k) {
      const auto &h = h_[room(k)], &a = attention_[room(k)];
      auto& gates = gates_[room(k)];
      add_scaled(size, T{1}, of_f.data(), of_x);
      kernels::run(kernels::Cells<T>{size, gates.data(), c_[room(k)].data(), of_f.data(),
                                     of_c.data(), nullptr, of_c.data()});
      add_scaled(4 * size, T{1}, gates.data(), of_inputs.data());
      for (std::int64_t gate = 0; gate < 4; ++gate)
        multiply<T>({a.data(), 1, lanes}, count, &gates[room(gate * size)], known, stride_,
                    &of_said[room(gate * known * stride_)], true);
      if (k == 0) break;  // before it stood zeros
      past_.learn(gates.data(), h.data(), count);
      for (std::int64_t gate = 0; gate < 4; ++gate)
        multiply<T>({&gates[room(gate * size)], stride_}, width_,
                    &said_turned[room(gate * width_ * lanes)], count, lanes, of_a.data(), gate > 0);
      for (std::int64_t q = 0; q < count; ++q) {
        const T* share = &a[room(q * lanes)];
        T* of = &of_a[room(q * lanes)];
        const T mean = dot(known, share, of);
        for (std::int64_t i = 0; i < known; ++i) of[i] = share[i] * (of[i] - mean);
      }
      std::fill(of_f.begin(), of_f.end(), T{});
      past_.back(gates.data(), count, of_f.data());
      multiply<T>({of_a.data(), lanes}, known, g.data(), count, stride_, of_f.data(), true);
      multiply<T>({of_a.data(), 1, lanes}, count, h.data(), known, stride_, of_g.data(), true);
    }
    in_.learn(of_inputs.data(), x, count);
    in_.back(of_inputs.data(), count, of_x);
    add_bias_gradient(of_inputs, width_, count, of_bias_);
    read_.learn(of_said.data(), g.data(), known);
    read_.back(of_said.data(), known, of_g.data());
    for (auto* block : {&in_, &past_, &read_}) block->finish();
  }

 private:
  std::int64_t width_, stride_, steps_;
  const T* bias_;
  T* of_bias_;
  GateBlock<T> in_, past_, read_;
  std::vector<T> said_, turned_;                           ///< what g says to the gates; g, turned
  std::vector<std::vector<T>> h_, c_, attention_, gates_;  ///< by step; h and c before it
};

}  // namespace cuttle
