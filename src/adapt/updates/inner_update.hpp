#pragma once

#include <memory>

#include "adapt/surface/surface.hpp"

namespace cuttle {

/// One inner update (theta', state') = U(theta, state, gradient, loss) and its adjoint. Reverse
/// recursion through K steps needs only these two and products with the Hessian of the inner loss,
/// so it serves every update rule. What an update has learned is among theta, where it stands
/// still.
class InnerUpdate {
 public:
  virtual ~InnerUpdate() = default;
  /// The state before the first step, a constant; empty: it has none.
  virtual Tensors fresh(const Tensors& theta) const;

  struct Moved {
    Tensors theta, state;
  };
  /// Step k from a point; differentiable where its inputs require gradients.
  virtual Moved step(const Point& at, const Tensors& state, std::int64_t k) const = 0;

  /// What cotangents of theta' and state' become; undefined: zero.
  struct Adjoint {
    Tensors theta, state, gradient;
    torch::Tensor loss;
  };
  /// Unless an update knows better, by automatic differentiation of step().
  virtual Adjoint vjp(const Point& at, const Tensors& state, std::int64_t k,
                      const Tensors& of_theta, const Tensors& of_state) const;
  /// Whether it has learned parameters: their gradient needs the way back in first order too.
  virtual bool learned() const { return false; }
};

/// theta - rate * g.
std::unique_ptr<const InnerUpdate> make_sgd_update(double rate);
/// theta - rate * (g + lambda * (theta - theta_0)): descends a loss with lambda / 2 times the
/// squared distance from the start beside it; the state is the start.
std::unique_ptr<const InnerUpdate> make_proximal_update(double rate, double lambda);
/// Adam with beta1 = 0, beta2 = 0.999, as Reptile's authors use it in the inner loop; made afresh
/// for every task, so that nothing is carried from task to task.
std::unique_ptr<const InnerUpdate> make_adam_update(double rate);

}  // namespace cuttle
