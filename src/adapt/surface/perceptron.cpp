#include "adapt/surface/perceptron.hpp"

#include <torch/types.h>

#include <algorithm>
#include <utility>

#include "cuttle/kernels/mlp.hpp"

namespace cuttle {
namespace {

/// Beyond, the parameters leave the second-level cache, and LibTorch's blocked products are as
/// fast.
constexpr std::int64_t kMostParameters = 1 << 19;

std::vector<kernels::MlpLayer> layers_of(const Model& model, std::int64_t outputs) {
  std::vector<kernels::MlpLayer> layers;
  for (const auto& layer : model.perceptron()) layers.push_back({layer.in, layer.out, layer.relu});
  layers.back().out = outputs;
  return layers;
}

/// Where a layer's weight and bias, or what belongs to them, are in the layout.
using LayerPlaces = std::vector<std::pair<std::int64_t, std::int64_t>>;

LayerPlaces layer_places(const Model& model) {
  LayerPlaces places;
  for (const auto& layer : model.perceptron()) places.emplace_back(layer.weight, layer.bias);
  return places;
}

template <class T>
std::vector<kernels::MlpWeights<T>> weights_in(T* flat, const Model& model,
                                               const LayerPlaces& places) {
  std::vector<kernels::MlpWeights<T>> weights;
  for (const auto& [weight, bias] : places)
    weights.push_back({flat + model.layout()->offset(weight), flat + model.layout()->offset(bias)});
  return weights;
}

/// A batch as the kernels read it; holds what they point into.
template <class T>
struct Samples {
  Samples(const Batch& batch, const TaskKind& kind) : x(batch.modalities[0].values.contiguous()) {
    view = {batch.size, x.data_ptr<T>(), nullptr, nullptr};
    const bool values = kind.simple_loss() == TaskKind::SimpleLoss::kSquaredError;
    answers = (values ? batch.targets : batch.labels).contiguous();
    if (values)
      view.targets = answers.data_ptr<T>();
    else
      view.labels = answers.data_ptr<std::int64_t>();
  }
  torch::Tensor x, answers;
  kernels::MlpBatch<T> view;
};

/// One block for all arrays of a task.
template <class T>
class Memory {
 public:
  Memory(const ParameterList& like, std::int64_t size)
      : block_(torch::empty({size}, like.flat().options())), next_(block_.data_ptr<T>()) {}
  T* take(std::int64_t count) { return std::exchange(next_, next_ + count); }

 private:
  torch::Tensor block_;
  T* next_;
};

/// What the model says of the batch, [n, way].
template <class T>
torch::Tensor outputs_of(const kernels::Mlp<T>& mlp, const typename kernels::Mlp<T>::Point& point,
                         const Samples<T>& samples, std::int64_t way) {
  auto outputs = torch::empty({samples.view.size, way}, samples.x.options());
  T* to = outputs.template data_ptr<T>();
  for (std::int64_t n = 0; n < samples.view.size; ++n)
    for (std::int64_t c = 0; c < way; ++c) *to++ = mlp.output(point, n, c);
  return outputs;
}

/// The rate of every element of packed parameters, or one of all.
template <class T>
class Rates {
 public:
  Rates(const EngineRates& rates, const Surface& surface, const kernels::Mlp<T>& mlp,
        const ParameterList& parameters)
      : rate_(static_cast<T>(rates.rate)), learned_(!rates.learned.empty()) {
    const Model& model = surface.model();
    const LayerPlaces own = layer_places(model);
    if (!learned_ && surface.fast().size() == 2 * own.size()) return;
    each_ = torch::empty({mlp.packed_size()}, parameters.flat().options());
    if (learned_) {
      for (const auto& [weight, bias] : own)
        of_learned_.emplace_back(rates.learned[static_cast<std::size_t>(weight)],
                                 rates.learned[static_cast<std::size_t>(bias)]);
      const T* flat = parameters.flat().data_ptr<T>();
      mlp.pack(weights_in(flat, model, of_learned_), each_.template data_ptr<T>());
      return;
    }
    const auto moves = torch::zeros_like(parameters.flat());
    const Tensors places = model.layout()->views(moves);
    for (const auto i : surface.fast()) places[static_cast<std::size_t>(i)].fill_(rates.rate);
    const T* flat = moves.template data_ptr<T>();
    mlp.pack(weights_in(flat, model, own), each_.template data_ptr<T>());
  }

  bool learned() const { return learned_; }
  /// Where the learned ones are in the layout.
  const LayerPlaces& places() const { return of_learned_; }
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
  LayerPlaces of_learned_;
};

/// descent.cpp, on packed parameters. A step's activations are kept for the way back where they
/// take no more room than its parameters, which are kept anyway; else they are computed again. So
/// are the slopes, for learned rates.
template <class T>
TaskResult gradient_of_task(const Surface& surface, const EngineRates& engine_rates,
                            const ParameterList& parameters, const Task& task, std::int64_t steps,
                            bool second_order) {
  const Model& model = surface.model();
  const TaskKind& kind = surface.kind();
  const LayerPlaces own = layer_places(model);
  const kernels::Mlp<T> mlp(layers_of(model, task.query.way));
  const Rates<T> rates(engine_rates, surface, mlp, parameters);
  const Samples<T> support(task.support, kind), query(task.query, kind);
  const std::int64_t size = mlp.packed_size();
  const bool keep =
      second_order && !rates.learned() && mlp.point_size(task.support.size) <= 2 * size;
  const std::int64_t kept = keep ? steps : 1, point_size = mlp.point_size(task.support.size);
  Memory<T> memory(parameters,
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

  mlp.pack(weights_in<const T>(parameters.flat().data_ptr<T>(), model, own), trajectory);
  for (std::int64_t k = 0; k < steps; ++k) {
    T* theta = trajectory + k * size;
    mlp.gradient(support.view, theta, at(k), slope);
    rates.step(theta, slope, size, theta + size);
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
  result.gradient = torch::zeros({model.layout()->flat_size()}, parameters.flat().options());
  T* flat = result.gradient.data_ptr<T>();
  mlp.unpack(lambda, weights_in(flat, model, own));
  if (rates.learned()) mlp.unpack(of_rates, weights_in(flat, model, rates.places()));
  return result;
}

template <class T>
Tensors descended(const Surface& surface, const EngineRates& engine_rates,
                  const ParameterList& parameters, const Batch& batch, std::int64_t steps) {
  const Model& model = surface.model();
  const LayerPlaces own = layer_places(model);
  const kernels::Mlp<T> mlp(layers_of(model, batch.way));
  const Rates<T> rates(engine_rates, surface, mlp, parameters);
  const Samples<T> support(batch, surface.kind());
  const std::int64_t size = mlp.packed_size();
  Memory<T> memory(parameters, 2 * size + mlp.point_size(batch.size));
  T *theta = memory.take(size), *slope = memory.take(size);
  auto point = mlp.point(batch.size, memory.take(mlp.point_size(batch.size)));
  const auto adapted = parameters.clone();
  mlp.pack(weights_in<const T>(adapted.flat().template data_ptr<T>(), model, own), theta);
  for (std::int64_t k = 0; k < steps; ++k) {
    mlp.gradient(support.view, theta, point, slope);
    rates.step(theta, slope, size, theta);
  }
  mlp.unpack(theta, weights_in(adapted.flat().template data_ptr<T>(), model, own));
  return adapted.tensors();
}

}  // namespace

std::unique_ptr<const PerceptronEngine> PerceptronEngine::find(const Surface& surface,
                                                               EngineRates rates,
                                                               bool second_order) {
  const Model& model = surface.model();
  FastSet whole;
  for (const auto& [weight, bias] : layer_places(model)) whole.insert(whole.end(), {weight, bias});
  std::sort(whole.begin(), whole.end());
  const FastSet& fast = surface.fast();
  const bool inside = std::includes(whole.begin(), whole.end(), fast.begin(), fast.end()) &&
                      (rates.learned.empty() || fast == whole);
  if (whole.empty() || !inside || surface.has_objectives() || !surface.kind().simple_loss() ||
      model.layout()->parameters() > kMostParameters)
    return nullptr;
  return std::unique_ptr<const PerceptronEngine>(
      new PerceptronEngine(surface, std::move(rates), second_order));
}

bool PerceptronEngine::takes(const ParameterList& parameters, const Batch& support,
                             const Batch* query) const {
  const auto& flat = parameters.flat();
  const auto fits = [&](const Batch& batch) {
    const auto& values = batch.modalities[0].values;
    return values.defined() && values.size(0) == batch.size && flat.is_cpu() && values.is_cpu() &&
           values.scalar_type() == flat.scalar_type() &&
           (flat.scalar_type() == torch::kFloat32 || flat.scalar_type() == torch::kFloat64);
  };
  return fits(support) && (query == nullptr || fits(*query)) &&
         !surface_.kind().support_weights(support).defined();
}

TaskResult PerceptronEngine::meta_gradient(const ParameterList& parameters, const Task& task,
                                           std::int64_t steps) const {
  const auto run = parameters.flat().scalar_type() == torch::kFloat64 ? gradient_of_task<double>
                                                                      : gradient_of_task<float>;
  return run(surface_, rates_, parameters, task, steps, second_order_);
}

Tensors PerceptronEngine::descend(const ParameterList& parameters, const Batch& support,
                                  std::int64_t steps) const {
  const auto run =
      parameters.flat().scalar_type() == torch::kFloat64 ? descended<double> : descended<float>;
  return run(surface_, rates_, parameters, support, steps);
}

}  // namespace cuttle
