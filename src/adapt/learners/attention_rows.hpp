#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "adapt/learners/context_rows.hpp"

namespace cuttle {

/// Places of what full context embeddings learn.
struct ContextPlaces {
  CellPlaces forward, backward, attending;
  std::int64_t steps;
};

/// What training makes of a task by matching networks, on plain rows.
struct AttentionTask {
  bool cosine;
  double scale;
  std::vector<std::int64_t> order;  ///< that the support is read in
  std::optional<ContextPlaces> context;

  template <class T>
  void operator()(const SampleRows<T>& support, const SampleRows<T>& query, T* outputs) const {
    const std::int64_t n = support.size, count = query.size, stride = query.stride;
    std::vector<T> x(room(n * stride)), of_x(x.size());
    for (std::int64_t i = 0; i < n; ++i)
      std::copy_n(support.row(order[room(i)]), stride, &x[room(i * stride)]);
    if (!context) {
      const std::vector<T> f(query.features, query.features + count * stride);
      std::vector<T> of_f(f.size());
      attend(support, query, x, f, of_x, of_f, outputs);
      add_scaled(count * stride, T{1}, of_f.data(), query.of_features);
    } else {
      std::vector<T> g = x, of_g(g.size());
      AlongSupport<T> forward(context->forward, false, support),
          backward(context->backward, true, support);
      AttendingQuery<T> attending(context->attending, context->steps, support);
      forward.run(x, n, g);
      backward.run(x, n, g);
      const auto& f = attending.run(query.features, count, g, n);
      std::vector<T> of_f(f.size());
      attend(support, query, g, f, of_g, of_f, outputs);
      attending.back(query.features, count, g, n, std::move(of_f), query.of_features, of_g);
      forward.back(x, n, of_g, of_x);
      backward.back(x, n, of_g, of_x);
      add_scaled(n * stride, T{1}, of_g.data(), of_x.data());
    }
    for (std::int64_t i = 0; i < n; ++i)
      add_scaled(stride, T{1}, &of_x[room(i * stride)], support.of_row(order[room(i)]));
  }

 private:
  /// The answers of g and f, and their gradients.
  template <class T>
  void attend(const SampleRows<T>& support, const SampleRows<T>& query, const std::vector<T>& g,
              const std::vector<T>& f, std::vector<T>& of_g, std::vector<T>& of_f,
              T* outputs) const {
    const std::int64_t n = support.size, count = query.size, width = query.width,
                       stride = query.stride, lanes = kernels::padded<T>(n);
    const auto by = static_cast<T>(cosine ? scale : 2 * scale);
    std::vector<T> known = g, asked = f, of_known(g.size()), of_asked(f.size());
    const auto over_known = unit(known, width, stride), over_asked = unit(asked, width, stride);
    std::vector<T> turned(room(width * lanes)), a(room(count * lanes)), start(room(lanes));
    turn(known.data(), n, width, stride, turned.data());
    // What a query's own length adds to all its distances changes no attention.
    for (std::int64_t i = 0; i < n; ++i) {
      const T* row = &known[room(i * stride)];
      start[room(i)] = std::log(support.weights[room(order[room(i)])]);
      if (!cosine) start[room(i)] -= static_cast<T>(scale) * dot(width, row, row);
    }
    multiply<T>({asked.data(), stride}, width, turned.data(), count, lanes, a.data());
    for (std::int64_t q = 0; q < count; ++q, outputs += query.way) {
      T* row = &a[room(q * lanes)];
      for (std::int64_t i = 0; i < n; ++i) row[i] = by * row[i] + start[room(i)];
      answer(support, query, q, row, outputs);
    }
    multiply<T>({a.data(), lanes}, n, known.data(), count, stride, of_asked.data());
    multiply<T>({a.data(), 1, lanes}, count, asked.data(), n, stride, of_known.data());
    for (std::int64_t i = 0; !cosine && i < n; ++i) {
      T sum = 0;
      for (std::int64_t q = 0; q < count; ++q) sum += a[room(q * lanes + i)];
      add_scaled(width, -sum, &known[room(i * stride)], &of_known[room(i * stride)]);
    }
    add_unit_gradient(known, over_known, by, width, stride, of_known, of_g);
    add_unit_gradient(asked, over_asked, by, width, stride, of_asked, of_f);
  }

  /// From a query's similarities to its outputs; the similarities become their gradient.
  template <class T>
  void answer(const SampleRows<T>& support, const SampleRows<T>& query, std::int64_t q, T* row,
              T* outputs) const {
    const std::int64_t n = support.size, way = query.way;
    const T count = static_cast<T>(query.size);
    if (query.targets) {
      std::vector<T> of(room(n));
      softmax(n, row);
      std::fill_n(outputs, way, T{});
      for (std::int64_t i = 0; i < n; ++i)
        add_scaled(way, row[i], support.targets + order[room(i)] * way, outputs);
      T mean = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t c = 0; c < way; ++c)
          of[room(i)] += T{2} / (count * static_cast<T>(way)) * (outputs[c] - query.answer(q, c)) *
                         support.answer(order[room(i)], c);
        mean += row[i] * of[room(i)];
      }
      for (std::int64_t i = 0; i < n; ++i) row[i] *= of[room(i)] - mean;
      return;
    }
    // By logarithms: a class that is far away has a probability all the same.
    const auto label = [&](std::int64_t i) { return support.labels[order[room(i)]]; };
    std::vector<T> most(room(way), -std::numeric_limits<T>::infinity());
    const T highest = *std::max_element(row, row + n);
    T all = 0;
    for (std::int64_t i = 0; i < n; ++i) all += std::exp(row[i] - highest);
    const T total = highest + std::log(all);
    std::fill_n(outputs, way, T{});
    for (std::int64_t i = 0; i < n; ++i)
      most[room(label(i))] = std::max(most[room(label(i))], row[i]);
    for (std::int64_t i = 0; i < n; ++i)
      outputs[label(i)] += std::exp(row[i] - most[room(label(i))]);
    for (std::int64_t c = 0; c < way; ++c) outputs[c] = std::log(outputs[c]) + most[room(c)];
    const std::int64_t right = query.labels[q];
    for (std::int64_t i = 0; i < n; ++i) {
      const T within = label(i) == right ? std::exp(row[i] - outputs[right]) : T{};
      row[i] = (std::exp(row[i] - total) - within) / count;
    }
    for (std::int64_t c = 0; c < way; ++c) outputs[c] -= total;
  }

  /// Rows of length 1 by the cosine; returns what they were multiplied with.
  template <class T>
  std::vector<T> unit(std::vector<T>& rows, std::int64_t width, std::int64_t stride) const {
    std::vector<T> over;
    for (std::size_t at = 0; cosine && at < rows.size(); at += room(stride)) {
      over.push_back(T{1} / std::sqrt(dot(width, &rows[at], &rows[at]) + static_cast<T>(1e-12)));
      for (std::int64_t c = 0; c < width; ++c) rows[at + room(c)] *= over.back();
    }
    return over;
  }
  template <class T>
  void add_unit_gradient(const std::vector<T>& rows, const std::vector<T>& over, T by,
                         std::int64_t width, std::int64_t stride, const std::vector<T>& of_rows,
                         std::vector<T>& of) const {
    for (std::size_t at = 0; at < rows.size(); at += room(stride)) {
      const T factor = cosine ? by * over[at / room(stride)] : by;
      add_scaled(width, factor, &of_rows[at], &of[at]);
      if (cosine)
        add_scaled(width, -factor * dot(width, &rows[at], &of_rows[at]), &rows[at], &of[at]);
    }
  }
};

}  // namespace cuttle
