#include "adapt/surface/perceptron_head.hpp"

#include <torch/types.h>

#include <algorithm>
#include <vector>

#include "adapt/surface/perceptron_parts.hpp"

namespace cuttle {
namespace {

/// A batch before the head: what the body makes of it, and what the head sees.
template <class T>
struct Features {
  Features(const kernels::Mlp<T>& layers, std::int64_t width, const Samples<T>& batch,
           const T* packed, Memory<T>& memory)
      : body(layers),
        samples(batch),
        stride(body.padded(width)),
        point(body.point(samples.view.size, memory.take(body.point_size(batch.view.size)))) {
    body.forward(samples.view.size, samples.view.x, packed, point);
    T* dense = memory.take(samples.view.size * width);
    of_head = samples.view;
    of_head.x = dense;
    for (std::int64_t n = 0; n < samples.view.size; ++n)
      dense = std::copy_n(point.activations.back() + n * stride, width, dense);
  }
  /// Values that one takes of the memory.
  static std::int64_t room(const kernels::Mlp<T>& layers, std::int64_t size, std::int64_t width) {
    return layers.point_size(size) + size * width;
  }
  /// Where the gradient of the features belongs; how many values that is, with the padding.
  T* of_features() const { return point.deltas.back(); }
  std::int64_t padded_values() const { return samples.view.size * stride; }
  /// From there to those of all layers' outputs.
  typename kernels::Mlp<T>::Passed back() const {
    body.make_deltas(samples.view.size, point);
    return {samples.view.size, samples.view.x, point};
  }

  const kernels::Mlp<T>& body;
  const Samples<T>& samples;
  std::int64_t stride;
  typename kernels::Mlp<T>::Point point;
  kernels::MlpBatch<T> of_head;
};

template <class T>
TaskResult gradient_in(const Surface& surface, double inner_rate, const Tensors& theta,
                       const Task& task, std::int64_t steps, bool second_order) {
  const Model& model = surface.model();
  const TaskKind& kind = surface.kind();
  const auto shapes = shapes_of(model, task.query.way);
  const std::int64_t width = shapes.back().in;
  const kernels::Mlp<T> body({shapes.begin(), shapes.end() - 1}), head({shapes.back()});
  const Samples<T> support(task.support, kind), query(task.query, kind);
  const auto few = task.support.size, many = task.query.size;
  const auto rate = static_cast<T>(inner_rate);
  const std::int64_t size = head.packed_size(), body_size = body.packed_size();
  Memory<T> memory(theta[0].options(), Features<T>::room(body, few, width) +
                                           Features<T>::room(body, many, width) + body_size +
                                           few * body.padded(width) + (steps + 4) * size +
                                           steps * head.point_size(few) + head.point_size(many));

  const Tensors weights = weights_of(model.perceptron(), theta);
  const at::TensorList all(weights), of_head = all.slice(all.size() - 2),
                                     of_body = all.slice(0, all.size() - 2);
  T* packed = memory.take(body_size);
  pack_tensors<T>(body, of_body, {}, packed);
  Features<T> known(body, width, support, packed, memory),
      asked(body, width, query, packed, memory);

  T* trajectory = memory.take((steps + 1) * size);
  T *slope = memory.take(size), *lambda = memory.take(size), *direction = memory.take(size);
  pack_tensors<T>(head, of_head, {}, trajectory);
  std::vector<typename kernels::Mlp<T>::Point> points;
  for (std::int64_t k = 0; k < steps; ++k) {
    const T* here = trajectory + k * size;
    points.push_back(head.point(few, memory.take(head.point_size(few))));
    head.gradient(known.of_head, here, points.back(), slope);
    for (std::int64_t i = 0; i < size; ++i)
      trajectory[(k + 1) * size + i] = here[i] - rate * slope[i];
  }
  T *of_known = known.of_features(), *of_step = memory.take(known.padded_values());
  auto last = head.point(many, memory.take(head.point_size(many)));
  TaskResult result;
  result.values.push_back(
      head.gradient(asked.of_head, trajectory + steps * size, last, lambda, asked.of_features()));
  if (!kind.metrics().empty())
    for (const double value :
         kind.measure(outputs_of(head, last, query, task.query.way), task.query))
      result.values.push_back(value);
  std::fill_n(of_known, known.padded_values(), T{});
  for (std::int64_t k = steps - 1; second_order && k >= 0; --k) {
    for (std::int64_t i = 0; i < size; ++i) direction[i] = -rate * lambda[i];
    head.hessian_product(known.of_head, points[static_cast<std::size_t>(k)], direction, slope,
                         of_step);
    for (std::int64_t i = 0; i < size; ++i) lambda[i] += slope[i];
    for (std::int64_t i = 0; i < known.padded_values(); ++i) of_known[i] += of_step[i];
  }

  result.gradient = torch::zeros({model.layout()->flat_size()}, theta[0].options());
  auto places =
      places_in(model.perceptron(), *model.layout(), result.gradient.template data_ptr<T>());
  head.unpack(lambda, {places.back()});
  places.pop_back();
  std::vector<typename kernels::Mlp<T>::Passed> passed{asked.back()};
  if (second_order) passed.push_back(known.back());
  body.weight_gradients(passed, places);
  return result;
}

}  // namespace

TaskResult gradient_of_head_task(const Surface& surface, double rate, const Tensors& theta,
                                 const Task& task, std::int64_t steps, bool second_order) {
  return with_type_of(theta[0], [&](auto type) {
    return gradient_in<decltype(type)>(surface, rate, theta, task, steps, second_order);
  });
}

}  // namespace cuttle
