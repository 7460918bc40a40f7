#include "adapt/surface/perceptron_head.hpp"

#include <torch/types.h>

#include <algorithm>
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
           const T* packed)
      : body(layers),
        samples(batch),
        memory(samples.x.options(), body.point_size(batch.view.size)),
        point(body.point(samples.view.size, memory.take(0))) {
    body.forward(samples.view.size, samples.view.x, packed, point);
    dense = as_dense(point.activations.back(), samples.view.size, width);
  }
  static std::vector<T> as_dense(const T* rows, std::int64_t size, std::int64_t width) {
    std::vector<T> dense(room(size * width));
    for (std::int64_t n = 0; n < size; ++n, rows += kernels::padded<T>(width))
      std::copy_n(rows, width, &dense[room(n * width)]);
    return dense;
  }
  /// From the gradient of the features to those of all layers' outputs.
  typename kernels::Mlp<T>::Passed back() const {
    body.make_deltas(samples.view.size, point);
    return {samples.view.size, samples.view.x, point};
  }

  const kernels::Mlp<T>& body;
  const Samples<T>& samples;
  Memory<T> memory;
  typename kernels::Mlp<T>::Point point;
  std::vector<T> dense;
};

/// Support and query before a head, which a body of packed layers makes features of.
template <class T>
class PackedBody {
 public:
  PackedBody(const std::vector<kernels::MlpLayer>& shapes,
             const std::vector<kernels::MlpWeights<const T>>& at, const Samples<T>& support,
             const Samples<T>& query)
      : body_({shapes.begin(), shapes.end() - 1}),
        head_({shapes.back()}),
        query_(query),
        packed_(packed(body_, at)),
        known_(body_, shapes.back().in, support, packed_.data()),
        asked_(body_, shapes.back().in, query, packed_.data()),
        memory_(query.x.options(), head_.point_size(query.view.size)),
        point_(head_.point(query.view.size, memory_.take(0))) {}

  /// The support's features, [size, width]; where their gradient belongs, padded.
  const T* features() const { return known_.dense.data(); }
  T* of_features() { return known_.point.deltas.back(); }
  /// The query's loss under a head; its gradient. Both packed.
  double loss(const T* head, T* gradient) {
    auto batch = query_.view;
    batch.x = asked_.dense.data();
    return head_.gradient(batch, head, point_, gradient, asked_.point.deltas.back());
  }
  torch::Tensor outputs(std::int64_t way) const { return outputs_of(head_, point_, query_, way); }
  /// The body's gradient, by the query, and by the support's features if they have one.
  void back(bool by_support, const std::vector<kernels::MlpWeights<T>>& to) const {
    std::vector<typename kernels::Mlp<T>::Passed> passed{asked_.back()};
    if (by_support) passed.push_back(known_.back());
    body_.weight_gradients(passed, to);
  }

 private:
  static std::vector<T> packed(const kernels::Mlp<T>& body,
                               const std::vector<kernels::MlpWeights<const T>>& at) {
    std::vector<T> weights(room(body.packed_size()));
    body.pack(at, weights.data());
    return weights;
  }
  kernels::Mlp<T> body_, head_;
  const Samples<T>& query_;
  std::vector<T> packed_;
  Features<T> known_, asked_;
  Memory<T> memory_;
  typename kernels::Mlp<T>::Point point_;
};

/// The same of a body that is a linear map, which the query goes through with the head as one.
template <class T>
class MappedBody {
 public:
  MappedBody(const std::vector<kernels::MlpLayer>& shapes,
             const std::vector<kernels::MlpWeights<const T>>& at, const Samples<T>& support,
             const Samples<T>& query)
      : last_(shapes.back()),
        head_({last_}),
        support_(support.view),
        query_(query),
        joined_(shapes.front(), at.front(), last_.out),
        of_features_(joined_.map(support_.size, support_.x)),
        dense_(Features<T>::as_dense(of_features_.data(), support_.size, last_.in)),
        layer_(room((last_.in + 1) * last_.out)),
        of_layer_(layer_.size()) {}

  const T* features() const { return dense_.data(); }
  T* of_features() { return of_features_.data(); }
  double loss(const T* head, T* gradient) {
    head_.unpack(head, {places(layer_)});
    const double loss = joined_.loss(query_.view, constant(layer_), places(of_layer_));
    head_.pack({constant(of_layer_)}, gradient);
    return loss;
  }
  torch::Tensor outputs(std::int64_t way) const {
    const auto outputs = torch::empty({query_.view.size, way}, query_.x.options());
    joined_.copy_answers(query_.view.size, outputs.template data_ptr<T>());
    return outputs;
  }
  void back(bool by_support, const std::vector<kernels::MlpWeights<T>>& to) const {
    joined_.back(by_support ? support_.size : 0, support_.x, of_features_.data(), to.front());
  }

 private:
  kernels::MlpWeights<T> places(std::vector<T>& layer) const {
    return {layer.data(), layer.data() + last_.in * last_.out};
  }
  kernels::MlpWeights<const T> constant(const std::vector<T>& layer) const {
    return {layer.data(), layer.data() + last_.in * last_.out};
  }
  kernels::MlpLayer last_;
  kernels::Mlp<T> head_;
  kernels::MlpBatch<T> support_;
  const Samples<T>& query_;
  JoinedMap<T> joined_;
  std::vector<T> of_features_, dense_, layer_, of_layer_;
};

template <class T, template <class> class Body>
TaskResult gradient_behind(const Surface& surface, double inner_rate, const Tensors& theta,
                           const Task& task, std::int64_t steps, bool second_order) {
  const Model& model = surface.model();
  const TaskKind& kind = surface.kind();
  const auto shapes = shapes_of(model, task.query.way);
  const kernels::Mlp<T> head({shapes.back()});
  const Samples<T> support(task.support, kind), query(task.query, kind);
  const auto few = task.support.size;
  const auto rate = static_cast<T>(inner_rate);
  const std::int64_t size = head.packed_size(), values = few * kernels::padded<T>(shapes.back().in);
  Memory<T> memory(theta[0].options(), values + (steps + 3) * size + steps * head.point_size(few));
  auto at = places_in<const T>(weights_of(model.perceptron(), theta));
  Body<T> body(shapes, {at.begin(), at.end() - 1}, support, query);
  auto known = support.view;
  known.x = body.features();

  T* trajectory = memory.take((steps + 1) * size);
  T *slope = memory.take(size), *lambda = memory.take(size), *of_step = memory.take(values);
  head.pack({at.back()}, trajectory);
  std::vector<typename kernels::Mlp<T>::Point> points;
  for (std::int64_t k = 0; k < steps; ++k) {
    const T* here = trajectory + k * size;
    points.push_back(head.point(few, memory.take(head.point_size(few))));
    head.gradient(known, here, points.back(), slope);
    for (std::int64_t i = 0; i < size; ++i)
      trajectory[(k + 1) * size + i] = here[i] - rate * slope[i];
  }
  TaskResult result;
  result.values.push_back(body.loss(trajectory + steps * size, lambda));
  if (!kind.metrics().empty())
    for (const double value : kind.measure(body.outputs(task.query.way), task.query))
      result.values.push_back(value);
  T* of_known = body.of_features();
  std::fill_n(of_known, values, T{});
  for (std::int64_t k = steps - 1; second_order && k >= 0; --k) {
    head.hessian_product(known, points[static_cast<std::size_t>(k)], lambda, slope, of_step);
    for (std::int64_t i = 0; i < size; ++i) lambda[i] -= rate * slope[i];
    for (std::int64_t i = 0; i < values; ++i) of_known[i] -= rate * of_step[i];
  }

  result.gradient = torch::zeros({model.layout()->flat_size()}, theta[0].options());
  auto places =
      places_in(model.perceptron(), *model.layout(), result.gradient.template data_ptr<T>());
  head.unpack(lambda, {places.back()});
  places.pop_back();
  body.back(second_order, places);
  return result;
}

}  // namespace

TaskResult gradient_of_head_task(const Surface& surface, double rate, const Tensors& theta,
                                 const Task& task, std::int64_t steps, bool second_order) {
  return with_type_of(theta[0], [&](auto type) {
    using T = decltype(type);
    const auto shapes = shapes_of(surface.model(), task.query.way);
    return JoinedMap<T>::pays({shapes.begin(), shapes.end() - 1}, shapes.back().out,
                              task.query.size)
               ? gradient_behind<T, MappedBody>(surface, rate, theta, task, steps, second_order)
               : gradient_behind<T, PackedBody>(surface, rate, theta, task, steps, second_order);
  });
}

}  // namespace cuttle
