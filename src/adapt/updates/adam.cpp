#include <torch/types.h>

#include <cmath>

#include "adapt/updates/inner_update.hpp"

namespace cuttle {
namespace {

class AdamUpdate final : public InnerUpdate {
 public:
  explicit AdamUpdate(double rate) : rate_(rate) {}
  Tensors fresh(const Tensors& theta) const override {
    Tensors squares;
    for (const auto& value : theta) squares.push_back(torch::zeros_like(value));
    return squares;
  }
  Moved step(const Point& at, const Tensors& state, std::int64_t k) const override {
    constexpr double kBeta = 0.999, kEpsilon = 1e-8;
    const double correction = 1.0 - std::pow(kBeta, static_cast<double>(k + 1));
    Moved next{at.theta, state};
    for (std::size_t i = 0; i < at.theta.size(); ++i) {
      const auto& gradient = at.gradient[i];
      if (!gradient.defined()) continue;
      next.state[i] = kBeta * state[i] + (1.0 - kBeta) * gradient.square();
      next.theta[i] =
          at.theta[i] - rate_ * gradient / ((next.state[i] / correction).sqrt() + kEpsilon);
    }
    return next;
  }

 private:
  double rate_;
};

}  // namespace

std::unique_ptr<const InnerUpdate> make_adam_update(double rate) {
  return std::make_unique<AdamUpdate>(rate);
}

}  // namespace cuttle
