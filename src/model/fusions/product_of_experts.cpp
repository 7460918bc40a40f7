#include <torch/types.h>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Each sense is an expert that says what it takes the sample's code for and how sure it is of each
/// column, a Gaussian of mean mu_m = W_m x_m + b_m and precision T_m = exp(V_m x_m + c_m); a
/// standard normal expert is always there. Their product is Gaussian, and its mean the embedding
/// (Wu and Goodman 2018, "Multimodal generative models for scalable weakly-supervised learning",
/// section 2.1):
///   sum of T_m mu_m / (1 + sum of T_m), over the senses that a sample has.
/// 1 and T_m over their sum are a softmax of 0 and the logarithms, which cannot overflow.
class ProductOfExpertsFusion final : public Fusion {
 public:
  using Options = EmbeddingKeys;
  ProductOfExpertsFusion(const FusionRequest& request, const Options& options)
      : width_(options.embedding),
        mean_(request, request.widths, width_, ".mean"),
        precision_(request, request.widths, width_, ".precision") {}

  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    const auto mean = mean_.of(p, senses);
    const auto logs = precision_.of(p, senses).masked_fill(senses.present.unsqueeze(2) == 0, -1e30);
    const auto prior = torch::zeros({mean.size(0), 1, width_}, mean.options());
    const auto share = torch::softmax(torch::cat({prior, logs}, 1), 1);
    return one_part((share.narrow(1, 1, mean.size(1)) * mean).sum(1));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }

 private:
  std::int64_t width_;
  SenseLayers mean_, precision_;
};

}  // namespace

FusionType row_of_product_of_experts() {
  return type_of<ProductOfExpertsFusion, FusionType>(
      "the mean of a product of Gaussians, one a sense, and of a standard normal one",
      "Wu, Goodman 2018");
}

}  // namespace cuttle
