#include <torch/types.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapt/layers.hpp"
#include "adapt/learners/prototype_layer.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// Mean over the parts of the loss that each would have alone, on the samples that it can tell.
torch::Tensor loss_of_parts(const std::vector<PartLogits>& parts, const torch::Tensor& labels) {
  auto loss = torch::zeros({}, parts[0].logits.options());
  for (const auto& part : parts) {
    if (!part.known.defined()) {
      loss = loss + torch::cross_entropy_loss(part.logits, labels);
      continue;
    }
    const auto rows = part.known.gather(1, labels.unsqueeze(1)).squeeze(1).nonzero().squeeze(1);
    if (rows.numel() == 0) continue;
    const auto logits = neutral_where_unknown(part.known * part.logits, part.known);
    loss = loss +
           torch::cross_entropy_loss(logits.index_select(0, rows), labels.index_select(0, rows));
  }
  return loss / static_cast<double>(parts.size());
}

struct ProtoNetOptions {
  std::string distance = "squared";
  double scale = 10.0, part_loss = 0.0;
  std::int64_t refine = 0;
  void keys(Keys& keys) {
    keys.add("distance", distance, one_of({"squared", "cosine"}),
             "to the mean of a class; cosine: Meta-Baseline, after pretraining");
    keys.add("scale", scale, above(0), "cosine: where the learned scale of the answers starts");
    keys.add("part_loss", part_loss, at_least(0),
             "late fusion: weight of the mean loss that each sense has alone, beside the loss of "
             "all; no sense then rests on the others");
    keys.add("refine", refine, between(0, 100),
             "in evaluation and use: how often the unlabelled query refines the prototypes "
             "(transductive)");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.classes = true;
    return demands;
  }
};

class ProtoNet final : public SupportLearner {
 public:
  using Options = ProtoNetOptions;
  ProtoNet(const LearnerRequest& request, const Options& options)
      : SupportLearner(request), options_(options) {
    CUTTLE_VALIDATE(options.part_loss == 0 || model_->fusion().part_widths().size() > 1 ||
                        model_->modalities().size() == 1,
                    "adapt.part_loss: needs model.fusion: late (the others have no loss of a sense "
                    "alone); use 0");
    if (options.distance == "cosine")
      scale_ = own_number(request.layout, "scale", std::log(options.scale));
  }

  bool samples_apart() const override {
    return options_.refine == 0 && SupportLearner::samples_apart();
  }
  double cost(const EpisodeSize& size) const override {
    return static_cast<double>(size.support + size.query);
  }

 private:
  /// By the support's prototypes: nothing is refined in training.
  Outcome outcome(const Support& support, const Task& task, const Embedding& query) const override {
    const auto parts = nearness_to(study(support), query, parameter_at(support.parameters, scale_));
    Outcome made{logits_of(model_->fusion(), parts, query.weights)};
    if (options_.part_loss > 0.0)
      made.beside = options_.part_loss * loss_of_parts(parts, task.query.labels);
    return made;
  }
  std::optional<TaskLayers> task_layers(const Task& task) const override {
    if (scale_ >= 0 || options_.part_loss > 0.0) return std::nullopt;
    return TaskLayers::by(
        {{width_as_one(model_->fusion()), task.query.way, false}},
        [](const auto& support, auto* layer) { return PrototypeLayer(support, layer); }, true);
  }
  Tensors study(const Support& support) const override {
    const auto& known = support.embedding;
    return prototypes_of(known, members_of(support.batch, known.mask.options()));
  }
  /// Refined as often as asked: the query, weighted by what all parts together say of it, joins the
  /// support in making the prototypes of every part (soft k-means of Ren et al. 2018): what one
  /// sense recognises teaches the others.
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    const auto scale = parameter_at(support.parameters, scale_);
    const auto by = [&](const Tensors& prototypes) {
      return logits_of(model_->fusion(), nearness_to(prototypes, query, scale), query.weights);
    };
    auto logits = by(lesson);
    if (options_.refine == 0) return logits;
    const auto all = joined({support.embedding, query});
    const auto labels = members_of(support.batch, all.mask.options());
    for (std::int64_t i = 0; i < options_.refine; ++i)
      logits = by(prototypes_of(all, torch::cat({labels, torch::softmax(logits, 1).t()}, 1)));
    return logits;
  }

  Options options_;
  std::int64_t scale_ = -1;
};

}  // namespace

LearnerType row_of_protonet() {
  return learner_type<ProtoNet>("distances to the mean embedding of each class",
                                "Snell, Swersky, Zemel 2017");
}

}  // namespace cuttle
