#include <torch/types.h>

#include <algorithm>

#include "cuttle/core/error.hpp"
#include "task/objectives/mixing.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct SmoteOptions {
  std::int64_t neighbours = 5;
  void keys(Keys& keys) {
    keys.add("neighbours", neighbours, between(1, 1000),
             "nearest samples of the class, towards one of which a sample is moved");
  }
};

/// Rare classes of a batch get as many samples as the largest has: each a place between a sample of
/// the class and one of its nearest neighbours there, at a uniform share (Chawla, Bowyer, Hall,
/// Kegelmeyer 2002, "SMOTE", section 4.2), here between embeddings, so that it is about any senses.
/// The loss is the kind's mean over those that are made. Samples of a class have turns; the
/// neighbours are found by distances of embeddings, which this does not change. A class with one
/// sample has no neighbours and gets none; where classes have as many the loss is 0.
class Smote final : public Objective {
 public:
  using Options = SmoteOptions;
  Smote(const ObjectiveRequest& request, const Options& options)
      : model_(request.model), kind_(request.kind), neighbours_(options.neighbours) {
    CUTTLE_VALIDATE(kind_.classes(),
                    "{}: makes samples of rare classes (this episode.target has no classes); "
                    "remove the objective",
                    request.prefix);
  }

  torch::Tensor loss(const Tensors& p, const Pass& pass, const Batch& batch,
                     const Context& context) const override {
    std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(batch.way));
    const auto labels = batch.labels.to(torch::kCPU);
    for (std::int64_t i = 0; i < batch.size; ++i)
      members[static_cast<std::size_t>(labels[i].item<std::int64_t>())].push_back(i);
    std::size_t most = 0;
    for (const auto& of_class : members) most = std::max(most, of_class.size());
    Random random(context.key.with(Draw::kSmote));
    const auto distances = distances_of(pass.embedding);
    std::vector<std::int64_t> first, second;
    std::vector<double> share;
    for (const auto& of_class : members) {
      if (of_class.size() < 2) continue;
      for (std::size_t made = of_class.size(); made < most; ++made) {
        first.push_back(of_class[made % of_class.size()]);
        const auto near = nearest(of_class, first.back(), distances);
        second.push_back(near[random.below(near.size())]);
        share.push_back(1 - random.uniform());
      }
    }
    if (first.empty()) return torch::zeros({}, pass.embedding.mask.options());
    const auto made = mixed_embedding(pass.embedding, first, second, share);
    return kind_.loss(answers_to(model_, kind_, p, pass, made, batch), asked_of(batch, first));
  }
  bool wants_classifier() const override { return true; }

 private:
  /// Squared, [n, n] on the CPU, in float64; parts that a sample lacks are zeros.
  static torch::Tensor distances_of(const Embedding& embedding) {
    const torch::NoGradGuard no_grad;
    Tensors parts;
    for (std::size_t i = 0; i < embedding.parts.size(); ++i) {
      const auto has = embedding.mask.narrow(1, static_cast<std::int64_t>(i), 1).gt(0);
      parts.push_back(embedding.parts[i] * has);
    }
    const auto x = torch::cat(parts, 1).to(torch::kCPU, torch::kFloat64);
    return (x.unsqueeze(0) - x.unsqueeze(1)).square().sum(2).contiguous();
  }
  /// The nearest of the others, the first among equals.
  std::vector<std::int64_t> nearest(const std::vector<std::int64_t>& of_class, std::int64_t sample,
                                    const torch::Tensor& distances) const {
    std::vector<std::int64_t> others;
    for (const std::int64_t other : of_class)
      if (other != sample) others.push_back(other);
    const double* row = distances.data_ptr<double>() + sample * distances.size(1);
    std::stable_sort(others.begin(), others.end(),
                     [row](std::int64_t a, std::int64_t b) { return row[a] < row[b]; });
    others.resize(std::min(others.size(), static_cast<std::size_t>(neighbours_)));
    return others;
  }

  const Model& model_;
  const TaskKind& kind_;
  std::int64_t neighbours_;
};

}  // namespace

ObjectiveType row_of_smote() {
  auto row = type_of<Smote, ObjectiveType>("rare classes get samples between two of their own",
                                           "Chawla et al. 2002");
  row.of_uneven = true;
  return row;
}

}  // namespace cuttle
