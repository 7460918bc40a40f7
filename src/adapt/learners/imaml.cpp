#include <torch/types.h>

#include <utility>

#include "adapt/descent.hpp"
#include "adapt/linear_systems.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct ImamlOptions : RateOptions, FastOptions {
  double lambda = 2.0, damping = 0.0;
  std::string solver = "cg";
  std::int64_t solver_steps = 5;
  ImamlOptions() {
    inner_steps = 16;
    inner_lr = 0.1;
  }
  void keys(Keys& keys) {
    RateOptions::keys(keys);
    FastOptions::keys(keys);
    keys.add("lambda", lambda, above(0),
             "the inner loss has lambda / 2 times the squared distance from the initialisation "
             "beside it");
    keys.add("solver", solver, one_of({"cg", "neumann"}),
             "of the system that the outer gradient solves; neumann needs lambda above the "
             "support loss's largest curvature");
    keys.add("solver_steps", solver_steps, between(0, 1000),
             "Hessian products of the solver; 0: the query's gradient as it is");
    keys.add("damping", damping, at_least(0),
             "added to the system's identity, for inner loops that end before their minimum");
  }
  Demands demands() const {
    Demands demands = RateOptions::demands();
    demands.second_order = true;
    // One inner loss has one minimum: norms of each step would make it another at each.
    demands.inner_steps = 0;
    return demands;
  }
};

/// iMAML (Rajeswaran, Finn, Kakade, Levine 2019, "Meta-learning with implicit gradients"). The
/// inner loop descends to
///   phi(theta) = argmin L_support(phi) + lambda/2 |phi - theta|^2
/// (their "proximal regularization in the inner level"), and the outer gradient is, by the implicit
/// function theorem (their lemma "implicit Jacobian"),
///   dL_query(phi(theta))/dtheta = (I + H / lambda)^-1 dL_query/dphi,
/// H the Hessian of L_support at phi, whatever way the loop took: none of its steps is kept. Only
/// products with H are formed. Parameters psi that stand still (outside `fast`) shift the minimum
/// too: from their own gradient goes d^2 L_support/dpsi dphi times that solution over lambda.
class Imaml final : public DescentLearner {
 public:
  using Options = ImamlOptions;
  Imaml(const LearnerRequest& request, const Options& options)
      : DescentLearner(request, options,
                       {make_proximal_update(options.inner_lr, options.lambda),
                        fast_set(request, options),
                        true,
                        {},
                        {options.inner_lr, {}, options.lambda}}),
        options_(options) {
    CUTTLE_VALIDATE(options.inner_lr * options.lambda < 2,
                    "adapt.lambda: {} at adapt.inner_lr {} throws every step farther than it "
                    "stood from the initialisation (the inner loop would diverge); keep their "
                    "product below 2",
                    options.lambda, options.inner_lr);
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    if (engine() && engine()->moves_all() &&
        engine()->takes(parameters.tensors(), task.support, &task.query))
      return engine()->implicit_gradient(parameters.tensors(), task, options_.inner_steps,
                                         [&](const LinearMap& hessian, const torch::Tensor& slope) {
                                           return solved(hessian, slope);
                                         });
    Context context;
    context.key = task.key;
    const auto phi =
        as_leaves(descend(parameters.tensors(), task.support, context, options_.inner_steps));
    Statistics seen;
    context.record = &seen;
    const Pass pass = surface().pass_after(phi, task.support, task.query, context);
    const Judged judged = judge(phi, pass, task.query, context);
    Tensors slope = dense_gradient_of(judged.loss, phi);
    context.record = nullptr;
    return result_of(implicit(std::move(slope), surface().at(phi, task.support, context, true)),
                     judged, seen);
  }
  double cost(const EpisodeSize& size) const override {
    constexpr double kGradient = 3, kHessianProduct = 6;
    const double steps = kGradient * static_cast<double>(options_.inner_steps) +
                         kHessianProduct * static_cast<double>(options_.solver_steps);
    return kGradient * static_cast<double>(size.query) + steps * static_cast<double>(size.support);
  }

 private:
  /// The solution of (I + H / lambda) x = slope, as far as the solver goes.
  torch::Tensor solved(const LinearMap& hessian, const torch::Tensor& slope) const {
    const double scale = 1 + options_.damping;
    const auto map = [&](const torch::Tensor& v) {
      return scale * v + hessian(v) / options_.lambda;
    };
    return options_.solver == "cg" ? by_conjugate_gradient(map, slope, options_.solver_steps)
                                   : by_neumann_series(map, slope, options_.solver_steps, scale);
  }
  /// The query's gradient at the inner minimum, as one of the initialisation.
  Tensors implicit(Tensors slope, const Point& minimum) const {
    Tensors moving, pull, gradient;
    for (const std::int64_t i : surface().fast()) {
      const auto place = static_cast<std::size_t>(i);
      moving.push_back(minimum.theta[place]);
      pull.push_back(slope[place]);
      gradient.push_back(minimum.gradient[place]);
    }
    const auto hessian = [&](const torch::Tensor& v) {
      return as_one_vector(vector_jacobian(gradient, moving, parts_of(v, moving), true));
    };
    const auto solution = parts_of(solved(hessian, as_one_vector(pull)), moving);
    for (std::size_t j = 0; j < solution.size(); ++j)
      slope[static_cast<std::size_t>(surface().fast()[j])] = solution[j];
    const auto still = standing_still(*model_->layout(), surface().fast());
    Tensors inputs;
    for (const std::int64_t i : still) inputs.push_back(minimum.theta[static_cast<std::size_t>(i)]);
    if (still.empty() || options_.solver_steps == 0) return slope;
    const auto shift = vector_jacobian(gradient, inputs, solution);
    for (std::size_t j = 0; j < still.size(); ++j) {
      auto& part = slope[static_cast<std::size_t>(still[j])];
      part = part - shift[j] / options_.lambda;
    }
    return slope;
  }

  Options options_;
};

}  // namespace

LearnerType row_of_imaml() {
  return learner_type<Imaml>("maml to the end of the inner loop, by the implicit gradient there",
                             "Rajeswaran et al. 2019");
}

}  // namespace cuttle
