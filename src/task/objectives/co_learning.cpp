#include <torch/types.h>

#include "task/objectives/common.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct CoLearningOptions {
  double temperature = 0.2;
  void keys(Keys& keys) {
    keys.add("temperature", temperature, above(0), "cosines are divided by it");
  }
};

/// Senses teach each other which samples are alike, without a label: each says by softmax over
/// cosines how near a sample's others are (Park et al. 2019, relations as knowledge), and what two
/// senses say should agree: Jensen-Shannon divergence, mean over samples (mutual learning: Zhang et
/// al. 2018, with a divergence that is bounded). Mean over pairs of senses; a pair is compared on
/// the samples that have both.
class CoLearning final : public Objective {
 public:
  using Options = CoLearningOptions;
  CoLearning(const ObjectiveRequest& request, const Options& options)
      : temperature_(options.temperature) {
    expect_several_senses(request, "co_learning");
  }

  torch::Tensor loss(const Tensors&, const Pass& pass, const Batch&,
                     const Context&) const override {
    const Senses& senses = pass.senses;
    return mean_over_pairs(senses, [&](std::size_t a, std::size_t b, const torch::Tensor& rows) {
      const auto one = says(senses.pooled[a].index_select(0, rows)),
                 other = says(senses.pooled[b].index_select(0, rows));
      const auto both = torch::logaddexp(one, other) - std::log(2.0);
      const auto from = [&](const torch::Tensor& log_p) {
        return (log_p.exp() * (log_p - both)).sum(1).mean();
      };
      return 0.5 * (from(one) + from(other));
    });
  }

 private:
  /// [k, k]: logarithms of shares; a sample says nothing of itself (-1e4: no share, and no NaN in
  /// any derivative).
  torch::Tensor says(const torch::Tensor& features) const {
    const auto unit = unit_rows(features - features.mean(0, true));
    const auto itself = torch::eye(unit.size(0), unit.options());
    return torch::log_softmax(unit.matmul(unit.t()) / temperature_ - 1e4 * itself, 1);
  }

  double temperature_;
};

}  // namespace

ObjectiveType row_of_co_learning() {
  return type_of<CoLearning, ObjectiveType>("senses agree on which samples are alike",
                                            "Zhang et al. 2018, Park et al. 2019");
}

}  // namespace cuttle
