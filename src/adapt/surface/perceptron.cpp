#include "adapt/surface/perceptron.hpp"

#include <torch/types.h>

#include <algorithm>
#include <utility>

#include "adapt/surface/perceptron_head.hpp"
#include "adapt/surface/perceptron_parts.hpp"

namespace cuttle {
namespace {

/// The rate of every element of packed parameters, or one of all.
template <class T>
class Rates {
 public:
  Rates(const EngineRates& rates, const Surface& surface, const kernels::Mlp<T>& mlp,
        const Tensors& theta)
      : rate_(static_cast<T>(rates.rate)), learned_(!rates.learned.empty()) {
    const Model& model = surface.model();
    auto layers = model.perceptron();
    if (!learned_ && surface.fast().size() == 2 * layers.size()) return;
    each_ = torch::empty({mlp.packed_size()}, theta[0].options());
    if (learned_) {
      for (auto& layer : layers)
        for (auto* place : {&layer.weight, &layer.bias})
          *place = rates.learned[static_cast<std::size_t>(*place)];
      of_learned_ = std::move(layers);
      pack_tensors<T>(mlp, weights_of(of_learned_, theta), {}, each_.template data_ptr<T>());
      return;
    }
    const Tensors moves =
        model.layout()->views(torch::zeros({model.layout()->flat_size()}, theta[0].options()));
    for (const auto i : surface.fast()) moves[static_cast<std::size_t>(i)].fill_(rates.rate);
    pack_tensors<T>(mlp, weights_of(layers, moves), {}, each_.template data_ptr<T>());
  }

  bool learned() const { return learned_; }
  /// The layers, with the places of the learned ones in the layout.
  const std::vector<LinearLayer>& places() const { return of_learned_; }
  /// to = from - rate * gradient.
  void step(const T* from, const T* gradient, std::int64_t size, T* to) const {
    if (!each_.defined()) {
      for (std::int64_t i = 0; i < size; ++i) to[i] = from[i] - rate_ * gradient[i];
      return;
    }
    const T* each = each_.template data_ptr<T>();
    for (std::int64_t i = 0; i < size; ++i) to[i] = from[i] - each[i] * gradient[i];
  }
  /// to = rate * from, where rates differ.
  const T* scaled(const T* from, std::int64_t size, T* to) const {
    if (!each_.defined()) return from;
    const T* each = each_.template data_ptr<T>();
    for (std::int64_t i = 0; i < size; ++i) to[i] = each[i] * from[i];
    return to;
  }
  /// to = from - H scaled, the product being of what scaled() gave.
  void back(const T* from, const T* product, std::int64_t size, T* to) const {
    const T rate = each_.defined() ? T{1} : rate_;
    for (std::int64_t i = 0; i < size; ++i) to[i] = from[i] - rate * product[i];
  }

 private:
  T rate_;
  bool learned_;
  torch::Tensor each_;  ///< packed; undefined: all move at one rate
  std::vector<LinearLayer> of_learned_;
};

/// descent.cpp, on packed parameters. A step's activations are kept for the way back where they
/// take no more room than its parameters, which are kept anyway; else they are computed again. So
/// are the slopes, for learned rates.
template <class T>
TaskResult gradient_of_task(const Surface& surface, const EngineRates& engine_rates,
                            const Tensors& theta, const Task& task, std::int64_t steps,
                            bool second_order) {
  const Model& model = surface.model();
  const TaskKind& kind = surface.kind();
  const kernels::Mlp<T> mlp(shapes_of(model, task.query.way));
  const Rates<T> rates(engine_rates, surface, mlp, theta);
  const Samples<T> support(task.support, kind), query(task.query, kind);
  const std::int64_t size = mlp.packed_size();
  const bool keep =
      second_order && !rates.learned() && mlp.point_size(task.support.size) <= 2 * size;
  const std::int64_t kept = keep ? steps : 1, point_size = mlp.point_size(task.support.size);
  Memory<T> memory(theta[0].options(),
                   (steps + 5) * size + kept * point_size + mlp.point_size(task.query.size));
  T* trajectory = memory.take((steps + 1) * size);
  T *slope = memory.take(size), *lambda = memory.take(size), *direction = memory.take(size);
  T* of_rates = memory.take(size);
  std::fill_n(of_rates, rates.learned() ? size : 0, T{});
  std::vector<typename kernels::Mlp<T>::Point> points;
  for (std::int64_t k = 0; k < kept; ++k)
    points.push_back(mlp.point(task.support.size, memory.take(point_size)));
  const auto at = [&](std::int64_t k) -> auto& {
    return points[static_cast<std::size_t>(keep ? k : 0)];
  };

  pack_tensors<T>(mlp, weights_of(model.perceptron(), theta), {}, trajectory);
  for (std::int64_t k = 0; k < steps; ++k) {
    T* here = trajectory + k * size;
    mlp.gradient(support.view, here, at(k), slope);
    rates.step(here, slope, size, here + size);
  }
  auto at_query = mlp.point(task.query.size, memory.take(mlp.point_size(task.query.size)));
  TaskResult result;
  result.values.push_back(mlp.gradient(query.view, trajectory + steps * size, at_query, lambda));
  if (!kind.metrics().empty())
    for (const double value :
         kind.measure(outputs_of(mlp, at_query, query, task.query.way), task.query))
      result.values.push_back(value);
  for (std::int64_t k = steps - 1; second_order && k >= 0; --k) {
    if (!keep && k + 1 < steps) mlp.gradient(support.view, trajectory + k * size, at(k), slope);
    for (std::int64_t i = 0; rates.learned() && i < size; ++i) of_rates[i] -= lambda[i] * slope[i];
    mlp.hessian_product(support.view, at(k), rates.scaled(lambda, size, direction), slope);
    rates.back(lambda, slope, size, lambda);
  }
  result.gradient = torch::zeros({model.layout()->flat_size()}, theta[0].options());
  T* flat = result.gradient.template data_ptr<T>();
  mlp.unpack(lambda, places_in(model.perceptron(), *model.layout(), flat));
  if (rates.learned()) mlp.unpack(of_rates, places_in(rates.places(), *model.layout(), flat));
  return result;
}

/// From `first` to `theta`; gives the loss before the last step, and leaves its point.
template <class T>
double descend_packed(const kernels::Mlp<T>& mlp, const Rates<T>& rates,
                      const kernels::MlpBatch<T>& support, T pull, std::int64_t steps,
                      const T* first, T* theta, T* slope, typename kernels::Mlp<T>::Point& point) {
  const std::int64_t size = mlp.packed_size();
  double loss = 0;
  std::copy_n(first, size, theta);
  for (std::int64_t k = 0; k < steps; ++k) {
    loss = mlp.gradient(support, theta, point, slope);
    for (std::int64_t i = 0; pull > 0 && i < size; ++i) slope[i] += pull * (theta[i] - first[i]);
    rates.step(theta, slope, size, theta);
  }
  return loss;
}

/// The query's gradient at the end of the loop, as `solve` changes it by the support's Hessian
/// there.
template <class T>
TaskResult implicit_gradient_in(const Surface& surface, const EngineRates& engine_rates,
                                const Tensors& start, const Task& task, std::int64_t steps,
                                const PerceptronEngine::Solve& solve) {
  const Model& model = surface.model();
  const TaskKind& kind = surface.kind();
  const kernels::Mlp<T> mlp(shapes_of(model, task.query.way));
  const Rates<T> rates(engine_rates, surface, mlp, start);
  const Samples<T> support(task.support, kind), query(task.query, kind);
  const std::int64_t size = mlp.packed_size();
  const auto options = start[0].options().requires_grad(false);
  Memory<T> memory(options,
                   3 * size + mlp.point_size(support.view.size) + mlp.point_size(query.view.size));
  T *first = memory.take(size), *theta = memory.take(size), *slope = memory.take(size);
  auto point = mlp.point(support.view.size, memory.take(mlp.point_size(support.view.size)));
  pack_tensors<T>(mlp, weights_of(model.perceptron(), start), {}, first);
  descend_packed(mlp, rates, support.view, static_cast<T>(engine_rates.pull), steps, first, theta,
                 slope, point);
  mlp.loss(support.view, theta, point);
  auto at_query = mlp.point(query.view.size, memory.take(mlp.point_size(query.view.size)));
  const auto wanted = torch::empty({size}, options);
  TaskResult result;
  result.values.push_back(mlp.gradient(query.view, theta, at_query, wanted.template data_ptr<T>()));
  for (const double value :
       kind.measure(outputs_of(mlp, at_query, query, task.query.way), task.query))
    result.values.push_back(value);
  const auto hessian = [&](const torch::Tensor& v) {
    const auto product = torch::empty_like(v);
    mlp.hessian_product(support.view, point, v.template data_ptr<T>(),
                        product.template data_ptr<T>());
    return product;
  };
  result.gradient = torch::zeros({model.layout()->flat_size()}, options);
  mlp.unpack(
      solve(hessian, wanted).contiguous().template data_ptr<T>(),
      places_in(model.perceptron(), *model.layout(), result.gradient.template data_ptr<T>()));
  return result;
}

template <class T>
Tensors descended(const Surface& surface, const EngineRates& engine_rates, const Tensors& start,
                  const Batch& batch, std::int64_t steps, Pass* last) {
  const Model& model = surface.model();
  const kernels::Mlp<T> mlp(shapes_of(model, batch.way));
  const Rates<T> rates(engine_rates, surface, mlp, start);
  const Samples<T> support(batch, surface.kind());
  const std::int64_t size = mlp.packed_size();
  Memory<T> memory(start[0].options(), 3 * size + mlp.point_size(batch.size));
  T *first = memory.take(size), *theta = memory.take(size), *slope = memory.take(size);
  auto point = mlp.point(batch.size, memory.take(mlp.point_size(batch.size)));
  pack_tensors<T>(mlp, weights_of(model.perceptron(), start), {}, first);
  const double loss = descend_packed(mlp, rates, support.view, static_cast<T>(engine_rates.pull),
                                     steps, first, theta, slope, point);
  if (last && steps > 0) {
    last->loss = torch::full({}, loss, start[0].options().requires_grad(false));
    last->outputs = outputs_of(mlp, point, support, batch.way);
  }
  Tensors adapted = start;
  for (const auto& layer : model.perceptron())
    for (const auto i : {layer.weight, layer.bias})
      adapted[static_cast<std::size_t>(i)] = start[static_cast<std::size_t>(i)].clone();
  mlp.unpack(theta, places_in<T>(weights_of(model.perceptron(), adapted)));
  return adapted;
}

FastSet all_of(const Model& model) {
  FastSet whole;
  for (const auto& layer : model.perceptron())
    whole.insert(whole.end(), {layer.weight, layer.bias});
  std::sort(whole.begin(), whole.end());
  return whole;
}

}  // namespace

std::unique_ptr<const PerceptronEngine> PerceptronEngine::find(const Surface& surface,
                                                               EngineRates rates,
                                                               bool second_order) {
  const Model& model = surface.model();
  const FastSet whole = all_of(model), &fast = surface.fast();
  const bool inside = std::includes(whole.begin(), whole.end(), fast.begin(), fast.end()) &&
                      (rates.learned.empty() || fast == whole);
  if (!inside || surface.has_objectives() || !kernels_know(model, surface.kind())) return nullptr;
  return std::unique_ptr<const PerceptronEngine>(
      new PerceptronEngine(surface, std::move(rates), second_order));
}

bool PerceptronEngine::moves_all() const {
  return surface_.fast() == all_of(surface_.model());
}

bool PerceptronEngine::takes(const Tensors& theta, const Batch& support, const Batch* query) const {
  return fits(support, theta[0]) && (query == nullptr || fits(*query, theta[0])) &&
         !surface_.kind().support_weights(support).defined();
}

TaskResult PerceptronEngine::meta_gradient(const Tensors& theta, const Task& task,
                                           std::int64_t steps) const {
  if (head_moves_alone_)
    return gradient_of_head_task(surface_, rates_.rate, theta, task, steps, second_order_);
  return with_type_of(theta[0], [&](auto type) {
    return gradient_of_task<decltype(type)>(surface_, rates_, theta, task, steps, second_order_);
  });
}

TaskResult PerceptronEngine::implicit_gradient(const Tensors& theta, const Task& task,
                                               std::int64_t steps, const Solve& solve) const {
  return with_type_of(theta[0], [&](auto type) {
    return implicit_gradient_in<decltype(type)>(surface_, rates_, theta, task, steps, solve);
  });
}

Tensors PerceptronEngine::descend(const Tensors& theta, const Batch& support, std::int64_t steps,
                                  Pass* last) const {
  return with_type_of(theta[0], [&](auto type) {
    return descended<decltype(type)>(surface_, rates_, theta, support, steps, last);
  });
}

}  // namespace cuttle
