#include <torch/types.h>

#include <cmath>
#include <string>
#include <utility>

#include "adapt/embed.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// Mean over the parts of the loss that each would have alone, on the samples that it can tell.
torch::Tensor loss_of_parts(const std::vector<PartLogits>& parts, const torch::Tensor& labels) {
  auto loss = torch::zeros({}, parts[0].logits.options());
  for (const auto& part : parts) {
    const auto rows = part.known.gather(1, labels.unsqueeze(1)).squeeze(1).nonzero().squeeze(1);
    if (rows.numel() == 0) continue;
    const auto logits = neutral_where_unknown(part.known * part.logits, part.known);
    loss = loss +
           torch::cross_entropy_loss(logits.index_select(0, rows), labels.index_select(0, rows));
  }
  return loss / static_cast<double>(parts.size());
}

/// The support set, and its prototypes.
class Prototypes final : public KnownSupport {
 public:
  /// `scale`: where it is among the parameters; negative: there is none.
  Prototypes(std::shared_ptr<const Model> model, Tensors parameters, Batch support,
             std::int64_t refinements, std::int64_t scale)
      : KnownSupport(std::move(model), std::move(parameters), std::move(support)),
        refinements_(refinements),
        scale_(scale) {}

 private:
  Tensors study(const Embedding& known) const override {
    return prototypes_of(known, members_of(support(), known.mask.options()));
  }
  torch::Tensor compare(const Embedding& known, const Tensors& lesson,
                        const Embedding& query) const override {
    const Fusion& fusion = model().fusion();
    const auto scale = parameter_at(parameters(), scale_);
    auto logits = logits_of(fusion, nearness_to(lesson, query, scale), query.weights);
    if (refinements_ == 0) return logits;
    Embedding all{{}, torch::cat({known.mask, query.mask}), known.weights};
    for (std::size_t p = 0; p < known.parts.size(); ++p)
      all.parts.push_back(torch::cat({known.parts[p], query.parts[p]}));
    const auto labels = members_of(support(), known.mask.options());
    for (std::int64_t i = 0; i < refinements_; ++i) {
      const auto guess = torch::softmax(logits, 1).t();
      const auto refined = prototypes_of(all, torch::cat({labels, guess}, 1));
      logits = logits_of(fusion, nearness_to(refined, query, scale), query.weights);
    }
    return logits;
  }

  /// How often the query, weighted by what all parts together say of it, joins the support in
  /// making the prototypes of every part (soft k-means of Ren et al. 2018): what one sense
  /// recognises teaches the others.
  std::int64_t refinements_;
  std::int64_t scale_;
};

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

class ProtoNet final : public Learner {
 public:
  using Options = ProtoNetOptions;
  ProtoNet(const LearnerRequest& request, const Options& options)
      : Learner(request), options_(options) {
    CUTTLE_VALIDATE(options.part_loss == 0 || model_->fusion().part_widths().size() > 1 ||
                        model_->modalities().size() == 1,
                    "adapt.part_loss: needs model.fusion: late (the others have no loss of a sense "
                    "alone); use 0");
    if (options.distance == "cosine")
      scale_ = own_number(request.layout, "scale", std::log(options.scale));
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const auto leaves = as_leaves(parameters.tensors());
    Statistics seen;
    Context context;
    context.key = task.key;
    context.record = &seen;
    const auto both = embed_both(*model_, leaves, task.support, task.query, context);
    const auto prototypes =
        prototypes_of(both.support, members_of(task.support, both.support.mask.options()));
    const auto parts = nearness_to(prototypes, both.query, parameter_at(leaves, scale_));
    const auto logits = logits_of(model_->fusion(), parts, both.query.weights);
    Judged judged = judge(leaves, logits, task.query, both.pass, both.seen, context);
    if (options_.part_loss > 0.0)
      judged.loss = judged.loss + options_.part_loss * loss_of_parts(parts, task.query.labels);
    return result_of(gradient_of(judged.loss, leaves, false), judged, seen);
  }
  bool samples_apart() const override { return options_.refine == 0 && Learner::samples_apart(); }
  double cost(const EpisodeSize& size) const override {
    return static_cast<double>(size.support + size.query);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey&) const override {
    return std::make_unique<Prototypes>(model_, parameters.tensors(), support, options_.refine,
                                        scale_);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override {
    return std::make_unique<Prototypes>(model_, parameters_in(*model_, state),
                                        support_in(*model_, state, way), options_.refine, scale_);
  }

 private:
  Options options_;
  std::int64_t scale_ = -1;
};

}  // namespace

LearnerType row_of_protonet() {
  return learner_type<ProtoNet>("distances to the mean embedding of each class",
                                "Snell, Swersky, Zemel 2017");
}

}  // namespace cuttle
