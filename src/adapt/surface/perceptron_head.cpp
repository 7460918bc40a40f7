#include "adapt/surface/perceptron_head.hpp"

#include <torch/types.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "adapt/joined_map.hpp"
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

/// The query under an adapted head, which may go through body and head as one.
template <class T>
class AskedHead {
 public:
  AskedHead(const kernels::Mlp<T>& body, const std::vector<kernels::MlpLayer>& shapes,
            const Samples<T>& query, const T* packed, Memory<T>& memory)
      : query_(query),
        packed_(packed),
        memory_(memory),
        map_(shapes.front()),
        last_(shapes.back()),
        head_({joins(shapes, query.view.size) ? JoinedMap<T>::layer(map_, last_) : last_}),
        point_(head_.point(query.view.size, memory.take(head_.point_size(query.view.size)))) {
    if (!joins(shapes, query.view.size)) features_.emplace(body, last_.in, query, packed, memory);
  }
  static std::int64_t room(const kernels::Mlp<T>& body,
                           const std::vector<kernels::MlpLayer>& shapes, std::int64_t size) {
    return joins(shapes, size)
               ? JoinedMap<T>::room(shapes.front(), shapes.back()) +
                     kernels::Mlp<T>({{1, shapes.back().out, false}}).point_size(size)
               : Features<T>::room(body, size, shapes.back().in) +
                     kernels::Mlp<T>({shapes.back()}).point_size(size);
  }

  /// The loss under the head; its packed gradient.
  double loss(const T* head, T* gradient) {
    if (features_)
      return head_.gradient(features_->of_head, head, point_, gradient, features_->of_features());
    joined_.emplace(map_, last_, packed_, head, memory_);
    const double loss = head_.loss(query_.view, joined_->packed(), point_);
    head_.weight_gradients({{query_.view.size, query_.view.x, point_}}, {joined_->slope()});
    std::vector<T> dense(cuttle::room((last_.in + 1) * last_.out));
    T* bias = dense.data() + last_.in * last_.out;
    joined_->back_to_after({dense.data(), bias});
    kernels::Mlp<T>({last_}).pack({{dense.data(), bias}}, gradient);
    return loss;
  }
  torch::Tensor outputs() const { return outputs_of(head_, point_, query_, last_.out); }
  /// What went through the body.
  std::vector<typename kernels::Mlp<T>::Passed> passed() const {
    if (!features_) return {};
    return {features_->back()};
  }
  /// Adds to the body's gradient what did not.
  void back(const std::vector<kernels::MlpWeights<T>>& body) const {
    if (joined_) joined_->back_to_map(body.front());
  }

 private:
  static bool joins(const std::vector<kernels::MlpLayer>& shapes, std::int64_t size) {
    return JoinedMap<T>::pays({shapes.begin(), shapes.end() - 1}, shapes.back(), size);
  }
  const Samples<T>& query_;
  const T* packed_;
  Memory<T>& memory_;
  kernels::MlpLayer map_, last_;
  kernels::Mlp<T> head_;  ///< of the features, or of the query's samples
  typename kernels::Mlp<T>::Point point_;
  std::optional<Features<T>> features_;
  std::optional<JoinedMap<T>> joined_;
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
                                           AskedHead<T>::room(body, shapes, many) + body_size +
                                           few * body.padded(width) + (steps + 3) * size +
                                           steps * head.point_size(few));

  const Tensors weights = weights_of(model.perceptron(), theta);
  const at::TensorList all(weights), of_head = all.slice(all.size() - 2),
                                     of_body = all.slice(0, all.size() - 2);
  T* packed = memory.take(body_size);
  pack_tensors<T>(body, of_body, {}, packed);
  Features<T> known(body, width, support, packed, memory);

  T* trajectory = memory.take((steps + 1) * size);
  T *slope = memory.take(size), *lambda = memory.take(size);
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
  AskedHead<T> asked(body, shapes, query, packed, memory);
  TaskResult result;
  result.values.push_back(asked.loss(trajectory + steps * size, lambda));
  if (!kind.metrics().empty())
    for (const double value : kind.measure(asked.outputs(), task.query))
      result.values.push_back(value);
  std::fill_n(of_known, known.padded_values(), T{});
  for (std::int64_t k = steps - 1; second_order && k >= 0; --k) {
    head.hessian_product(known.of_head, points[static_cast<std::size_t>(k)], lambda, slope,
                         of_step);
    for (std::int64_t i = 0; i < size; ++i) lambda[i] -= rate * slope[i];
    for (std::int64_t i = 0; i < known.padded_values(); ++i) of_known[i] -= rate * of_step[i];
  }

  result.gradient = torch::zeros({model.layout()->flat_size()}, theta[0].options());
  auto places =
      places_in(model.perceptron(), *model.layout(), result.gradient.template data_ptr<T>());
  head.unpack(lambda, {places.back()});
  places.pop_back();
  auto passed = asked.passed();
  if (second_order) passed.push_back(known.back());
  body.weight_gradients(passed, places);
  asked.back(places);
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
