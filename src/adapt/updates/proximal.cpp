#include <torch/types.h>

#include "adapt/updates/inner_update.hpp"

namespace cuttle {
namespace {

class ProximalUpdate final : public InnerUpdate {
 public:
  ProximalUpdate(double rate, double lambda) : rate_(rate), lambda_(lambda) {}
  Tensors fresh(const Tensors& theta) const override { return theta; }
  Moved step(const Point& at, const Tensors& start, std::int64_t) const override {
    Moved next{at.theta, start};
    for (std::size_t i = 0; i < at.theta.size(); ++i)
      if (at.gradient[i].defined())
        next.theta[i] = at.theta[i] - rate_ * (at.gradient[i] + lambda_ * (at.theta[i] - start[i]));
    return next;
  }

 private:
  double rate_, lambda_;
};

}  // namespace

std::unique_ptr<const InnerUpdate> make_proximal_update(double rate, double lambda) {
  return std::make_unique<ProximalUpdate>(rate, lambda);
}

}  // namespace cuttle
