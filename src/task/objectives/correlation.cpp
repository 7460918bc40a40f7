#include <torch/types.h>

#include "task/objectives/common.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct CorrelationOptions {
  std::string by = "samples";
  std::int64_t width = 64;
  double others = 0.005;
  void keys(Keys& keys) {
    keys.add("by", by, one_of({"samples", "columns"}),
             "samples: cosines of what two senses make of a sample, less the means; columns: "
             "correlations of columns over samples, each with its own as near 1 as can be");
    keys.add("width", width, between(1, 65536), "columns that every sense is projected to");
    keys.add("others", others, at_least(0),
             "by: columns: weight of the squared correlations with other columns");
  }
};

torch::Tensor less_mean(const torch::Tensor& x) {
  return x - x.mean(0, true);
}

/// What two senses make of samples should vary alike. By samples: 1 - mean cosine of centred
/// projections. By columns, after canonical correlation analysis (Andrew et al. 2013, of which this
/// is the form without whitening: Zbontar et al. 2021, "Barlow Twins", equation 1, over the number
/// of columns): C = U^T V / n of standardised columns, mean_k (1 - C_kk)^2 + others * sum_{k != l}
/// C_kl^2 / K. Mean over pairs of senses, as `contrastive`.
class Correlation final : public Objective {
 public:
  using Options = CorrelationOptions;
  Correlation(const ObjectiveRequest& request, const Options& options)
      : options_(options), seen_(request, options.width) {
    expect_several_senses(request, "correlation");
  }

  torch::Tensor loss(const Tensors& p, const Pass& pass, const Batch&,
                     const Context&) const override {
    const Senses& senses = pass.senses;
    return mean_over_pairs(senses, [&](std::size_t a, std::size_t b, const torch::Tensor& rows) {
      const auto u = less_mean(seen_(p, senses, a, rows)), v = less_mean(seen_(p, senses, b, rows));
      return options_.by == "samples" ? of_samples(u, v) : of_columns(u, v);
    });
  }

 private:
  static torch::Tensor of_samples(const torch::Tensor& u, const torch::Tensor& v) {
    return 1.0 - (unit_rows(u) * unit_rows(v)).sum(1).mean();
  }
  torch::Tensor of_columns(const torch::Tensor& u, const torch::Tensor& v) const {
    const auto standard = [](const torch::Tensor& x) {
      return x * (x.square().mean(0, true) + 1e-6).rsqrt();
    };
    const auto c = standard(u).t().matmul(standard(v)) / static_cast<double>(u.size(0));
    const auto own = c.diagonal();
    return (1.0 - own).square().mean() + options_.others * (c.square().sum() - own.square().sum()) /
                                             static_cast<double>(c.size(0));
  }

  Options options_;
  Projections seen_;
};

}  // namespace

ObjectiveType row_of_correlation() {
  return type_of<Correlation, ObjectiveType>("what senses make of samples varies alike",
                                             "Andrew et al. 2013, Zbontar et al. 2021");
}

}  // namespace cuttle
