#include <torch/types.h>

#include <cmath>

#include "step/rows.hpp"

namespace cuttle {
namespace {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  void keys(Keys& keys) {
    keys.add("beta1", beta1, from_below(0, 1), "share of the past in the mean gradient");
    keys.add("beta2", beta2, from_below(0, 1), "share of the past in the mean square");
    keys.add("epsilon", epsilon, above(0), "beside the root that divides");
  }
};

class Adam final : public Optimizer {
 public:
  using Options = AdamOptions;
  Adam(const OptimizerRequest&, const Options& options) : options_(options) {}

  std::vector<std::string> slots() const override { return {"first_moment", "second_moment"}; }
  void update(const OptimizerStretch& stretch) const override {
    const auto& [beta1, beta2, epsilon] = options_;
    const auto& gradient = stretch.gradient;
    const auto &first_moment = stretch.slots[0], &second_moment = stretch.slots[1];
    const auto updates = static_cast<double>(stretch.updates);
    first_moment.mul_(beta1).add_(gradient, 1.0 - beta1);
    second_moment.mul_(beta2).addcmul_(gradient, gradient, 1.0 - beta2);
    const auto m = first_moment / (1.0 - std::pow(beta1, updates));
    const auto v = second_moment / (1.0 - std::pow(beta2, updates));
    stretch.values.sub_(m / (v.sqrt() + epsilon), stretch.rate);
  }

 private:
  Options options_;
};

}  // namespace

OptimizerType row_of_adam() {
  return type_of<Adam, OptimizerType>(
      "the mean gradient over the root of the mean square; with step.weight_decay AdamW",
      "Kingma and Ba 2015");
}

}  // namespace cuttle
