#pragma once

#include <utility>
#include <vector>

#include "adapt/column_loss.hpp"
#include "adapt/plain_rows.hpp"
#include "adapt/small_products.hpp"
#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// Where a layer stands among the parameters, and what makes scales and shifts of its outputs (or
/// shifts alone) of a context; -1: none enters it.
struct ContextPlace {
  std::int64_t weight, bias, own;
};

/// Descent of a context phi and its meta-gradient, for a perceptron: z = s o u + t with u = W a +
/// b, (s - 1, t) = C phi. With the slopes D of z, those of (s, t) are c = (sum D o u, sum D), of
/// phi C^T c, of C c phi^T, of u E = s o D. A step back, phi's cotangent lambda, adds to all
/// gradients their derivative along v = -alpha lambda (the R-operator of Pearlmutter), and the one
/// of phi to lambda.
template <class T>
class ContextDescent {
 public:
  /// `shapes`: of the layers, the last one as wide as the task. `gradient`: flat, zeros so far.
  ContextDescent(const std::vector<kernels::MlpLayer>& shapes,
                 const std::vector<ContextPlace>& places, bool film, std::int64_t context,
                 const ParameterLayout& layout, const T* parameters, T* gradient)
      : film_(film), context_(context) {
    const auto own = [&](std::int64_t i) {
      return i < 0 ? nullptr : parameters + layout.offset(i);
    };
    const auto of = [&](std::int64_t i) { return i < 0 ? nullptr : gradient + layout.offset(i); };
    for (std::size_t l = 0; l < shapes.size(); ++l) {
      const auto [in, out, relu] = shapes[l];
      const auto [weight, bias, by] = places[l];
      layers_.push_back({in,
                         out,
                         relu,
                         {own(weight), in},
                         own(bias),
                         own(by),
                         of(bias),
                         of(by),
                         {of(weight), out, in, in}});
    }
  }

  /// Returns the query's loss after so many steps and writes the outputs [query, way].
  double gradient(const kernels::MlpBatch<T>& support, const kernels::MlpBatch<T>& query, T rate,
                  std::int64_t steps, T* outputs) {
    std::vector<Pass> way;
    Values phi(room(context_));
    for (std::int64_t k = 0; k < steps; ++k) {
      way.emplace_back(*this, support, phi);
      add_scaled(context_, -rate, of_context(way.back().changes).data(), phi.data());
    }
    const Pass asked(*this, query, phi);
    copy_outputs(asked.a.back().data(), query.size, layers_.back().out, asked.stride, outputs);
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      add_slope(asked, asked.e[l], l);
      add_outer(layers_[l], asked.changes[l], phi);
    }
    Values lambda = of_context(asked.changes);
    for (std::int64_t k = steps - 1; k >= 0; --k) back(way[room(k)], support, rate, lambda);
    for (auto& layer : layers_) layer.of_weight.finish();
    return asked.loss;
  }

 private:
  using Values = std::vector<T>;

  struct Layer {
    std::int64_t in, out;
    bool relu;
    Left<T> weight;
    const T *bias, *own;
    T *of_bias, *of_own;
    GradientRows<T> of_weight;
  };
  /// The model with a context on a batch, there and back: by layer what it reads (and at last the
  /// outputs), the same as rows, u, s, the slopes of z and of u, and of the scales and shifts.
  struct Pass {
    Pass(const ContextDescent& descent, const kernels::MlpBatch<T>& batch, Values context)
        : size(batch.size), stride(kernels::padded<T>(batch.size)), phi(std::move(context)) {
      const auto& layers = descent.layers_;
      a.emplace_back(room(layers[0].in * stride));
      turn(batch.x, size, layers[0].in, layers[0].in, a[0].data());
      const Values ones(room(stride), T{1});
      for (std::size_t l = 0; l < layers.size(); ++l) {
        const Layer& layer = layers[l];
        rows.push_back(as_rows(a[l], layer.in));
        u.emplace_back(room(layer.out * stride));
        multiply<T>({layer.bias, 1, 0}, 1, ones.data(), layer.out, stride, u[l].data());
        multiply(layer.weight, layer.in, a[l].data(), layer.out, stride, u[l].data(), true);
        const auto [scales, shifts] = descent.made(layer, phi);
        s.push_back(scales);
        a.push_back(u[l]);
        for (std::int64_t o = 0; o < layer.out; ++o)
          for (std::int64_t n = 0; n < stride; ++n) {
            T& z = a.back()[room(o * stride + n)];
            z = (T{1} + scales[room(o)]) * z + shifts[room(o)];
            if (layer.relu && z <= 0) z = T{};
          }
        d.emplace_back(room(layer.out * stride));
        e.emplace_back();
        changes.emplace_back();
      }
      loss = loss_of_columns(batch, layers.back().out, stride, a.back().data(), d.back().data());
      for (std::size_t l = layers.size(); l-- > 0;) {
        const Layer& layer = layers[l];
        e[l] = scaled(d[l], s[l], T{1});
        changes[l] = Values(room(2 * layer.out));
        add_change(d[l], u[l], changes[l]);
        if (l > 0)
          multiply(layer.weight.turned(), layer.out, e[l].data(), layer.in, stride, d[l - 1].data(),
                   false, gate(descent, l));
      }
    }
    Values as_rows(const Values& columns, std::int64_t width) const {
      return cuttle::as_rows(columns, width, size, stride);
    }
    /// Rows times (`more` + their scale).
    Values scaled(Values values, const Values& scales, T more) const {
      for (std::size_t at = 0; at < values.size(); ++at)
        values[at] *= more + scales[at / room(stride)];
      return values;
    }
    /// (sum slope o u, sum slope) added; where u is all 0: the sums alone.
    void add_change(const Values& slope, const Values& values, Values& change) const {
      const auto out = static_cast<std::int64_t>(change.size()) / 2;
      for (std::int64_t o = 0; o < out; ++o)
        change[room(o)] += dot(size, &slope[room(o * stride)], &values[room(o * stride)]);
      add_sums(out, size, stride, slope.data(), &change[room(out)]);
    }
    const T* gate(const ContextDescent& descent, std::size_t l) const {
      return descent.layers_[l - 1].relu ? a[l].data() : nullptr;
    }

    std::int64_t size, stride;
    Values phi;
    std::vector<Values> a, rows, u, s, d, e, changes;
    double loss;
  };

  /// Scales, less 1, and shifts that a context makes of a layer.
  std::pair<Values, Values> made(const Layer& layer, const Values& context) const {
    Values scales(room(layer.out)), shifts(room(layer.out));
    if (!layer.own) return {scales, shifts};
    const T* row = layer.own;
    for (Values* part : {&scales, &shifts})
      for (std::int64_t o = 0; (film_ || part == &shifts) && o < layer.out; ++o, row += context_)
        (*part)[room(o)] = dot(context_, row, context.data());
    return {scales, shifts};
  }
  /// The part of a change that the layer's matrix makes, and how many rows it has.
  std::pair<const T*, std::int64_t> part_of(const Layer& layer, const Values& change) const {
    if (!layer.own) return {nullptr, 0};
    return film_ ? std::pair(change.data(), 2 * layer.out)
                 : std::pair(change.data() + layer.out, layer.out);
  }
  Values of_context(const std::vector<Values>& changes) const {
    Values of(room(context_));
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const auto [part, rows] = part_of(layers_[l], changes[l]);
      add_times_rows(rows, context_, part, layers_[l].own, of.data());
    }
    return of;
  }
  void add_outer(Layer& layer, const Values& change, const Values& context) const {
    const auto [part, rows] = part_of(layer, change);
    for (std::int64_t r = 0; r < rows; ++r)
      add_scaled(context_, part[r], context.data(), layer.of_own + r * context_);
  }
  void add_slope(const Pass& pass, const Values& of_u, std::size_t l) {
    Layer& layer = layers_[l];
    multiply<T>({of_u.data(), pass.stride}, pass.size, pass.rows[l].data(), layer.out,
                layer.of_weight.stride(), layer.of_weight.at(), true);
    cuttle::add_sums(layer.out, pass.size, pass.stride, of_u.data(), layer.of_bias);
  }

  void back(const Pass& step, const kernels::MlpBatch<T>& support, T rate, Values& lambda) {
    const std::size_t last = layers_.size() - 1;
    Values along = lambda;
    scale(-rate, along);
    std::vector<Values> moved_a(last + 2), moved_u(last + 1), moved_s(last + 1), moved(last + 1);
    for (std::size_t l = 0; l <= last; ++l) {
      const Layer& layer = layers_[l];
      moved_u[l].resize(room(layer.out * step.stride));
      if (l > 0)
        multiply(layer.weight, layer.in, moved_a[l].data(), layer.out, step.stride,
                 moved_u[l].data());
      auto [scales, shifts] = made(layer, along);
      moved_a[l + 1] = step.scaled(moved_u[l], step.s[l], T{1});
      for (std::size_t at = 0; at < moved_a[l + 1].size(); ++at) {
        const std::size_t o = at / room(step.stride);
        moved_a[l + 1][at] += scales[o] * step.u[l][at] + shifts[o];
        if (layer.relu && step.a[l + 1][at] <= 0) moved_a[l + 1][at] = T{};
      }
      moved_s[l] = std::move(scales);
    }
    Values slope(room(layers_[last].out * step.stride));
    loss_curvature(support, layers_[last].out, step.stride, step.d[last].data(),
                   moved_a[last + 1].data(), slope.data());
    for (std::size_t l = last + 1; l-- > 0;) {
      Layer& layer = layers_[l];
      moved[l].resize(room(2 * layer.out));
      step.add_change(step.d[l], moved_u[l], moved[l]);
      std::fill_n(&moved[l][room(layer.out)], layer.out, T{});
      step.add_change(slope, step.u[l], moved[l]);
      add_outer(layer, moved[l], step.phi);
      add_outer(layer, step.changes[l], along);
      Values of_u = step.scaled(slope, step.s[l], T{1});
      add_scaled(layer.out * step.stride, T{1}, step.scaled(step.d[l], moved_s[l], T{}).data(),
                 of_u.data());
      add_slope(step, of_u, l);
      if (l == 0) break;
      multiply<T>({step.e[l].data(), step.stride}, step.size,
                  step.as_rows(moved_a[l], layer.in).data(), layer.out, layer.of_weight.stride(),
                  layer.of_weight.at(), true);
      slope.resize(room(layer.in * step.stride));
      multiply(layer.weight.turned(), layer.out, of_u.data(), layer.in, step.stride, slope.data(),
               false, step.gate(*this, l));
    }
    add_scaled(context_, T{1}, of_context(moved).data(), lambda.data());
  }

  bool film_;
  std::int64_t context_;
  std::vector<Layer> layers_;
};

}  // namespace cuttle
