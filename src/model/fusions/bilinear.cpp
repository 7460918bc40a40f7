#include <torch/types.h>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct BilinearOptions : EmbeddingKeys {
  std::int64_t factors = 4;
  void keys(Keys& keys) {
    EmbeddingKeys::keys(keys);
    keys.add("factors", factors, between(1, 1024), "products that are added for each column");
  }
};

/// Products of every two senses, u_m = tanh(U_m x_m + b_m) of `factors` times the width (Kim et al.
/// 2017, "Hadamard product for low-rank bilinear pooling", with its shortcuts), added up in groups
/// of `factors` (Yu et al. 2017, "Multi-modal factorized bilinear pooling", without its square
/// roots, which have no slope at 0):
///   h = groups of (sum of u_m + sum over a < b of u_a * u_b),
/// over the senses that a sample has. The sum over pairs is ((sum of u)^2 - sum of u^2) / 2.
class BilinearFusion final : public Fusion {
 public:
  using Options = BilinearOptions;
  BilinearFusion(const FusionRequest& request, const Options& options)
      : width_(options.embedding),
        factors_(options.factors),
        project_(request, request.widths, width_ * factors_) {}

  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    const auto u = torch::tanh(project_.of(p, senses)) * senses.present.unsqueeze(2);
    const auto sum = u.sum(1);
    const auto pairs = 0.5 * (sum.square() - u.square().sum(1));
    return one_part((sum + pairs).view({-1, width_, factors_}).sum(2));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }

 private:
  std::int64_t width_, factors_;
  SenseLayers project_;
};

}  // namespace

FusionType row_of_bilinear() {
  return type_of<BilinearFusion, FusionType>("senses, and products of every two of them, added",
                                             "Kim et al. 2017, Yu et al. 2017");
}

}  // namespace cuttle
