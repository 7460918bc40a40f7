#pragma once

#include <torch/types.h>

#include <utility>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/model/linear_stack.hpp"
#include "cuttle/model/model.hpp"
#include "cuttle/task/task_kind.hpp"

// What own kernels for perceptrons are told of models and batches.
namespace cuttle {

/// With as many outputs as a task asks for.
inline std::vector<kernels::MlpLayer> shapes_of(const Model& model, std::int64_t outputs) {
  auto shapes = shapes_of(model.perceptron());
  shapes.back().out = outputs;
  return shapes;
}

/// One block for all arrays of a task.
template <class T>
class Memory {
 public:
  Memory(const torch::TensorOptions& like, std::int64_t size)
      : block_(torch::empty({size}, like)), next_(block_.data_ptr<T>()) {}
  T* take(std::int64_t count) { return std::exchange(next_, next_ + count); }

 private:
  torch::Tensor block_;
  T* next_;
};

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

/// Where layers are in a flat buffer.
template <class T>
std::vector<kernels::MlpWeights<T>> places_in(const std::vector<LinearLayer>& layers,
                                              const ParameterLayout& layout, T* flat) {
  std::vector<kernels::MlpWeights<T>> places;
  for (const auto& layer : layers)
    places.push_back({flat + layout.offset(layer.weight), flat + layout.offset(layer.bias)});
  return places;
}

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

/// The result of a perceptron's task: `descend(support, query, parameters, gradient, outputs)`
/// returns the query's loss, and writes the flat gradient (zeros so far) and the query's outputs.
template <class T, class Descend>
TaskResult result_on_kernels(const Model& model, const TaskKind& kind,
                             const ParameterList& parameters, const Task& task,
                             const Descend& descend) {
  const auto& flat = parameters.flat();
  const Samples<T> support(task.support, kind), query(task.query, kind);
  const auto outputs = torch::empty({task.query.size, task.query.way}, flat.options());
  TaskResult result{torch::zeros({model.layout()->flat_size()}, flat.options()), {}};
  result.values.push_back(descend(support.view, query.view, flat.data_ptr<T>(),
                                  result.gradient.template data_ptr<T>(),
                                  outputs.template data_ptr<T>()));
  for (const double value : kind.measure(outputs, task.query)) result.values.push_back(value);
  return result;
}

/// Whether the kernels can compute the model with the kind's loss.
inline bool kernels_know(const Model& model, const TaskKind& kind) {
  return may_be_packed(model.perceptron()) && kind.simple_loss();
}

/// Whether they can compute a batch: nothing is missing.
inline bool fits(const Batch& batch, const torch::Tensor& like) {
  const auto& values = batch.modalities[0].values;
  return values.defined() && values.size(0) == batch.size && may_be_packed(values, like);
}

}  // namespace cuttle
