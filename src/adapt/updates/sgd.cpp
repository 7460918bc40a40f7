#include <torch/types.h>

#include "adapt/updates/inner_update.hpp"

namespace cuttle {
namespace {

class SgdUpdate final : public InnerUpdate {
 public:
  explicit SgdUpdate(double rate) : rate_(rate) {}
  Moved step(const Point& at, const Tensors&, std::int64_t) const override {
    Moved next;
    for (std::size_t i = 0; i < at.theta.size(); ++i)
      next.theta.push_back(at.gradient[i].defined() ? at.theta[i] - rate_ * at.gradient[i]
                                                    : at.theta[i]);
    return next;
  }
  Adjoint vjp(const Point&, const Tensors&, std::int64_t, const Tensors& of_theta,
              const Tensors&) const override {
    Adjoint adjoint;
    adjoint.theta = of_theta;
    for (const auto& part : of_theta) adjoint.gradient.push_back(-rate_ * part);
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
