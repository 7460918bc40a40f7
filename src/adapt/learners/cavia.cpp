#include <torch/types.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "adapt/descent.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/learners/context_descent.hpp"
#include "adapt/learners/context_loop.hpp"
#include "adapt/rows.hpp"
#include "adapt/surface/perceptron_parts.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {
namespace {

struct CaviaOptions : RateOptions, ContextOptions {
  CaviaOptions() {
    inner_steps = 2;
    inner_lr = 10.0;
  }
  void keys(Keys& keys) {
    RateOptions::keys(keys);
    ContextOptions::keys(keys);
  }
  Demands demands() const {
    Demands demands = RateOptions::demands();
    demands.second_order = true;
    demands.inner_steps = 0;  // the model's own parameters see none
    return demands;
  }
};

/// CAVIA (Zintgraf, Shiarlis, Kurin, Hofmann, Whiteson 2019, "Fast context adaptation via
/// meta-learning"). A task moves context parameters phi alone, from 0 and by gradient descent on
/// the support loss; everything else is learned by the outer loop through those steps (their
/// "supervised learning"). phi enters layers as ContextLayers say.
class Cavia final : public Learner {
 public:
  using Options = CaviaOptions;
  Cavia(const LearnerRequest& request, const Options& options)
      : Learner(request), options_(options), loop_(request, options, options.inner_lr) {
    const auto& entered = loop_.layers().layers();
    for (const auto& layer : model_->perceptron()) {
      const auto own = std::find_if(entered.begin(), entered.end(),
                                    [&](const auto& one) { return one.weight == layer.weight; });
      places_.push_back({layer.weight, layer.bias, own == entered.end() ? -1 : own->own});
    }
  }

  /// By reverse recursion: with phi_{k+1} = phi_k - alpha g_k, lambda_k = lambda_{k+1} - alpha
  /// (dg_k/dphi)^T lambda_{k+1}, and -alpha (dg_k/dtheta)^T lambda_{k+1} is each step's part of the
  /// gradient. One step's graph is alive at a time.
  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    if (!places_.empty() && loop_.surface().learns_on_kernels(parameters.tensors(), task.support) &&
        loop_.surface().on_kernels(parameters.tensors(), task.query))
      return with_type_of(parameters.flat(),
                          [&](auto type) { return by_columns<decltype(type)>(parameters, task); });
    Context context;
    context.key = task.key;
    Tensors leaves = as_leaves(parameters.tensors());
    const Tensors theta = leaves;
    const bool keep = loop_.surface().may_be_kept(theta, task.support, options_.inner_steps);
    const auto steps = loop_.descend(theta, task.support, options_.inner_steps, context, keep);
    leaves.push_back(steps.back().phi);
    const Tensors moved = loop_.layers().modulated(theta, leaves.back());
    Statistics seen;
    context.record = &seen;
    const Pass pass = loop_.surface().pass_after(moved, task.support, task.query, context);
    const Judged judged = judge(moved, pass, task.query, context);
    context.record = nullptr;
    Tensors gradient = dense_gradient_of(judged.loss, leaves);
    for (std::int64_t k = options_.inner_steps - 1; k >= 0; --k) {
      const auto& [phi, kept] = steps[static_cast<std::size_t>(k)];
      leaves.back() = phi;
      const auto slope = keep ? kept : loop_.slope_at(theta, phi, task.support, context, true);
      const auto part = vector_jacobian({slope}, leaves, {-options_.inner_lr * gradient.back()});
      for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = gradient[i] + part[i];
    }
    gradient.pop_back();
    return result_of(gradient, judged, seen);
  }

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    const auto& theta = parameters.tensors();
    const auto phi = loop_.descend(theta, support, eval_steps(), in_use(0, key), false).back().phi;
    return std::make_unique<FastWeights>(model_, kind_, loop_.layers().modulated(theta, phi),
                                         support, 0);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return FastWeights::restore(model_, kind_, state, 0);
  }

  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    const auto& theta = parameters.tensors();
    std::vector<StepDiagnostics> lines;
    const auto steps = loop_.descend(theta, task.support, eval_steps(), in_use(0, task.key), false);
    for (const auto& [phi, slope] : steps)
      lines.push_back(diagnose(loop_.surface(), loop_.layers().modulated(theta, phi), task,
                               static_cast<std::int64_t>(lines.size()), 0));
    return lines;
  }
  bool diagnostics() const override { return options_.diagnostics; }
  std::int64_t eval_steps() const override { return options_.steps_in_use(); }
  double cost(const EpisodeSize& size) const override {
    constexpr double kGradient = 3, kHessianProduct = 6;
    return kGradient * static_cast<double>(size.query) +
           (kGradient + kHessianProduct) * static_cast<double>(options_.inner_steps * size.support);
  }

 private:
  /// A perceptron's task, on own kernels.
  template <class T>
  TaskResult by_columns(const ParameterList& parameters, const Task& task) const {
    return result_on_kernels<T>(
        *model_, *kind_, parameters, task,
        [&](const auto& support, const auto& query, const T* from, T* gradient, T* outputs) {
          return ContextDescent<T>(shapes_of(*model_, task.query.way), places_,
                                   loop_.layers().film(), options_.context, *model_->layout(), from,
                                   gradient)
              .gradient(support, query, static_cast<T>(options_.inner_lr), options_.inner_steps,
                        outputs);
        });
  }

  Options options_;
  ContextLoop loop_;
  std::vector<ContextPlace> places_;  ///< empty: the model is no perceptron
};

}  // namespace

LearnerType row_of_cavia() {
  return learner_type<Cavia>("the inner loop moves context parameters that enter layers, from zero",
                             "Zintgraf et al. 2019");
}

}  // namespace cuttle
