#include "adapt/task_layers.hpp"

#include <torch/types.h>

#include <algorithm>
#include <numeric>

#include "adapt/joined_map.hpp"
#include "adapt/surface/perceptron_parts.hpp"

namespace cuttle {
namespace {

/// Where weights and biases are that follow each other.
template <class T>
std::vector<kernels::MlpWeights<T>> places_of(const std::vector<kernels::MlpLayer>& shapes,
                                              T* dense) {
  std::vector<kernels::MlpWeights<T>> places;
  for (const auto& [in, out, relu] : shapes) {
    places.push_back({dense, dense + in * out});
    dense += (in + 1) * out;
  }
  return places;
}

std::int64_t numbers_of(const std::vector<kernels::MlpLayer>& shapes) {
  std::int64_t numbers = 0;
  for (const auto& [in, out, relu] : shapes) numbers += (in + 1) * out;
  return numbers;
}

template <class T>
std::vector<T> weights_of(const TaskKind& kind, const Batch& support) {
  std::vector<T> weights(static_cast<std::size_t>(support.size), T{1});
  if (const auto given = kind.support_weights(support); given.defined())
    std::transform(given.data_ptr<double>(), given.data_ptr<double>() + support.size,
                   weights.begin(), [](double weight) { return static_cast<T>(weight); });
  return weights;
}

/// A task's parameters and its result, flat, and the encoder between them.
template <class T>
struct Body {
  Body(const Model& of, const TaskKind& target, const ParameterList& parameters)
      : model(of),
        kind(target),
        stack(of.encoder(0).stack()),
        mlp(shapes_of(stack)),
        options(parameters.flat().options()),
        flat(parameters.flat().data_ptr<T>()) {
    result.gradient = torch::empty({model.layout()->flat_size()}, options);
    of_flat = result.gradient.template data_ptr<T>();
    std::fill_n(of_flat, result.gradient.numel(), T{});
  }
  template <class U>
  std::vector<kernels::MlpWeights<U>> places(U* in) const {
    return places_in(stack, *model.layout(), in);
  }
  /// Of a learner's outputs for the query.
  void report(double loss, const torch::Tensor& outputs, const Batch& query) {
    result.values.push_back(loss);
    for (const double value : kind.measure(outputs, query)) result.values.push_back(value);
  }

  const Model& model;
  const TaskKind& kind;
  const std::vector<LinearLayer>& stack;
  kernels::Mlp<T> mlp;
  torch::TensorOptions options;
  const T* flat;
  T* of_flat;
  TaskResult result;
};

/// What the encoder makes of a batch, which may be empty, and the way back.
template <class T>
class EmbeddedRows {
 public:
  EmbeddedRows(const Body<T>& body, const Batch& batch, const T* packed,
               std::vector<T> weights = {})
      : body_(body),
        memory_(body.options, body.mlp.point_size(batch.size)),
        point_(body.mlp.point(batch.size, memory_.take(0))),
        rows_{batch.size,
              batch.way,
              body.stack.back().out,
              body.mlp.padded(body.stack.back().out),
              point_.activations.back(),
              point_.deltas.back(),
              nullptr,
              nullptr,
              std::move(weights),
              *body.model.layout(),
              body.flat,
              body.of_flat} {
    if (rows_.size == 0) return;
    samples_.emplace(batch, body.kind);
    rows_.labels = samples_->view.labels;
    rows_.targets = samples_->view.targets;
    body.mlp.forward(rows_.size, samples_->view.x, packed, point_);
    std::fill_n(rows_.of_features, rows_.size * rows_.stride, T{});
  }
  const SampleRows<T>& rows() const { return rows_; }
  /// From the gradient of the rows to those of all layers' outputs.
  typename kernels::Mlp<T>::Passed back() const {
    body_.mlp.make_deltas(rows_.size, point_);
    return {rows_.size, samples_ ? samples_->view.x : nullptr, point_};
  }

 private:
  const Body<T>& body_;
  Memory<T> memory_;
  typename kernels::Mlp<T>::Point point_;
  std::optional<Samples<T>> samples_;
  SampleRows<T> rows_;
};

/// The means of classes as samples, one of each.
template <class T>
struct ClassMeans {
  ClassMeans(const kernels::MlpBatch<T>& batch, std::int64_t way, std::int64_t width)
      : x(room(way * width)), labels(room(way)) {
    std::vector<T> counts(room(way));
    for (std::int64_t i = 0; i < batch.size; ++i) counts[room(batch.labels[i])] += T{1};
    for (std::int64_t i = 0; i < batch.size; ++i)
      add_scaled(width, T{1} / counts[room(batch.labels[i])], batch.x + i * width,
                 &x[room(batch.labels[i] * width)]);
    std::iota(labels.begin(), labels.end(), 0);
    complete = std::find(counts.begin(), counts.end(), T{}) == counts.end();
  }
  std::vector<T> x;
  std::vector<std::int64_t> labels;
  bool complete;
};

/// Support and query behind a linear map, which the query goes through with the layer after it as
/// one (JoinedMap). A map of means is the mean of what it makes.
template <class T>
std::optional<TaskResult> gradient_behind_map(Body<T>& body, const Task& task,
                                              const TaskLayers& layers,
                                              const TaskLayers::Make<T>& make) {
  const auto map = shapes_of(body.stack).front(), after = layers.shapes.front();
  const std::int64_t numbers = numbers_of(layers.shapes), way = task.support.way;
  std::optional<Samples<T>> support;
  std::optional<ClassMeans<T>> means;
  kernels::MlpBatch<T> known{0, nullptr, nullptr, nullptr};
  if (task.support.size > 0) known = support.emplace(task.support, body.kind).view;
  if (layers.of_means) {
    means.emplace(known, way, map.in);
    if (!means->complete) return std::nullopt;
    known = {way, means->x.data(), means->labels.data(), nullptr};
  }
  JoinedMap<T> joined(map, body.places(body.flat).front(), after.out);
  const auto features = joined.map(known.size, known.x);
  std::vector<T> of_features(features.size()), layer(room(numbers)), of_layer(room(numbers));
  const SampleRows<T> rows{known.size,
                           way,
                           map.out,
                           kernels::padded<T>(map.out),
                           features.data(),
                           of_features.data(),
                           known.labels,
                           known.targets,
                           weights_of<T>(body.kind, task.support),
                           *body.model.layout(),
                           body.flat,
                           body.of_flat};
  const auto learned = make(rows, layer.data());
  if (!learned->complete()) return std::nullopt;
  const Samples<T> query(task.query, body.kind);
  const double loss =
      joined.loss(query.view, places_of<const T>(layers.shapes, layer.data()).front(),
                  places_of(layers.shapes, of_layer.data()).front());
  const auto outputs = torch::empty({task.query.size, after.out}, body.options);
  joined.copy_answers(task.query.size, outputs.template data_ptr<T>());
  body.report(loss, outputs, task.query);
  learned->back(of_layer.data());
  const auto to = body.places(body.of_flat).front();
  const auto& [count, shares, shared] = learned->shared();
  if (count == 0) {
    joined.back(known.size, known.x, of_features.data(), to);
    return std::move(body.result);
  }
  // What the samples have of a row is as one sample, their mixture.
  std::vector<T> mixed(room(count * map.in)), counts(room(count));
  multiply(Left<T>{shares.data(), count}.turned(), known.size, known.x, count, map.in,
           mixed.data());
  for (std::int64_t i = 0; i < known.size; ++i)
    add_scaled(count, T{1}, &shares[room(i * count)], counts.data());
  joined.back(count, mixed.data(), shared.data(), to, counts.data());
  return std::move(body.result);
}

/// The layers that are made follow the encoder's in one perceptron, which the query goes through;
/// the support goes through the encoder alone, whose packed weights are the first of all.
template <class T>
std::optional<TaskResult> gradient_in(const Model& model, const TaskKind& kind,
                                      const ParameterList& parameters, const Task& task,
                                      const TaskLayers& layers_of,
                                      const TaskLayers::Make<T>& make) {
  Body<T> body(model, kind, parameters);
  const auto& made_shapes = layers_of.shapes;
  auto shapes = shapes_of(body.stack);
  const std::int64_t many = task.query.size;
  if (made_shapes.size() == 1 && JoinedMap<T>::pays(shapes, made_shapes.front().out, many))
    return gradient_behind_map(body, task, layers_of, make);
  shapes.insert(shapes.end(), made_shapes.begin(), made_shapes.end());
  const kernels::Mlp<T> made(made_shapes), all(std::move(shapes));
  const std::int64_t body_size = body.mlp.packed_size(), numbers = numbers_of(made_shapes);
  Memory<T> memory(body.options, body_size + made.packed_size() + all.point_size(many)),
      dense(body.options, 2 * numbers);
  // Packed one after the other, as a perceptron of both has them.
  T *packed = memory.take(body_size), *made_packed = memory.take(made.packed_size());
  T *layers = dense.take(numbers), *of_layers = dense.take(numbers);
  body.mlp.pack(body.places(body.flat), packed);
  const EmbeddedRows<T> support(body, task.support, packed, weights_of<T>(kind, task.support));
  const auto learned = make(support.rows(), layers);
  if (!learned->complete()) return std::nullopt;
  made.pack(places_of<const T>(made_shapes, layers), made_packed);

  const Samples<T> query(task.query, kind);
  auto asked = all.point(many, memory.take(all.point_size(many)));
  const double loss = all.loss(query.view, packed, asked);
  body.report(loss, outputs_of(all, asked, query, made_shapes.back().out), task.query);

  const auto of_made = places_of(made_shapes, of_layers), of_body = body.places(body.of_flat);
  std::vector<kernels::MlpWeights<T>> to(body.stack.size(), {nullptr, nullptr});
  to.insert(to.end(), of_made.begin(), of_made.end());
  const typename kernels::Mlp<T>::Passed passed{many, query.view.x, asked};
  all.weight_gradients({passed}, to);
  learned->back(of_layers);
  const auto& rows = support.rows();
  if (const auto& [count, shares, shared] = learned->shared(); count > 0)
    multiply({shares.data(), count}, count, shared.data(), rows.size, rows.stride,
             rows.of_features);
  body.mlp.weight_gradients({passed, support.back()}, of_body);
  return std::move(body.result);
}

template <class T>
TaskResult gradient_in(const Model& model, const TaskKind& kind, const ParameterList& parameters,
                       const Task& task, const TaskOutcome::Compute<T>& compute) {
  Body<T> body(model, kind, parameters);
  Memory<T> memory(body.options, body.mlp.packed_size());
  T* packed = memory.take(0);
  body.mlp.pack(body.places(body.flat), packed);
  const EmbeddedRows<T> support(body, task.support, packed, weights_of<T>(kind, task.support));
  const EmbeddedRows<T> query(body, task.query, packed);
  const auto outputs = torch::empty({task.query.size, task.query.way}, body.options);
  compute(support.rows(), query.rows(), outputs.template data_ptr<T>());
  body.report(kind.loss(outputs, task.query).template item<double>(), outputs, task.query);
  body.mlp.weight_gradients({support.back(), query.back()}, body.places(body.of_flat));
  return std::move(body.result);
}

/// Whether a task is of one sense, which none of its samples lacks, and descends a loss that the
/// kernels know and nothing beside it.
bool is_simple(const Model& model, const TaskKind& kind, const Objectives& objectives,
               const Task& task) {
  const auto complete = [](const Batch& batch) {
    return batch.size == 0 || batch.modalities[0].rows.numel() == batch.size;
  };
  return model.modalities().size() == 1 && model.fusion().passes_through() && !model.drops() &&
         kind.simple_loss() && objectives.empty() && complete(task.support) &&
         complete(task.query) && !(model.lite() > 0 && model.lite() < task.support.size);
}

/// Whether the encoder of such a task is linear layers that the kernels know.
bool by_layers(const Model& model, const ParameterList& parameters, const Task& task) {
  const auto& flat = parameters.flat();
  return !model.frozen(0) && model.encoder(0).stacked() && fits(task.query, flat) &&
         (task.support.size == 0 || fits(task.support, flat));
}

/// An embedding [n, width] as rows, and their gradient.
template <class T>
class GivenRows {
 public:
  GivenRows(const Model& model, const TaskKind& kind, const ParameterList& parameters,
            const Batch& batch, const torch::Tensor& embedding, const torch::Tensor& of_flat,
            std::vector<T> weights = {})
      : width_(embedding.size(1)),
        memory_(torch::zeros({2, batch.size, kernels::padded<T>(width_)}, of_flat.options())),
        values_(kind.simple_loss() == TaskKind::SimpleLoss::kSquaredError),
        answers_((values_ ? batch.targets : batch.labels).contiguous()),
        rows_{batch.size,
              batch.way,
              width_,
              memory_.size(2),
              memory_[0].template data_ptr<T>(),
              memory_[1].template data_ptr<T>(),
              values_ ? nullptr : answers_.template data_ptr<std::int64_t>(),
              values_ ? answers_.template data_ptr<T>() : nullptr,
              std::move(weights),
              *model.layout(),
              parameters.flat().data_ptr<T>(),
              of_flat.data_ptr<T>()} {
    memory_[0].narrow(1, 0, width_).copy_(embedding);
  }
  const SampleRows<T>& rows() const { return rows_; }
  torch::Tensor gradient() const { return memory_[1].narrow(1, 0, width_); }

 private:
  std::int64_t width_;
  torch::Tensor memory_;
  bool values_;
  torch::Tensor answers_;
  SampleRows<T> rows_;
};

template <class T>
EmbeddedOutcome outcome_in(const Model& model, const TaskKind& kind,
                           const ParameterList& parameters, const Task& task,
                           const torch::Tensor& support, const torch::Tensor& query,
                           const TaskOutcome::Compute<T>& compute) {
  EmbeddedOutcome made;
  made.of_parameters = torch::zeros({model.layout()->flat_size()}, parameters.flat().options());
  const GivenRows<T> known(model, kind, parameters, task.support, support, made.of_parameters,
                           weights_of<T>(kind, task.support)),
      asked(model, kind, parameters, task.query, query, made.of_parameters);
  const auto outputs = torch::empty({task.query.size, task.query.way}, parameters.flat().options());
  compute(known.rows(), asked.rows(), outputs.template data_ptr<T>());
  made.of_support = known.gradient();
  made.of_query = asked.gradient();
  made.values.push_back(kind.loss(outputs, task.query).template item<double>());
  for (const double value : kind.measure(outputs, task.query)) made.values.push_back(value);
  return made;
}

}  // namespace

std::optional<TaskResult> gradient_by_layers(const Model& model, const TaskKind& kind,
                                             const Objectives& objectives,
                                             const ParameterList& parameters, const Task& task,
                                             const TaskLayers& layers) {
  if (!is_simple(model, kind, objectives, task) || !by_layers(model, parameters, task) ||
      numbers_of(shapes_of(model.encoder(0).stack())) + numbers_of(layers.shapes) >
          kMostPackedWeights)
    return std::nullopt;
  if (parameters.flat().scalar_type() == torch::kFloat64)
    return gradient_in<double>(model, kind, parameters, task, layers, layers.in_double);
  return gradient_in<float>(model, kind, parameters, task, layers, layers.in_float);
}

std::optional<TaskResult> gradient_by_rows(const Model& model, const TaskKind& kind,
                                           const Objectives& objectives,
                                           const ParameterList& parameters, const Task& task,
                                           const TaskOutcome& outcome) {
  if (!is_simple(model, kind, objectives, task) || !by_layers(model, parameters, task))
    return std::nullopt;
  if (parameters.flat().scalar_type() == torch::kFloat64)
    return gradient_in<double>(model, kind, parameters, task, outcome.in_double);
  return gradient_in<float>(model, kind, parameters, task, outcome.in_float);
}

bool has_rows_beside_graph(const Model& model, const TaskKind& kind, const Objectives& objectives,
                           const ParameterList& parameters, const Task& task) {
  if (!is_simple(model, kind, objectives, task)) return false;
  const auto& blocks = model.encoder(0).blocks();
  return may_be_packed(parameters.flat(), parameters.flat()) &&
         std::any_of(blocks.begin(), blocks.end(),
                     [](const auto& block) { return block->fused(); });
}

EmbeddedOutcome outcome_of_embedding(const Model& model, const TaskKind& kind,
                                     const ParameterList& parameters, const Task& task,
                                     const torch::Tensor& support, const torch::Tensor& query,
                                     const TaskOutcome& outcome) {
  if (parameters.flat().scalar_type() == torch::kFloat64)
    return outcome_in<double>(model, kind, parameters, task, support, query, outcome.in_double);
  return outcome_in<float>(model, kind, parameters, task, support, query, outcome.in_float);
}

}  // namespace cuttle
