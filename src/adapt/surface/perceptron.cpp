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

/// The layers' places in a flat buffer of the layout.
template <class T>
std::vector<kernels::MlpWeights<T>> weights_in(T* flat, const Model& model) {
  std::vector<kernels::MlpWeights<T>> places;
  for (const auto& layer : model.perceptron())
    places.push_back(
        {flat + model.layout()->offset(layer.weight), flat + model.layout()->offset(layer.bias)});
  return places;
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

/// to = from - rate * gradient.
template <class T>
void descend_step(const T* from, T rate, const T* gradient, std::int64_t size, T* to) {
  for (std::int64_t i = 0; i < size; ++i) to[i] = from[i] - rate * gradient[i];
}

/// descent.cpp, on packed parameters. A step's activations are kept for the way back where they
/// take no more room than its parameters, which are kept anyway; else they are computed again.
template <class T>
TaskResult gradient_of_task(const Surface& surface, const ParameterList& parameters,
                            const Task& task, std::int64_t steps, T rate, bool second_order) {
  const Model& model = surface.model();
  const TaskKind& kind = surface.kind();
  const kernels::Mlp<T> mlp(layers_of(model, task.query.way));
  const Samples<T> support(task.support, kind), query(task.query, kind);
  const std::int64_t size = mlp.packed_size();
  const bool keep = second_order && mlp.point_size(task.support.size) <= 2 * size;
  const std::int64_t kept = keep ? steps : 1, point_size = mlp.point_size(task.support.size);
  Memory<T> memory(parameters,
                   (steps + 3) * size + kept * point_size + mlp.point_size(task.query.size));
  T* trajectory = memory.take((steps + 1) * size);
  T *slope = memory.take(size), *lambda = memory.take(size);
  std::vector<typename kernels::Mlp<T>::Point> points;
  for (std::int64_t k = 0; k < kept; ++k)
    points.push_back(mlp.point(task.support.size, memory.take(point_size)));
  const auto at = [&](std::int64_t k) -> auto& {
    return points[static_cast<std::size_t>(keep ? k : 0)];
  };

  mlp.pack(weights_in<const T>(parameters.flat().data_ptr<T>(), model), trajectory);
  for (std::int64_t k = 0; k < steps; ++k) {
    T* theta = trajectory + k * size;
    mlp.gradient(support.view, theta, at(k), slope);
    descend_step(theta, rate, slope, size, theta + size);
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
    mlp.hessian_product(support.view, at(k), lambda, slope);
    descend_step(lambda, rate, slope, size, lambda);
  }
  result.gradient = torch::zeros({model.layout()->flat_size()}, parameters.flat().options());
  mlp.unpack(lambda, weights_in(result.gradient.data_ptr<T>(), model));
  return result;
}

template <class T>
Tensors descended(const Surface& surface, const ParameterList& parameters, const Batch& batch,
                  std::int64_t steps, T rate) {
  const Model& model = surface.model();
  const kernels::Mlp<T> mlp(layers_of(model, batch.way));
  const Samples<T> support(batch, surface.kind());
  const std::int64_t size = mlp.packed_size();
  Memory<T> memory(parameters, 2 * size + mlp.point_size(batch.size));
  T *theta = memory.take(size), *slope = memory.take(size);
  auto point = mlp.point(batch.size, memory.take(mlp.point_size(batch.size)));
  const auto adapted = parameters.clone();
  mlp.pack(weights_in<const T>(adapted.flat().template data_ptr<T>(), model), theta);
  for (std::int64_t k = 0; k < steps; ++k) {
    mlp.gradient(support.view, theta, point, slope);
    descend_step(theta, rate, slope, size, theta);
  }
  mlp.unpack(theta, weights_in(adapted.flat().template data_ptr<T>(), model));
  return adapted.tensors();
}

}  // namespace

std::unique_ptr<const PerceptronEngine> PerceptronEngine::find(const Surface& surface, double rate,
                                                               bool second_order) {
  const Model& model = surface.model();
  FastSet whole;
  for (const auto& layer : model.perceptron())
    whole.insert(whole.end(), {layer.weight, layer.bias});
  std::sort(whole.begin(), whole.end());
  if (whole.empty() || surface.fast() != whole || surface.has_objectives() ||
      !surface.kind().simple_loss() || model.layout()->parameters() > kMostParameters)
    return nullptr;
  return std::unique_ptr<const PerceptronEngine>(new PerceptronEngine(surface, rate, second_order));
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
  if (parameters.flat().scalar_type() == torch::kFloat64)
    return gradient_of_task(surface_, parameters, task, steps, rate_, second_order_);
  return gradient_of_task(surface_, parameters, task, steps, static_cast<float>(rate_),
                          second_order_);
}

Tensors PerceptronEngine::descend(const ParameterList& parameters, const Batch& support,
                                  std::int64_t steps) const {
  if (parameters.flat().scalar_type() == torch::kFloat64)
    return descended(surface_, parameters, support, steps, rate_);
  return descended(surface_, parameters, support, steps, static_cast<float>(rate_));
}

}  // namespace cuttle
