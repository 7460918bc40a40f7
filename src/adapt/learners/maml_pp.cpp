#include <torch/types.h>

#include <algorithm>
#include <utility>

#include "adapt/descent.hpp"
#include "adapt/rows.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct MamlPpOptions : DescentOptions {
  bool learned_rates = true;
  std::int64_t multi_step = 1000, first_order = 0;
  void keys(Keys& keys) {
    LoopOptions::keys(keys);
    keys.add("inner_lr", inner_lr, above(0), "where every learned rate starts");
    keys.add("learned_rates", learned_rates, anything(),
             "a learned rate for every parameter and inner step; false: inner_lr");
    keys.add("multi_step", multi_step, at_least(0),
             "outer steps in which the query's loss after every inner step counts, less and less; "
             "then, and with 0, the last one's alone");
    keys.add("first_order", first_order, at_least(0),
             "outer steps at the start that leave out second derivatives");
    FastOptions::keys(keys);
    WayBackOptions::keys(keys);
  }
};

/// theta_i' = theta_i - alpha_{i,k} g_i: a learned rate, of either sign, for every parameter i (a
/// layer's weights, its biases) and step k.
class RatePerStep final : public InnerUpdate {
 public:
  /// `rates`: by parameter, the index of its rates [steps] among theta; -1: it does not move.
  explicit RatePerStep(std::vector<std::int64_t> rates) : rates_(std::move(rates)) {}

  Moved step(const Point& at, const Tensors&, std::int64_t k) const override {
    Moved next{at.theta, {}};
    for (std::size_t i = 0; i < at.theta.size(); ++i)
      if (at.gradient[i].defined())
        next.theta[i] =
            at.theta[i] - at.theta[static_cast<std::size_t>(rates_[i])][k] * at.gradient[i];
    return next;
  }
  Adjoint vjp(const Point& at, const Tensors&, std::int64_t k, const Tensors& of_theta,
              const Tensors&) const override {
    const torch::NoGradGuard no_grad;
    Adjoint adjoint{of_theta, {}, Tensors(of_theta.size()), {}};
    for (std::size_t i = 0; i < at.theta.size(); ++i) {
      if (!at.gradient[i].defined()) continue;
      const auto rates = static_cast<std::size_t>(rates_[i]);
      adjoint.gradient[i] = -at.theta[rates][k] * of_theta[i];
      adjoint.theta[rates] = adjoint.theta[rates].clone();
      adjoint.theta[rates][k] -= (at.gradient[i] * of_theta[i]).sum();
    }
    return adjoint;
  }
  bool learned() const override { return true; }

 private:
  std::vector<std::int64_t> rates_;
};

/// MAML++ (Antoniou, Edwards, Storkey 2019, "How to train your MAML", section 4), each of whose
/// mechanisms is a switch. Here: the multi-step loss, in which the outer loss is
///   sum_k v_k L_query(theta_k),  k = 1..S,
/// whose weights v_k start at 1/S each and pass to the last step in the course of training;
/// derivative-order annealing; rates per layer and step (LSLR). Elsewhere: norms with a set per
/// step are the encoders' `norm: batch_per_step`, the cosine annealing of the outer rate is
/// `step.schedule: cosine`. Adaptation in use is MAML's with the learned rates: the last step
/// answers.
class MamlPp final : public DescentLearner {
 public:
  using Options = MamlPpOptions;
  MamlPp(const LearnerRequest& request, const Options& options)
      : DescentLearner(request, options, descender(request, options)), options_(options) {}

 protected:
  bool second_order(const RandomKey& key) const override {
    return key.step >= static_cast<std::uint64_t>(options_.first_order);
  }
  /// As in the authors' code: before the last step linearly down to 3 % of where it started, and
  /// the last step has the rest.
  double share(std::int64_t k, const RandomKey& key) const override {
    constexpr double kLeast = 0.03;
    const std::int64_t steps = options_.inner_steps;
    const auto fading = static_cast<double>(options_.multi_step);
    const auto done = static_cast<double>(key.step);
    if (done >= fading) return k == steps ? 1.0 : 0.0;
    const double early = std::max(1.0 - done / fading, kLeast) / static_cast<double>(steps);
    if (k == steps) return 1.0 - early * static_cast<double>(steps - 1);
    return k > 0 ? early : 0.0;
  }

 private:
  static Descender descender(const LearnerRequest& request, const Options& options) {
    CUTTLE_VALIDATE(options.inner_steps > 0,
                    "adapt.inner_steps: maml_pp has rates and losses of inner steps (without a "
                    "step there are none); use 1 or more");
    const FastSet fast = fast_set(request, options);
    if (!options.learned_rates)
      return {make_sgd_update(options.inner_lr), fast, true, options.keep};
    CUTTLE_VALIDATE(options.steps_in_use() <= options.inner_steps,
                    "adapt.eval_inner_steps: {} steps in use, but rates are learned for the {} of "
                    "adapt.inner_steps (the others would have none); use at most {}, or "
                    "learned_rates: false",
                    options.steps_in_use(), options.inner_steps, options.inner_steps);
    auto& layout = request.layout;
    std::vector<std::int64_t> rates(static_cast<std::size_t>(layout.count()), -1);
    for (const std::int64_t i : fast) {
      ParameterSpec spec{"learner.rate." + layout.spec(i).name,
                         {options.inner_steps},
                         Init::kConstant,
                         ParameterRole::kLearner};
      spec.start = options.inner_lr;
      spec.outer.decay = false;
      rates[static_cast<std::size_t>(i)] = layout.add(std::move(spec));
    }
    rates.resize(static_cast<std::size_t>(layout.count()), -1);
    return {std::make_unique<RatePerStep>(std::move(rates)), fast, true, options.keep};
  }

  Options options_;
};

}  // namespace

LearnerType row_of_maml_pp() {
  return learner_type<MamlPp>("maml with learned rates per layer and step, and a loss of all steps",
                              "Antoniou, Edwards, Storkey 2019");
}

}  // namespace cuttle
