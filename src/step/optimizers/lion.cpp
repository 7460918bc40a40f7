#include <torch/types.h>

#include "step/rows.hpp"

namespace cuttle {
namespace {

struct LionOptions {
  double beta1 = 0.9, beta2 = 0.99;
  void keys(Keys& keys) {
    keys.add("beta1", beta1, from_below(0, 1), "share of the mean gradient in the step's sign");
    keys.add("beta2", beta2, from_below(0, 1), "share of the past in the mean gradient");
  }
};

/// Algorithm 2 of Chen et al. The mean moves after the step was taken.
class Lion final : public Optimizer {
 public:
  using Options = LionOptions;
  Lion(const OptimizerRequest&, const Options& options) : options_(options) {}

  std::vector<std::string> slots() const override { return {"first_moment"}; }
  void update(const OptimizerStretch& stretch) const override {
    const auto& [beta1, beta2] = options_;
    const auto& mean = stretch.slots[0];
    const auto direction = mean.mul(beta1).add_(stretch.gradient, 1.0 - beta1).sign_();
    stretch.values.sub_(direction, stretch.rate);
    mean.mul_(beta2).add_(stretch.gradient, 1.0 - beta2);
  }

 private:
  Options options_;
};

}  // namespace

OptimizerType row_of_lion() {
  return type_of<Lion, OptimizerType>(
      "every element moves by the learning rate (a third to a tenth of adam's), to the side of "
      "the mean gradient; half of adam's memory",
      "Chen et al. 2023");
}

}  // namespace cuttle
