#include <torch/types.h>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct LowRankOptions : EmbeddingKeys {
  std::int64_t rank = 4;
  void keys(Keys& keys) {
    EmbeddingKeys::keys(keys);
    keys.add("rank", rank, between(1, 1024), "products of all senses that are added");
  }
};

/// A linear layer on the outer product of all [1, x_m] whose weights have a low rank, so that
/// neither is ever written out (Liu et al. 2018, "Efficient low-rank multimodal fusion", equation
/// 6):
///   h = sum over r of the product over m of (1 + W_m^r x_m + b_m^r).
/// What multiplies the 1 starts at one, not at random: a sense that a sample lacks, of which that
/// factor is left, changes nothing before something is learned.
class LowRankFusion final : public Fusion {
 public:
  using Options = LowRankOptions;
  LowRankFusion(const FusionRequest& request, const Options& options)
      : width_(options.embedding),
        rank_(options.rank),
        factors_(request, request.widths, rank_ * width_) {}

  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    torch::Tensor product;
    for (std::size_t m = 0; m < senses.pooled.size(); ++m) {
      const auto factor = 1.0 + factors_.of(p, m, senses.pooled[m] * has_sense(senses, m));
      product = m == 0 ? factor : product * factor;
    }
    return one_part(product.view({-1, rank_, width_}).sum(1));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }

 private:
  std::int64_t width_, rank_;
  SenseLayers factors_;
};

}  // namespace

FusionType row_of_low_rank() {
  return type_of<LowRankFusion, FusionType>("products of all senses, added", "Liu et al. 2018");
}

}  // namespace cuttle
