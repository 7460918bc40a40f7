#include <torch/types.h>

#include <cmath>
#include <string>
#include <utility>

#include "cuttle/core/error.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct ContrastiveOptions {
  std::int64_t width = 64;
  double temperature = 0.1;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "columns that every sense is projected to");
    keys.add("temperature", temperature, above(0), "cosines are divided by it");
  }
};

/// Rows of length 1; a root of something always above zero keeps its gradient finite.
torch::Tensor unit_rows(const torch::Tensor& x) {
  return x * (x.square().sum(1, true) + 1e-12).rsqrt();
}

/// What two senses make of one sample should be nearer than what they make of two (symmetric
/// InfoNCE: Radford et al. 2021, "CLIP", equation in figure 3; van den Oord et al. 2018). Mean over
/// the pairs of senses; samples that lack one of a pair are left out of it, and a pair that fewer
/// than two samples have says nothing.
class Contrastive final : public Objective {
 public:
  using Options = ContrastiveOptions;
  Contrastive(const ObjectiveRequest& request, const Options& options)
      : temperature_(options.temperature) {
    const auto& modalities = request.model.modalities();
    CUTTLE_VALIDATE(modalities.size() > 1,
                    "objectives: contrastive compares senses, and there is only {}; remove it",
                    modalities.empty() ? "none" : modalities[0].name);
    for (std::size_t m = 0; m < modalities.size(); ++m)
      projections_.push_back(
          request.layout.add({request.prefix + "." + modalities[m].name + ".weight",
                              {options.width, request.model.encoder(m).width()},
                              Init::kFanIn,
                              ParameterRole::kObjective}));
  }

  torch::Tensor loss(const Tensors& p, const Pass& pass, const Batch&,
                     const Context&) const override {
    const auto& senses = pass.senses;
    auto sum = torch::zeros({}, senses.present.options());
    std::int64_t pairs = 0;
    for (std::size_t a = 0; a < projections_.size(); ++a)
      for (std::size_t b = a + 1; b < projections_.size(); ++b) {
        const auto both = senses.present.select(1, static_cast<std::int64_t>(a)) *
                          senses.present.select(1, static_cast<std::int64_t>(b));
        const auto rows = both.nonzero().squeeze(1);
        if (rows.numel() < 2) continue;
        const auto scores =
            seen(p, senses, a, rows).matmul(seen(p, senses, b, rows).t()) / temperature_;
        const auto own = torch::arange(rows.numel(), rows.options());
        sum = sum + 0.5 * (torch::cross_entropy_loss(scores, own) +
                           torch::cross_entropy_loss(scores.t(), own));
        ++pairs;
      }
    return pairs == 0 ? sum : sum / static_cast<double>(pairs);
  }

 private:
  torch::Tensor seen(const Tensors& p, const Senses& senses, std::size_t m,
                     const torch::Tensor& rows) const {
    const auto& weight = p[static_cast<std::size_t>(projections_[m])];
    return unit_rows(torch::linear(senses.pooled[m].index_select(0, rows), weight));
  }

  double temperature_;
  std::vector<std::int64_t> projections_;
};

}  // namespace

ObjectiveType row_of_contrastive() {
  return type_of<Contrastive, ObjectiveType>("brings the senses of one sample together",
                                             "Radford et al. 2021, van den Oord et al. 2018");
}

}  // namespace cuttle
