#pragma once

#include <memory>

#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// One inner update theta' = U(theta, g) and its adjoint. Reverse recursion through K steps needs
/// only these two and the Hessian-vector products of the support loss, so it serves every update
/// rule.
class InnerUpdate {
 public:
  virtual ~InnerUpdate() = default;
  /// New values; `theta` and `gradient` are parallel lists. Differentiable where the inputs require
  /// gradients.
  virtual Tensors step(const Tensors& theta, const Tensors& gradient) const = 0;

  /// What a cotangent of theta' becomes.
  struct Adjoint {
    Tensors theta;     ///< dU/dtheta^T lambda
    Tensors gradient;  ///< dU/dg^T lambda
  };
  virtual Adjoint vjp(const Tensors& lambda) const = 0;
};

/// theta - rate * g.
std::unique_ptr<const InnerUpdate> make_sgd_update(double rate);

}  // namespace cuttle
