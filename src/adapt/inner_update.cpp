#include "adapt/inner_update.hpp"

#include <torch/torch.h>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

class SgdUpdate final : public InnerUpdate {
 public:
  explicit SgdUpdate(double rate) : rate_(rate) {}
  Tensors step(const Tensors& theta, const Tensors& gradient) const override {
    CUTTLE_EXPECT(theta.size() == gradient.size());
    Tensors next;
    for (std::size_t i = 0; i < theta.size(); ++i)
      next.push_back(gradient[i].defined() ? theta[i] - rate_ * gradient[i] : theta[i]);
    return next;
  }
  Adjoint vjp(const Tensors& lambda) const override {
    Adjoint adjoint;
    adjoint.theta = lambda;
    for (const auto& part : lambda) adjoint.gradient.push_back(-rate_ * part);
    return adjoint;
  }

 private:
  double rate_;
};

}  // namespace

std::unique_ptr<const InnerUpdate> make_sgd_update(double rate) {
  return std::make_unique<SgdUpdate>(rate);
}

}  // namespace cuttle
