#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "adapt/proofs.hpp"
#include "cuttle/train/assembly.hpp"

/// What proofs of learners that change MAML's inner loop have in common.
namespace cuttle {

using Values = std::map<std::string, std::string>;

inline Values with(Values values, const Values& others) {
  for (const auto& [key, value] : others) values[key] = value;
  return values;
}

/// Classes count alike, whatever their shots.
inline torch::Tensor support_loss(const torch::Tensor& outputs, const Batch& support) {
  const auto each = F::cross_entropy(outputs, support.labels,
                                     F::CrossEntropyFuncOptions().reduction(torch::kNone));
  torch::Tensor sum;
  std::int64_t classes = 0;
  for (std::int64_t c = 0; c < support.way; ++c) {
    const auto rows = support.labels.eq(c).nonzero().squeeze(1);
    if (rows.numel() == 0) continue;
    const auto mean = each.index_select(0, rows).mean();
    sum = classes++ == 0 ? mean : sum + mean;
  }
  return sum / static_cast<double>(classes);
}

/// Fusions, and what odd_task is to be.
inline const std::vector<std::pair<const char*, const char*>> kVariants{
    {"concat", "even"}, {"late", "even"}, {"concat", "uneven"}, {"late", "lacking"}};

/// Gradients of what depends on them; zeros for the rest.
inline Tensors slopes_of(const torch::Tensor& loss, const Tensors& inputs) {
  Tensors slopes = torch::autograd::grad({loss}, inputs, {}, true, true, true);
  for (std::size_t i = 0; i < slopes.size(); ++i)
    if (!slopes[i].defined()) slopes[i] = torch::zeros_like(inputs[i]);
  return slopes;
}

/// The learner says what the plain graph says: gradient, adapted answers, and slopes.
inline void expect_reference(const Learner& learner, const ParameterList& parameters,
                             const Task& task, const Tensors& leaves, const torch::Tensor& outputs,
                             double tolerance) {
  const auto expected =
      flat_gradient(learner, F::cross_entropy(outputs, task.query.labels), leaves);
  const auto ours = learner.meta_gradient(parameters, task).gradient;
  EXPECT_LT(relative_error(ours, expected), tolerance);
  const auto mine = learner.model().layout()->views(ours);
  const auto theirs = learner.model().layout()->views(expected);
  for (const auto& [name, i] : places_of(*learner.model().layout()))
    EXPECT_LT(largest(mine[i] - theirs[i]), tolerance * (1 + largest(theirs[i]))) << name;
  const auto predicted = learner.adapt(parameters, task.support, task.key)->predict(task.query);
  EXPECT_LT(largest(predicted - outputs), tolerance);
}

/// A learner of values from vectors, or of classes from pictures, with one encoder alone.
inline Assembly assembled(const std::string& algorithm, const Values& adapt,
                          const ModalitySpec& spec, const Section& encoder, const char* target,
                          std::int64_t outputs) {
  torch::set_num_threads(1);
  RunConfig config;
  config.adapt = Section(algorithm);
  config.adapt.values.insert(adapt.begin(), adapt.end());
  config.episode.target = Section(target);
  config.episode.way = std::string(target) == "class" ? outputs : 1;
  config.model.encoders[spec.name] = encoder;
  return assemble(config, {{spec}, outputs}, {});
}

inline Assembly of_vectors(const std::string& algorithm, const Values& adapt, std::int64_t depth) {
  ModalitySpec spec;
  spec.name = "x";
  spec.shape = {3};
  const Section mlp("mlp", {{"width", "6"}, {"depth", std::to_string(depth)}, {"fused", "false"}});
  return assembled(algorithm, adapt, spec, mlp, "value", 2);
}

inline Batch values_batch(std::int64_t size) {
  Batch batch;
  batch.size = size;
  batch.way = 2;
  batch.modalities = {{torch::randn({size, 3}, torch::kFloat64), {}, torch::arange(size)}};
  batch.targets = torch::randn({size, 2}, torch::kFloat64);
  return batch;
}

/// A task whose minima, near the initialisation, are at no kink of a ReLU.
inline Task values_task() {
  torch::manual_seed(4);
  Task task;
  task.support = values_batch(7);
  task.query = values_batch(9);
  return task;
}

}  // namespace cuttle
