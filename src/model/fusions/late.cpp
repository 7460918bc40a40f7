#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct LateOptions {
  std::string late_weights = "learned", late_by = "mean";
  std::int64_t adapter = 0;
  void keys(Keys& keys) {
    keys.add("late_weights", late_weights, one_of({"learned", "equal", "sample"}),
             "how much the answer of each sense counts; sample: by what the sense's features say "
             "in each sample");
    keys.add("late_by", late_by, one_of({"mean", "product", "vote"}),
             "what the answers of senses are together: mean of their logits; product of their "
             "probabilities, surer where more agree; vote: mean of their probabilities");
    keys.add("adapter", adapter, between(0, 65536),
             "width of a learned layer whose output is added to the features of each sense, and "
             "which adds nothing at first; 0: features stay as they are");
  }
};

/// No joint embedding: one part per modality with a learned weight (softmax of `fusion.weight`), or
/// all with the same, or by sample: a softmax of a score s_m = v_m x_m + c_m of each sense that the
/// sample has (a gating network: Jacobs et al. 1991, "Adaptive mixtures of local experts"), times
/// their number, so that 1 is what all alike have.
///
/// Where `late_by` is no mean of logits l_m, a class that a part knows nothing of is neither near
/// nor far for it: it has the mean of its other logits.
///   product: sum of M w_m l_m of M senses, but for what all classes share the log of the product
///            of their probabilities (a product of experts: Hinton 2002);
///   vote: log of the mean of softmax(l_m) by weight (a linear pool, or soft vote: Kittler et al.
///         1998, "On combining classifiers", the sum rule). A vote of heads counted has no
///         gradient.
///
/// With adapters (the residual ones of CLIP-Adapter: Gao et al. 2021) x becomes x + U relu(D x +
/// b), U = 0 at first: what is learned begins at what nothing learned can do.
class LateFusion final : public Fusion {
 public:
  using Options = LateOptions;
  LateFusion(const FusionRequest& request, const Options& options)
      : widths_(request.widths), by_(options.late_by) {
    if (options.late_weights == "learned")
      weight_ = request.layout.add(
          {"fusion.weight", {static_cast<std::int64_t>(widths_.size())}, Init::kZeros});
    for (std::size_t m = 0; options.late_weights == "sample" && m < widths_.size(); ++m)
      gates_.emplace_back(request.layout, "fusion." + request.modalities[m] + ".gate",
                          std::vector<std::int64_t>{1, widths_[m]}, Init::kZeros);
    for (std::size_t m = 0; options.adapter > 0 && m < widths_.size(); ++m) {
      const std::string name = "fusion." + request.modalities[m];
      down_.emplace_back(request.layout, name + ".down",
                         std::vector<std::int64_t>{options.adapter, widths_[m]});
      up_.push_back(
          request.layout.add({name + ".up.weight", {widths_[m], options.adapter}, Init::kZeros}));
    }
  }
  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    const auto parts = static_cast<std::int64_t>(widths_.size());
    const auto weights = weight_ < 0 ? torch::full({parts}, 1.0 / static_cast<double>(parts),
                                                   senses.present.options())
                                     : torch::softmax(at(p, weight_), 0);
    const Tensors features = adapted(p, senses.pooled);
    if (gates_.empty()) return {features, senses.present, weights, senses.complete};
    Tensors scores;
    for (std::size_t m = 0; m < gates_.size(); ++m)
      scores.push_back(affine(p, gates_[m], features[m]));
    const auto score = torch::cat(scores, 1).masked_fill(senses.present == 0, -1e30);
    const auto shares = torch::softmax(score, 1) * senses.present.sum(1, true);
    // No share of a sense that is there may round to none.
    return {features, shares.clamp_min(1e-12) * senses.present, weights, false};
  }
  std::vector<std::int64_t> part_widths() const override { return widths_; }

  CombinedLogits combine(const std::vector<PartLogits>& parts,
                         const torch::Tensor& weights) const override {
    if (!combines_classes() || (parts.size() == 1 && !parts[0].known.defined()))
      return Fusion::combine(parts, weights);
    Tensors logits, shares;  // [n, way], and [n, 1] of the part in all
    torch::Tensor total;
    for (std::size_t m = 0; m < parts.size(); ++m) {
      const auto& [said, known] = parts[m];
      const auto share = known * weights.narrow(0, static_cast<std::int64_t>(m), 1);
      total = m == 0 ? share : total + share;
      shares.push_back(share.amax(1, true));
      const auto can = known.gt(0).expand_as(said).to(said.dtype());
      const auto mean = (said * can).sum(1, true) / can.sum(1, true).clamp_min(1.0);
      logits.push_back(torch::where(can.gt(0), said, mean));
    }
    const auto together = by_ == "vote" ? voted(logits, shares) : multiplied(logits, shares);
    return {torch::where(total.gt(0), together, 0.0), total};
  }
  bool combines_classes() const override { return by_ != "mean"; }

 private:
  Tensors adapted(const Tensors& p, Tensors features) const {
    for (std::size_t m = 0; m < up_.size(); ++m)
      features[m] =
          features[m] + torch::linear(torch::relu(affine(p, down_[m], features[m])), at(p, up_[m]));
    return features;
  }
  static torch::Tensor multiplied(const Tensors& logits, const Tensors& shares) {
    auto sum = torch::zeros_like(logits[0]);
    for (std::size_t m = 0; m < logits.size(); ++m)
      sum = sum + static_cast<double>(logits.size()) * shares[m] * logits[m];
    return sum;
  }
  static torch::Tensor voted(const Tensors& logits, const Tensors& shares) {
    Tensors logs;
    for (std::size_t m = 0; m < logits.size(); ++m) {
      const auto none = shares[m].eq(0);
      const auto weight = shares[m].masked_fill(none, 1.0).log().masked_fill(none, -1e30);
      logs.push_back(torch::log_softmax(logits[m], 1) + weight);
    }
    const auto sum = torch::stack(shares).sum(0);
    return torch::logsumexp(torch::stack(logs), 0) - sum.masked_fill(sum.eq(0), 1.0).log();
  }

  std::vector<std::int64_t> widths_;
  std::string by_;
  std::int64_t weight_ = -1;
  std::vector<Affine> gates_;  ///< of scores, by sense; empty: every sample has the same weights
  std::vector<Affine> down_;   ///< by sense; none: no adapters
  std::vector<std::int64_t> up_;
};

}  // namespace

FusionType row_of_late() {
  return type_of<LateFusion, FusionType>("each sense answers, weights combine the answers",
                                         "adapters: Gao et al. 2021");
}

}  // namespace cuttle
