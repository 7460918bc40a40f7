#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "adapt/proofs.hpp"

/// Learners that compare samples, in float64, beside a reference that goes sample by sample.
namespace cuttle {

using torch::Tensor;

constexpr std::int64_t kWay = 3;

/// Of odd_task.
inline const std::vector<std::string> kOddities{"", "uneven", "no_class_2", "one_class", "lacking"};

/// The support set as adaptation saved it: in the learner's order.
inline Batch saved_support(const Adapted& adapted, const Model& model, const Batch& like) {
  const auto state = adapted.state();
  const auto entry = [&](const std::string& name) {
    const auto found = state.find("support." + name);
    return found == state.end() ? Tensor() : found->second;
  };
  Batch support = like;
  support.labels = entry("labels");
  for (std::size_t m = 0; m < support.modalities.size(); ++m) {
    const std::string& name = model.modalities()[m].name;
    support.modalities[m] = {entry(name + ".values"), entry(name + ".mask"), entry(name + ".rows")};
  }
  return support;
}

/// One number with a graph.
inline double number(const Tensor& x) {
  return x.item<double>();
}

/// What the parts say together, query by query and class by class: the weighted mean over those
/// that can say; the mean of the query's other classes where none can.
inline Tensor together(const std::vector<std::vector<Tensors>>& of_parts, const Tensor& weights) {
  Tensors rows;
  const std::size_t n = of_parts[0].size();
  for (std::size_t q = 0; q < n; ++q) {
    Tensors row(kWay);
    Tensor sum = torch::zeros({}, torch::kFloat64);
    int known = 0;
    for (std::size_t c = 0; c < kWay; ++c) {
      Tensor total, weight;
      for (std::size_t part = 0; part < of_parts.size(); ++part) {
        const auto& said = of_parts[part][q][c];
        if (!said.defined()) continue;
        const auto w = weights[static_cast<std::int64_t>(part)];
        total = total.defined() ? total + w * said : w * said;
        weight = weight.defined() ? weight + w : w;
      }
      if (!total.defined()) continue;
      row[c] = total / weight;
      sum = sum + row[c];
      ++known;
    }
    for (auto& logit : row)
      if (!logit.defined()) logit = known > 0 ? sum / known : sum;
    rows.push_back(torch::stack(row));
  }
  return torch::stack(rows);
}

/// Reference outputs: of leaves, the support as the learner has it, and both embeddings.
struct Given {
  const Tensors& leaves;
  std::map<std::string, std::size_t> places;
  const Batch& support;
  Embedding known, asked;

  Tensor own(const std::string& name) const { return leaves[places.at("learner." + name)]; }
  bool has(const Embedding& samples, std::int64_t i, std::size_t part) const {
    return number(samples.mask[i][static_cast<std::int64_t>(part)]) > 0;
  }
  std::int64_t label(std::int64_t i) const { return support.labels[i].item<std::int64_t>(); }
};
using Reference = std::function<Tensor(const Given&)>;

/// Both embeddings in one pass, as norms by the batch want it.
inline Given given(const Learner& learner, const Tensors& leaves, const Batch& support,
                   const Batch& query) {
  const Model& model = learner.model();
  const auto all = model.embed(leaves, concatenate(support, query), {});
  const auto part_of = [&](std::int64_t first, std::int64_t count) {
    Embedding some{{}, all.mask.narrow(0, first, count), all.weights};
    for (const auto& part : all.parts) some.parts.push_back(part.narrow(0, first, count));
    return some;
  };
  return {leaves, places_of(*model.layout()), support, part_of(0, support.size),
          part_of(support.size, query.size)};
}

/// Answers and meta-gradient equal the reference's; `own`: what is descended in place of the
/// cross-entropy.
inline void expect_reference(const Learner& learner, const ParameterList& parameters,
                             const Task& task, const Reference& reference,
                             const std::function<Tensor(const Given&, const Tensor&)>& own = {}) {
  const auto adapted = learner.adapt(parameters, task.support, task.key);
  const Batch support = saved_support(*adapted, learner.model(), task.support);
  const Tensors leaves = leaves_of(parameters);
  const Given all = given(learner, leaves, support, task.query);
  const Tensor outputs = reference(all);
  EXPECT_LT(largest(adapted->predict(task.query) - outputs), 1e-9 * (1 + largest(outputs)));
  const auto reported = F::cross_entropy(outputs, task.query.labels);
  const auto loss = own ? own(all, outputs) : reported;
  const auto result = learner.meta_gradient(parameters, task);
  EXPECT_NEAR(result.values[0], number(reported), 1e-9 * (1 + number(reported)));
  const auto expected = flat_gradient(learner, loss, leaves);
  EXPECT_LT((result.gradient - expected).norm().item<double>(),
            1e-8 * (1e-3 + expected.norm().item<double>()));
}

/// The loss that a learner descends at other parameters, by its reference.
inline Loss loss_of(const Learner& learner, const Task& task, const Reference& reference,
                    const std::function<Tensor(const Given&, const Tensor&)>& own) {
  return [&learner, task, reference, own](const ParameterList& at) {
    const auto adapted = learner.adapt(at, task.support, task.key);
    const Batch support = saved_support(*adapted, learner.model(), task.support);
    const Given all = given(learner, at.tensors(), support, task.query);
    return number(own(all, reference(all)));
  };
}

}  // namespace cuttle
