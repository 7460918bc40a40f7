#pragma once

#include <utility>
#include <vector>

#include "adapt/column_loss.hpp"
#include "adapt/plain_rows.hpp"
#include "adapt/small_products.hpp"
#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// Where a layer and what curves its gradients stand among the parameters.
struct CurvedLayer {
  std::int64_t weight, bias;
  std::int64_t of_outputs;  ///< M_o; -1: the identity
  std::int64_t of_inputs, of_bias;
};

/// Descent by curved gradients and its meta-gradient, for a perceptron. Of a few samples a layer's
/// gradient is thin, D A^T with what the layer reads, A [in, samples], and the slopes of what it
/// gives, D [out, samples]; so is MC(g) = (D + M_o D)(A + M_i A)^T, and matrices only ever multiply
/// as many columns as there are samples. On the way back, with c = -alpha lambda the cotangent of
/// MC(g), P = c (A + M_i A) and Q = c^T (D + M_o D): M_o's gradient is P D^T, M_i's Q A^T, and the
/// direction V = (1 + M_o)^T c (1 + M_i) of the Hessian product is known by V A = P + M_o^T P and
/// V^T D = Q + M_i^T Q.
template <class T>
class CurvedDescent {
 public:
  /// `shapes`: of the layers, the last one as wide as the task. `gradient`: flat, zeros so far.
  CurvedDescent(const std::vector<kernels::MlpLayer>& shapes,
                const std::vector<CurvedLayer>& places, double rate, const ParameterLayout& layout,
                const T* parameters, T* gradient)
      : rate_(static_cast<T>(rate)) {
    const auto own = [&](std::int64_t i) {
      return i < 0 ? nullptr : parameters + layout.offset(i);
    };
    const auto of = [&](std::int64_t i) { return i < 0 ? nullptr : gradient + layout.offset(i); };
    for (std::size_t l = 0; l < shapes.size(); ++l) {
      const auto [in, out, relu] = shapes[l];
      const auto [weight, bias, of_outputs, of_inputs, of_bias] = places[l];
      const std::int64_t step = of_outputs < 0 ? out : layout.spec(of_outputs).shape[1];
      layers_.push_back({in,
                         out,
                         relu,
                         {own(of_outputs), step},
                         {own(of_inputs), in},
                         own(of_bias),
                         of(bias),
                         of(of_bias),
                         {of(weight), out, in, in},
                         {of(of_outputs), out, out, step},
                         {of(of_inputs), in, in, in}});
      start_.push_back({{own(weight), in}, own(bias), {}, {}});
    }
  }

  /// Returns the query's loss after so many steps and writes the outputs [query, way].
  double gradient(const kernels::MlpBatch<T>& support, const kernels::MlpBatch<T>& query,
                  std::int64_t steps, T* outputs) {
    std::vector<Pass> way;
    way.reserve(room(steps));
    for (std::int64_t k = 0; k < steps; ++k) {
      way.emplace_back(*this, support, k == 0 ? start_ : moved(way.back()));
      curve(way.back(), way.front());
    }
    const Pass asked(*this, query, steps == 0 ? start_ : moved(way.back()));
    copy_outputs(asked.a.back().data(), query.size, layers_.back().out, asked.stride, outputs);
    for (std::size_t l = 0; l < layers_.size(); ++l) add_slope(asked, asked.d[l], l);
    of_first_.assign(room(layers_[0].in * kernels::padded<T>(support.size)), T{});
    for (std::int64_t k = steps - 1; k >= 0; --k) back(way[room(k)], support);
    if (steps > 0)
      multiply<T>({of_first_.data(), way[0].stride}, support.size, way[0].rows[0].data(),
                  layers_[0].in, layers_[0].of_inner.stride(), layers_[0].of_inner.at());
    for (auto& layer : layers_)
      for (auto* part : {&layer.lambda, &layer.of_outer, &layer.of_inner}) part->finish();
    return asked.loss;
  }

 private:
  using Values = std::vector<T>;

  struct Layer {
    std::int64_t in, out;
    bool relu;
    Left<T> outer, inner;  ///< M_o (null: the identity) and M_i, less the identity
    const T* of_bias;      ///< what curves the bias, less 1
    T *bias_lambda, *of_bias_curve;
    GradientRows<T> lambda, of_outer, of_inner;
  };
  /// A layer's parameters on the way.
  struct Place {
    Left<T> weight;
    const T* bias;
    Values own_weight, own_bias;
  };
  /// The model at a place on a batch, there and back: by layer what it reads (and at last the
  /// outputs), the same as rows, and the slopes of what it gives; of a step also both curved.
  struct Pass {
    Pass(const CurvedDescent& descent, const kernels::MlpBatch<T>& batch, std::vector<Place> place)
        : size(batch.size), stride(kernels::padded<T>(batch.size)), at(std::move(place)) {
      const auto& layers = descent.layers_;
      a.emplace_back(room(layers[0].in * stride));
      turn(batch.x, size, layers[0].in, layers[0].in, a[0].data());
      const Values ones(room(stride), T{1});
      for (std::size_t l = 0; l < layers.size(); ++l) {
        const auto& [weight, bias, own_weight, own_bias] = at[l];
        const auto [in, out] = std::pair(layers[l].in, layers[l].out);
        rows.push_back(as_rows(a[l], in));
        a.emplace_back(room(out * stride));
        kernels::run(kernels::Product<T>{2,
                                         {{weight.at, weight.row_step, 1, a[l].data(), stride, in},
                                          {bias, 1, 0, ones.data(), 0, 1}},
                                         nullptr,
                                         a.back().data(),
                                         out,
                                         stride,
                                         layers[l].relu,
                                         nullptr});
        d.emplace_back(room(out * stride));
      }
      loss = loss_of_columns(batch, layers.back().out, stride, a.back().data(), d.back().data());
      for (std::size_t l = layers.size(); --l > 0;)
        multiply(at[l].weight.turned(), layers[l].out, d[l].data(), layers[l].in, stride,
                 d[l - 1].data(), false, gate(descent, l));
    }
    /// Of what layer l reads, [in, stride], its samples in rows.
    Values as_rows(const Values& columns, std::int64_t width) const {
      return cuttle::as_rows(columns, width, size, stride);
    }
    /// Not positive where the ReLU before layer l lets nothing through.
    const T* gate(const CurvedDescent& descent, std::size_t l) const {
      return descent.layers_[l - 1].relu ? a[l].data() : nullptr;
    }

    std::int64_t size, stride;
    std::vector<Place> at;
    std::vector<Values> a, rows, d;
    std::vector<Values> curved_a, curved_d;
    double loss;
  };

  /// What the inputs' matrices make of the first layer's inputs is the same at every step.
  void curve(Pass& step, const Pass& first) const {
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const Layer& layer = layers_[l];
      if (l == 0 && &step != &first) {
        step.curved_a.push_back(first.curved_a[0]);
      } else {
        step.curved_a.push_back(step.a[l]);
        multiply(layer.inner, layer.in, step.a[l].data(), layer.in, step.stride,
                 step.curved_a[l].data(), true);
      }
      step.curved_d.push_back(step.d[l]);
      if (layer.outer.at)
        multiply(layer.outer, layer.out, step.d[l].data(), layer.out, step.stride,
                 step.curved_d[l].data(), true);
    }
  }
  /// Where a step leads.
  std::vector<Place> moved(const Pass& step) const {
    std::vector<Place> next;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const Layer& layer = layers_[l];
      const auto& [weight, bias, own_weight, own_bias] = step.at[l];
      const std::int64_t stride = layer.lambda.stride();
      Place place{{nullptr, stride},
                  nullptr,
                  Values(room(layer.out * stride)),
                  Values(bias, bias + layer.out)};
      for (std::int64_t o = 0; o < layer.out; ++o)
        std::copy_n(weight.at + o * weight.row_step, layer.in, &place.own_weight[room(o * stride)]);
      Values slope = step.curved_d[l];
      scale(-rate_, slope);
      multiply<T>({slope.data(), step.stride}, step.size,
                  step.as_rows(step.curved_a[l], layer.in).data(), layer.out, stride,
                  place.own_weight.data(), true);
      const Values of_bias = bias_slope(step, l);
      for (std::int64_t o = 0; o < layer.out; ++o)
        place.own_bias[room(o)] -= rate_ * (T{1} + layer.of_bias[o]) * of_bias[room(o)];
      place.weight.at = place.own_weight.data();
      place.bias = place.own_bias.data();
      next.push_back(std::move(place));
    }
    return next;
  }
  Values bias_slope(const Pass& step, std::size_t l) const {
    Values slope(room(layers_[l].out));
    add_sums(layers_[l].out, step.size, step.stride, step.d[l].data(), slope.data());
    return slope;
  }
  /// lambda of layer l += the gradient whose slopes are `d`.
  void add_slope(const Pass& pass, const Values& d, std::size_t l) {
    Layer& layer = layers_[l];
    multiply<T>({d.data(), pass.stride}, pass.size, pass.rows[l].data(), layer.out,
                layer.lambda.stride(), layer.lambda.at(), true);
    add_sums(layer.out, pass.size, pass.stride, d.data(), layer.bias_lambda);
  }

  /// What step k adds to the gradients of the matrices, by layer; and its direction, as what it
  /// says to the layer's inputs, V A with the bias's part, and to its slopes, V^T D.
  struct Direction {
    Values of_inputs, of_slopes;
  };
  Direction direction(const Pass& step, std::size_t l) {
    Layer& layer = layers_[l];
    const Left<T> lambda{layer.lambda.at(), layer.lambda.stride()};
    Values p(room(layer.out * step.stride)), q(room(layer.in * step.stride));
    multiply(lambda, layer.in, step.curved_a[l].data(), layer.out, step.stride, p.data());
    multiply(lambda.turned(), layer.out, step.curved_d[l].data(), layer.in, step.stride, q.data());
    scale(-rate_, p);
    scale(-rate_, q);
    Direction made{p, q};
    if (layer.outer.at) {
      multiply<T>({p.data(), step.stride}, step.size, step.as_rows(step.d[l], layer.out).data(),
                  layer.out, layer.of_outer.stride(), layer.of_outer.at(), true);
      multiply(layer.outer.turned(), layer.out, p.data(), layer.out, step.stride,
               made.of_inputs.data(), true);
    }
    if (l == 0) {
      add_scaled(layer.in * step.stride, T{1}, q.data(), of_first_.data());
    } else {
      multiply<T>({q.data(), step.stride}, step.size, step.rows[l].data(), layer.in,
                  layer.of_inner.stride(), layer.of_inner.at(), true);
      multiply(layer.inner.turned(), layer.in, q.data(), layer.in, step.stride,
               made.of_slopes.data(), true);
    }
    const Values slope = bias_slope(step, l);
    for (std::int64_t o = 0; o < layer.out; ++o) {
      const T c = -rate_ * layer.bias_lambda[o], along = c * (T{1} + layer.of_bias[o]);
      layer.of_bias_curve[o] += c * slope[room(o)];
      for (std::int64_t n = 0; n < step.size; ++n)
        made.of_inputs[room(o * step.stride + n)] += along;
    }
    return made;
  }
  /// From lambda after a step to that before: plus the Hessian's product with the direction, by the
  /// R-operator of Pearlmutter (kernels/mlp.hpp).
  void back(const Pass& step, const kernels::MlpBatch<T>& support) {
    const std::size_t last = layers_.size() - 1;
    std::vector<Direction> along;
    for (std::size_t l = 0; l <= last; ++l) along.push_back(direction(step, l));
    for (std::size_t l = 0; l <= last; ++l)  // becomes the tangent of what the layer gives
      multiply(step.at[l].weight, l == 0 ? 0 : layers_[l].in,
               l == 0 ? nullptr : along[l - 1].of_inputs.data(), layers_[l].out, step.stride,
               along[l].of_inputs.data(), true, l == last ? nullptr : step.gate(*this, l + 1));
    Values moved(room(layers_[last].out * step.stride));
    loss_curvature(support, layers_[last].out, step.stride, step.d[last].data(),
                   along[last].of_inputs.data(), moved.data());
    for (std::size_t l = last;; --l) {
      add_slope(step, moved, l);
      if (l == 0) break;
      Layer& layer = layers_[l];
      multiply<T>({step.d[l].data(), step.stride}, step.size,
                  step.as_rows(along[l - 1].of_inputs, layer.in).data(), layer.out,
                  layer.lambda.stride(), layer.lambda.at(), true);
      multiply(step.at[l].weight.turned(), layer.out, moved.data(), layer.in, step.stride,
               along[l].of_slopes.data(), true, step.gate(*this, l));
      moved = std::move(along[l].of_slopes);
    }
  }

  T rate_;
  std::vector<Layer> layers_;
  std::vector<Place> start_;
  Values of_first_;  ///< Q of the first layer, summed over steps: what it reads stays
};

}  // namespace cuttle
