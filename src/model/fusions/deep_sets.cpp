#include <torch/types.h>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// A sample is the set of its senses: the sum over those that are there, and a perceptron on it
/// (Zaheer et al. 2017, "Deep sets", theorem 2, with a phi of each sense's own, as their widths
/// differ):
///   h = W'' relu(W' (sum of relu(W_m x_m + b_m)) + b') + b''.
class DeepSetsFusion final : public Fusion {
 public:
  using Options = EmbeddingKeys;
  DeepSetsFusion(const FusionRequest& request, const Options& options)
      : width_(options.embedding),
        phi_(request, request.widths, width_),
        inner_(request.layout, "fusion.rho.0", {width_, width_}),
        outer_(request.layout, "fusion.rho.1", {width_, width_}) {}

  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    const auto sum = (torch::relu(phi_.of(p, senses)) * senses.present.unsqueeze(2)).sum(1);
    return one_part(affine(p, outer_, torch::relu(affine(p, inner_, sum))));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }

 private:
  std::int64_t width_;
  SenseLayers phi_;
  Affine inner_, outer_;
};

}  // namespace

FusionType row_of_deep_sets() {
  return type_of<DeepSetsFusion, FusionType>("a perceptron on the sum of all senses",
                                             "Zaheer et al. 2017");
}

}  // namespace cuttle
