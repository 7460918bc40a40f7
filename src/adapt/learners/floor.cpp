#include <torch/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapt/fast_weights.hpp"
#include "adapt/floor/head.hpp"
#include "adapt/floor/training_centre.hpp"
#include "adapt/layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct FloorLearnerOptions : FloorOptions {
  std::string centre = "none";
  bool unit = false;
  void keys(Keys& keys) {
    FloorOptions::keys(keys);
    keys.add("centre", centre, one_of({"support", "training", "none"}),
             "what is taken from the features: their mean in the task's support set, or over the "
             "training tasks, which training is then for");
    keys.add("unit", unit, anything(), "features are made of length 1 after that");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.classes = true;
    demands.learns = false;
    return demands;
  }
};

/// Classifiers that everybody must beat: of the model's embedding, or of each sense's where fusion
/// is late, with nothing learned by meta-training; the model stays as it came. Each part has a
/// classifier of its own, of the support samples that have the part and of their classes, and what
/// the parts say is averaged over those that class and query have.
///
/// Angles (cosine, cache, unit features) go by where the origin is. The support's mean is to be had
/// everywhere; SimpleShot's (Wang, Chao, Weinberger, van der Maaten 2019), over the training
/// classes, is of more samples than a small support has, but of other classes. Neither looks at
/// queries.
class Floor final : public SupportLearner {
 public:
  using Options = FloorLearnerOptions;
  Floor(const LearnerRequest& request, const Options& options)
      : SupportLearner(request), options_(options), head_(make_floor_head(options)) {
    request.layout.freeze();
    if (options.centre == "training")
      trained_.emplace(request.layout, model_->fusion().part_widths());
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    CUTTLE_VALIDATE(
        task.support.size > 0,
        "adapt.algorithm: floor looks at episodes, and these tasks have no support set; "
        "set episode.source: episodes");
    const torch::NoGradGuard no_grad;
    const Tensors& p = parameters.tensors();
    const auto both = embed_both(*model_, p, task.support, task.query, in_use());
    Statistics seen;
    if (trained_) trained_->observe(joined({both.support, both.query}), seen);
    const Support support{p, task.support, both.support};
    const auto outputs = answer(support, study(support), both.query);
    const Judged judged = judge(p, outputs, task.query, both.pass, both.seen, in_use());
    return result_of(Tensors(p.size()), judged, seen);
  }
  double cost(const EpisodeSize& size) const override {
    return static_cast<double>(size.support + size.query);
  }

 private:
  /// A part as classifiers see it, less its centre.
  torch::Tensor features(const torch::Tensor& part, const torch::Tensor& centre) const {
    auto x = part.to(torch::kCPU, torch::kFloat64);
    if (centre.defined()) x = x - centre;
    return options_.unit ? unit_rows(x) : x;
  }
  /// [width]; undefined: there is none.
  torch::Tensor centre_of(const Support& support, std::size_t part,
                          const PartOfSupport& known) const {
    if (options_.centre == "support") return known.middle();
    return trained_ ? trained_->of_part(support.parameters, part) : torch::Tensor();
  }

  /// By part: its centre, the classes that it knows [way], and the head's lesson of these.
  static constexpr std::size_t kPerPart = 2 + FloorHead::kMostOfLesson;
  Tensors study(const Support& support) const override {
    const Embedding& embedding = support.embedding;
    auto weights = kind_->support_weights(support.batch);
    if (!weights.defined()) weights = torch::ones({support.batch.size}, torch::kFloat64);
    const auto labels = support.batch.labels.to(torch::kCPU);
    Tensors lesson;
    for (std::size_t i = 0; i < embedding.parts.size(); ++i) {
      const auto has = embedding.mask.select(1, static_cast<std::int64_t>(i)).to(torch::kCPU);
      const auto rows = has.nonzero().squeeze(1);
      PartOfSupport known{embedding.parts[i].to(torch::kCPU, torch::kFloat64).index_select(0, rows),
                          labels.index_select(0, rows), weights.index_select(0, rows)};
      const auto knows =
          torch::zeros({support.batch.way}, torch::kFloat64).index_fill_(0, known.labels, 1.0);
      // Classes are counted as they occur here.
      known.labels = (knows.cumsum(0) - 1).to(torch::kInt64).index_select(0, known.labels);
      known.way = knows.sum().to(torch::kInt64).item<std::int64_t>();
      Tensors of_part{{}, knows};
      if (known.way > 0) {
        of_part[0] = centre_of(support, i, known);
        known.x = features(known.x, of_part[0]);
        for (auto& tensor : head_->study(known)) of_part.push_back(std::move(tensor));
      }
      of_part.resize(kPerPart);
      lesson.insert(lesson.end(), of_part.begin(), of_part.end());
    }
    return lesson;
  }
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    std::vector<PartLogits> parts;
    for (std::size_t i = 0; i < query.parts.size(); ++i) {
      const auto first = lesson.begin() + static_cast<std::ptrdiff_t>(i * kPerPart);
      const auto &centre = first[0], &knows = first[1];
      const auto like = query.parts[i].options();
      auto scores = torch::zeros({query.parts[i].size(0), support.batch.way}, torch::kFloat64);
      const auto classes = knows.nonzero().squeeze(1);
      if (classes.numel() > 0)
        scores.index_copy_(
            1, classes,
            head_->scores({first + 2, first + kPerPart}, features(query.parts[i], centre)));
      parts.push_back({scores.to(like), known_of(query, i, knows.to(like))});
    }
    return logits_of(model_->fusion(), parts, query.weights);
  }

  Options options_;
  std::unique_ptr<const FloorHead> head_;
  std::optional<TrainingCentre> trained_;
};

}  // namespace

LearnerType row_of_floor() {
  return learner_type<Floor>(
      "classifiers of a task's own, nothing learned before: what a trained learner must beat", "");
}

}  // namespace cuttle
