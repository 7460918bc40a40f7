#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "adapt/plain_rows.hpp"
#include "cuttle/adapt/learner.hpp"
#include "cuttle/kernels/mlp.hpp"

// Small models of one sense of vectors: whole tasks on own kernels, without a graph, for learners
// whose answers are layers on a query's features that the support set makes.
namespace cuttle {

/// A set of samples as plain rows.
template <class T>
struct SampleRows {
  std::int64_t size, way;
  std::int64_t width, stride;  ///< of a row of features: columns, and with the padding
  const T* features;
  T* of_features;              ///< their gradient, zeros so far
  const std::int64_t* labels;  ///< null: it has values to predict
  const T* targets;            ///< [size, way]
  std::vector<T> weights;      ///< of a support: what each sample counts (support_weights)
  const ParameterLayout& layout;
  const T* parameters;  ///< all, flat
  T* gradient;          ///< of them, flat, zeros so far

  const T* row(std::int64_t sample) const { return features + sample * stride; }
  T* of_row(std::int64_t sample) const { return of_features + sample * stride; }
  /// As answers_of() has it.
  T answer(std::int64_t sample, std::int64_t column) const {
    return targets ? targets[sample * way + column] : labels[sample] == column ? T{1} : T{};
  }
  /// A parameter by its place, and its gradient.
  const T* own(std::int64_t place) const { return parameters + layout.offset(place); }
  T* of_own(std::int64_t place) const { return gradient + layout.offset(place); }
};

/// Few rows [count, stride] that samples share in, by `shares` [samples, count].
template <class T>
struct SharedRows {
  std::int64_t count = 0;
  std::vector<T> shares = {}, rows = {};
};

/// What a learner made of a support set.
template <class T>
class MadeLayers {
 public:
  virtual ~MadeLayers() = default;
  /// False: the task goes by the graph.
  virtual bool complete() const { return true; }
  /// From the gradient of the layers to that of the support's features and of the learner's own
  /// parameters.
  virtual void back(const T* of_layers) = 0;
  /// After that: the features' gradient, if it is such rows and back() has not added it.
  const SharedRows<T>& shared() const { return shared_; }

 protected:
  SharedRows<T> shared_;
};

/// For either precision, how a learner makes layers: the weight [out, in] and the bias [out] of
/// each, in turn.
struct TaskLayers {
  template <class T>
  using Make = std::function<std::unique_ptr<MadeLayers<T>>(const SampleRows<T>&, T* layers)>;

  std::vector<kernels::MlpLayer> shapes;
  Make<float> in_float;
  Make<double> in_double;
  bool of_means = false;  ///< of the classes' mean features alone

  /// `make`: gives a MadeLayers of the precision of what it is called with.
  template <class Both>
  static TaskLayers by(std::vector<kernels::MlpLayer> shapes, const Both& make,
                       bool of_means = false) {
    const auto kept = [make](const auto& support, auto* layers) {
      return std::make_unique<decltype(make(support, layers))>(make(support, layers));
    };
    return {std::move(shapes), kept, kept, of_means};
  }
};

/// For either precision, what training makes of the rows of support and query: it adds to their
/// gradients and the parameters', and gives the outputs [query, way] that are reported.
struct TaskOutcome {
  template <class T>
  using Compute =
      std::function<void(const SampleRows<T>& support, const SampleRows<T>& query, T* outputs)>;

  template <class Both>
  explicit TaskOutcome(const Both& compute) : in_float(compute), in_double(compute) {}

  Compute<float> in_float;
  Compute<double> in_double;
};

/// Learner::meta_gradient of what these layers say of a task's query. Null where it needs the
/// graph: something beside linear layers and a loss that the kernels know, or missing samples.
std::optional<TaskResult> gradient_by_layers(const Model& model, const TaskKind& kind,
                                             const Objectives& objectives,
                                             const ParameterList& parameters, const Task& task,
                                             const TaskLayers& layers);
/// The same of an outcome.
std::optional<TaskResult> gradient_by_rows(const Model& model, const TaskKind& kind,
                                           const Objectives& objectives,
                                           const ParameterList& parameters, const Task& task,
                                           const TaskOutcome& outcome);

/// Whether an outcome can be had of the embedding that another encoder with own kernels gives: no
/// sample misses it, and there is no loss beside the kind's.
bool has_rows_beside_graph(const Model& model, const TaskKind& kind, const Objectives& objectives,
                           const ParameterList& parameters, const Task& task);

/// Gradients with respect to all parameters behind the embedding (flat) and to the embedding of
/// support and query, and TaskResult::values.
struct EmbeddedOutcome {
  torch::Tensor of_parameters, of_support, of_query;
  std::vector<double> values;
};
/// Of support and query [n, width], without their graph.
EmbeddedOutcome outcome_of_embedding(const Model& model, const TaskKind& kind,
                                     const ParameterList& parameters, const Task& task,
                                     const torch::Tensor& support, const torch::Tensor& query,
                                     const TaskOutcome& outcome);

}  // namespace cuttle
