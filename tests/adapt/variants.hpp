#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapt/proofs.hpp"

/// Tasks that learners which embed their support are compared on with formulas, sample by sample.
namespace cuttle {

using Values = std::map<std::string, std::string>;

/// By sample: classes count alike, 1 on average.
inline torch::Tensor counts_of(const std::string& variant) {
  if (variant != "uneven") return torch::ones({6}, torch::kFloat64);
  return torch::tensor({0.5, 0.5, 0.5, 0.5, 2.0, 2.0}, torch::kFloat64);
}

/// An embedding as rows: parts side by side, and for several parts which of them are there.
inline torch::Tensor rows_of_embedding(const Embedding& embedding) {
  auto all = torch::cat(embedding.parts, 1);
  return embedding.parts.size() == 1 ? all : torch::cat({all, embedding.mask}, 1);
}

/// Of what a learner owns, by name.
struct Own {
  const Tensors& p;
  std::map<std::string, std::size_t> places;
  torch::Tensor operator()(const std::string& name) const {
    return p[places.at("learner." + name)];
  }
  torch::Tensor affine(const std::string& name, const torch::Tensor& x) const {
    return (*this)(name + ".weight").matmul(x) + (*this)(name + ".bias");
  }
  bool has(const std::string& name) const { return places.count("learner." + name) > 0; }
};
inline Own own_of(const Learner& learner, const Tensors& p) {
  return {p, places_of(*learner.model().layout())};
}

/// Of tasks with vectors of `width` numbers, two classes or two values.
inline std::unique_ptr<const Learner> vector_learner(const char* algorithm, const char* target,
                                                     std::int64_t width, const Values& values) {
  torch::set_num_threads(1);
  ModelOptions options;
  options.encoders["x"] = Section("mlp", {{"width", "16"}, {"depth", "1"}});
  const ModalitySpec x{"x", ModalityKind::kVector, {width}, 0.0, {}, {}};
  const auto model =
      std::make_shared<Model>(options, std::vector<ModalitySpec>{x}, 0, 0, ModelRegistry{});
  const Section asked(target), adapt(algorithm, values);
  std::shared_ptr<const TaskKind> kind = builtin_task_kinds().at(target).make({asked});
  TaskInputs inputs{{x}, 2, 2};
  inputs.outputs = kind->outputs(2, 2);
  inputs.support = 8;
  return make_learner(builtin_learners(), {adapt, model, kind, std::make_shared<const Objectives>(),
                                           model->declare(), inputs});
}

/// Regression of two values on three numbers: 5 samples to learn, 4 asked.
inline std::unique_ptr<const Learner> value_learner(const char* algorithm, const Values& values,
                                                    const char* target = "value") {
  return vector_learner(algorithm, target, 3, values);
}
inline Batch points(std::int64_t count, double from) {
  Batch batch;
  batch.size = count;
  batch.way = 2;
  const auto t = torch::arange(count, torch::kFloat64) + from;
  batch.targets = torch::stack({t.sin(), 2 * t.cos()}, 1);
  batch.modalities.push_back(
      {torch::stack({t.cos(), (2 * t).sin(), (3 * t).cos()}, 1), {}, torch::arange(count)});
  return batch;
}
inline Task value_task() {
  return {points(5, 0.0), points(4, 7.3), {7, Stream::kTesting, 0, 3}};
}

/// The objective that meta_gradient descends, as it says it.
inline Loss told_loss(const Learner& learner, const Task& task) {
  return [&](const ParameterList& at) { return learner.meta_gradient(at, task).values[0]; };
}

inline torch::Tensor predicted(const Learner& learner, const ParameterList& parameters,
                               const Task& task) {
  return learner.adapt(parameters, task.support, task.key)->predict(task.query);
}

inline Task with_order(const Task& task, const std::vector<std::int64_t>& order) {
  Task other = task;
  other.support = select_rows(task.support, order);
  return other;
}

}  // namespace cuttle
