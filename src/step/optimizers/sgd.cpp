#include <torch/types.h>

#include "step/rows.hpp"

namespace cuttle {
namespace {

struct SgdOptions {
  double momentum = 0.0;
  void keys(Keys& keys) {
    keys.add("momentum", momentum, from_below(0, 1), "share of the former step in a step");
  }
};

class Sgd final : public Optimizer {
 public:
  using Options = SgdOptions;
  Sgd(const OptimizerRequest&, const Options& options) : options_(options) {}

  std::vector<std::string> slots() const override { return {"first_moment"}; }
  void update(const OptimizerStretch& stretch) const override {
    const auto& velocity = stretch.slots[0];
    velocity.mul_(options_.momentum).add_(stretch.gradient);
    stretch.values.sub_(velocity, stretch.rate);
  }

 private:
  Options options_;
};

}  // namespace

OptimizerType row_of_sgd() {
  return type_of<Sgd, OptimizerType>("down the gradient, with momentum", "Robbins and Monro 1951");
}

}  // namespace cuttle
