#include <torch/types.h>

#include "task/objectives/common.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct ContrastiveOptions {
  std::string by = "samples";
  std::int64_t width = 64;
  double temperature = 0.1;
  void keys(Keys& keys) {
    keys.add("by", by, one_of({"samples", "classes"}),
             "what belongs together: the senses of one sample, or those of all samples of a class");
    keys.add("width", width, between(1, 65536), "columns that every sense is projected to");
    keys.add("temperature", temperature, above(0), "cosines are divided by it");
  }
};

/// What two senses make of one sample should be nearer than what they make of two (symmetric
/// InfoNCE: Radford et al. 2021, "CLIP", equation in figure 3; van den Oord et al. 2018; a bound of
/// the senses' mutual information, log n - loss). Mean over the pairs of senses; samples that lack
/// one of a pair are left out of it, and a pair that fewer than two samples have says nothing. By
/// classes a sample in one sense belongs to all samples of its class in the other, alike (Khosla et
/// al. 2020, equation 2, across senses): senses share what classes mean, not what samples are.
class Contrastive final : public Objective {
 public:
  using Options = ContrastiveOptions;
  Contrastive(const ObjectiveRequest& request, const Options& options)
      : by_classes_(options.by == "classes"),
        temperature_(options.temperature),
        seen_(request, options.width) {
    expect_several_senses(request, "contrastive");
  }

  torch::Tensor loss(const Tensors& p, const Pass& pass, const Batch& batch,
                     const Context&) const override {
    const Senses& senses = pass.senses;
    return mean_over_pairs(senses, [&](std::size_t a, std::size_t b, const torch::Tensor& rows) {
      const auto scores =
          unit_rows(seen_(p, senses, a, rows)).matmul(unit_rows(seen_(p, senses, b, rows)).t()) /
          temperature_;
      const auto own = by_classes_ ? shares_of_class(batch.labels.index_select(0, rows), scores)
                                   : torch::arange(rows.numel(), rows.options());
      return 0.5 *
             (torch::cross_entropy_loss(scores, own) + torch::cross_entropy_loss(scores.t(), own));
    });
  }

  bool classes() const override { return by_classes_; }

 private:
  /// [k, k]: how much of sample i belongs to sample j.
  static torch::Tensor shares_of_class(const torch::Tensor& labels, const torch::Tensor& like) {
    const auto same = labels.unsqueeze(1).eq(labels).to(like.scalar_type());
    return same / same.sum(1, true);
  }

  bool by_classes_;
  double temperature_;
  Projections seen_;
};

}  // namespace

ObjectiveType row_of_contrastive() {
  return type_of<Contrastive, ObjectiveType>(
      "brings the senses of one sample, or of one class, together",
      "Radford et al. 2021, Khosla et al. 2020");
}

}  // namespace cuttle
