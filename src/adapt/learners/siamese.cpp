#include <torch/types.h>

#include <string>
#include <utility>

#include "adapt/layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "adapt/triplets.hpp"

namespace cuttle {
namespace {

struct SiameseOptions {
  std::string loss = "triplet", mining = "all";
  double margin = 1.0;
  void keys(Keys& keys) {
    keys.add(
        "loss", loss, one_of({"triplet", "contrastive", "pair"}),
        "triplet, contrastive: of Euclidean distances; pair: cross-entropy of a learned weighted "
        "L1 distance");
    keys.add("margin", margin, above(0),
             "contrastive: how far apart samples of two classes have to be; triplet: how much "
             "farther than those of one class");
    keys.add("mining", mining, one_of({"all", "hard", "semi_hard"}),
             "triplet: of each episode all; of each sample the hardest; of each pair of one class "
             "the nearest of another that is farther than they are apart");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.classes = true;
    return demands;
  }
};

/// How alike samples are, and which of them can be compared.
struct Alike {
  torch::Tensor score, known;  ///< [n, m]
};

constexpr double kTiny = 1e-12;  // keeps the root of a distance of 0 differentiable

/// Siamese networks: what tells whether two samples are of one class, trained on all pairs of an
/// episode. With `loss: pair` (Koch, Zemel, Salakhutdinov 2015, section 3.1), as many pairs of one
/// class as of two in effect,
///   p = sigmoid(sum_j alpha_j |f_j(x) - f_j(x')| + b),  cross-entropy.
/// With `loss: contrastive` (Hadsell, Chopra, LeCun 2006, equation 4), D the Euclidean distance,
///   D^2 / 2 of one class,  max(0, m - D)^2 / 2 of two,
/// and `loss: triplet` as triplet_loss says. A query's answer is the mean over the support samples
/// of each class: of p's logit, or of -D. Where the embedding has several parts, two samples are
/// compared by the parts that both have.
class Siamese final : public SupportLearner {
 public:
  using Options = SiameseOptions;
  Siamese(const LearnerRequest& request, const Options& options)
      : SupportLearner(request), options_(options) {
    if (options.loss != "pair") return;
    const auto widths = model_->fusion().part_widths();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      ParameterSpec spec{"learner.part" + std::to_string(i),
                         {widths[i]},
                         Init::kConstant,
                         ParameterRole::kLearner};
      spec.start = -1.0 / static_cast<double>(widths[i]);
      weight_.push_back(request.layout.add(spec));
    }
    bias_ = own_array(request.layout, "bias", {1}, Init::kZeros);
  }

 private:
  Outcome outcome(const Support& support, const Task& task, const Embedding& query) const override {
    const auto all = joined({support.embedding, query});
    const auto alike = compare(support.parameters, all, all);
    const std::int64_t known = support.batch.size, asked = task.query.size;
    const auto of_query = [&](const torch::Tensor& pairs) {
      return pairs.narrow(0, known, asked).narrow(1, 0, known);
    };
    const auto labels = torch::cat({support.batch.labels, task.query.labels});
    return {outputs_of({of_query(alike.score), of_query(alike.known)}, support.batch),
            loss_of(alike, labels)};
  }
  torch::Tensor answer(const Support& support, const Tensors&,
                       const Embedding& query) const override {
    return outputs_of(compare(support.parameters, query, support.embedding), support.batch);
  }

  /// Where distances are measured: for the contrastive loss at unit length, without which the pull
  /// of D^2 on large embeddings leaves nothing of its push (Hadsell et al. have none).
  torch::Tensor placed(const torch::Tensor& x) const {
    return options_.loss == "contrastive" ? unit_rows(x) : x;
  }
  /// Every sample of `a` with every one of `b`. What rounds to no distance has no slope, where that
  /// of the root would be without bounds.
  Alike compare(const Tensors& p, const Embedding& a, const Embedding& b) const {
    const auto at = [&](std::int64_t i) { return p[static_cast<std::size_t>(i)]; };
    std::vector<PartLogits> parts;
    for (std::size_t i = 0; i < a.parts.size(); ++i) {
      const auto x = placed(a.parts[i]), y = placed(b.parts[i]);
      const auto column = static_cast<std::int64_t>(i);
      const auto shared = a.mask.narrow(1, column, 1) * b.mask.select(1, column);
      const auto score =
          options_.loss == "pair"
              ? (x.unsqueeze(1) - y.unsqueeze(0)).abs().matmul(at(weight_[i])) + at(bias_)
              : -(x.square().sum(1, true) - 2.0 * x.matmul(y.t()) + y.square().sum(1)).relu();
      parts.push_back({score, shared});
    }
    const auto together = model_->fusion().combine(parts, a.weights);
    if (options_.loss == "pair") return {together.logits, together.known};
    return {-(kTiny - together.logits).sqrt(), together.known};
  }
  /// [n, way] of queries and support: means over the samples of a class that can be compared.
  static torch::Tensor outputs_of(const Alike& alike, const Batch& support) {
    const auto members = members_of(support, alike.score.options()).t();
    const auto known = alike.known.gt(0).to(alike.score.dtype());
    const auto count = known.matmul(members);
    return neutral_where_unknown((alike.score * known).matmul(members) / count.clamp_min(1), count);
  }
  /// Over all pairs of different samples.
  torch::Tensor loss_of(const Alike& alike, const torch::Tensor& labels) const {
    const auto& score = alike.score;
    const auto equal = labels.unsqueeze(1).eq(labels.unsqueeze(0));
    const auto itself = torch::eye(labels.numel(), equal.options());
    const auto known = alike.known.gt(0);
    const auto same = known.logical_and(equal).logical_and(itself.logical_not());
    const auto other = known.logical_and(equal.logical_not());
    if (options_.loss == "pair")
      return 0.5 * (mean_where(torch::softplus(-score), same) +
                    mean_where(torch::softplus(score), other));
    if (options_.loss == "triplet")
      return triplet_loss(-score, same, other, options_.margin, options_.mining);
    return 0.5 * (mean_where(score.square(), same) +
                  mean_where(torch::relu(options_.margin + score).square(), other));
  }

  SiameseOptions options_;
  std::vector<std::int64_t> weight_;  ///< alpha, by part; of `pair`, as the next
  std::int64_t bias_ = -1;
};

}  // namespace

LearnerType row_of_siamese() {
  return learner_type<Siamese>("learns whether two samples are of one class",
                               "Koch et al. 2015, Hadsell et al. 2006, Schroff et al. 2015");
}

}  // namespace cuttle
