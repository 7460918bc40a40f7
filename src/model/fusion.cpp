#include "cuttle/model/fusion.hpp"

#include <torch/types.h>

namespace cuttle {

Embedding one_part(const torch::Tensor& fused) {
  return {{fused},
          torch::ones({fused.size(0), 1}, fused.options()),
          torch::ones({1}, fused.options()),
          true};
}

CombinedLogits Fusion::combine(const std::vector<PartLogits>& parts,
                               const torch::Tensor& weights) const {
  if (parts.size() == 1 && !parts[0].known.defined()) return {parts[0].logits, {}};
  torch::Tensor sum, total;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const auto& [logits, known] = parts[p];
    const auto weight = weights.narrow(0, static_cast<std::int64_t>(p), 1);
    const auto share = known * weight;
    // The gradient's sums have the order that runs have had since there are weights.
    const auto term = known.size(1) == 1 ? share * logits : weight * (known * logits);
    sum = p == 0 ? term : sum + term;
    total = p == 0 ? share : total + share;
  }
  return {sum / total.masked_fill(total.eq(0), 1.0), total};
}

}  // namespace cuttle
