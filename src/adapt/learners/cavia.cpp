#include <torch/types.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "adapt/context_layers.hpp"
#include "adapt/descent.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/learners/context_descent.hpp"
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
      : Learner(request),
        options_(options),
        layers_(request.layout, options),
        surface_(request, {}) {
    for (const auto& layer : model_->perceptron()) {
      const auto own = std::find_if(layers_.layers().begin(), layers_.layers().end(),
                                    [&](const auto& one) { return one.weight == layer.weight; });
      places_.push_back({layer.weight, layer.bias, own == layers_.layers().end() ? -1 : own->own});
    }
  }

  /// By reverse recursion: with phi_{k+1} = phi_k - alpha g_k, lambda_k = lambda_{k+1} - alpha
  /// (dg_k/dphi)^T lambda_{k+1}, and -alpha (dg_k/dtheta)^T lambda_{k+1} is each step's part of the
  /// gradient. One step's graph is alive at a time.
  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    if (!places_.empty() && surface_.learns_on_kernels(parameters.tensors(), task.support) &&
        surface_.on_kernels(parameters.tensors(), task.query))
      return with_type_of(parameters.flat(),
                          [&](auto type) { return by_columns<decltype(type)>(parameters, task); });
    Context context;
    context.key = task.key;
    Tensors leaves = as_leaves(parameters.tensors());
    const Tensors theta = leaves;
    const bool keep = surface_.may_be_kept(theta, task.support, options_.inner_steps);
    const auto steps = descend(theta, task.support, options_.inner_steps, context, keep);
    leaves.push_back(steps.back().phi);
    const Tensors moved = layers_.modulated(theta, leaves.back());
    Statistics seen;
    context.record = &seen;
    const Pass pass = surface_.pass_after(moved, task.support, task.query, context);
    const Judged judged = judge(moved, pass, task.query, context);
    context.record = nullptr;
    Tensors gradient = dense_gradient_of(judged.loss, leaves);
    for (std::int64_t k = options_.inner_steps - 1; k >= 0; --k) {
      const auto& [phi, kept] = steps[static_cast<std::size_t>(k)];
      leaves.back() = phi;
      const auto slope = keep ? kept : slope_at(theta, phi, task.support, context, true);
      const auto part = vector_jacobian({slope}, leaves, {-options_.inner_lr * gradient.back()});
      for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = gradient[i] + part[i];
    }
    gradient.pop_back();
    return result_of(gradient, judged, seen);
  }

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    const auto& theta = parameters.tensors();
    const auto phi = descend(theta, support, eval_steps(), in_use(0, key), false).back().phi;
    return std::make_unique<FastWeights>(model_, kind_, layers_.modulated(theta, phi), support, 0);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return FastWeights::restore(model_, kind_, state, 0);
  }

  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    const auto& theta = parameters.tensors();
    std::vector<StepDiagnostics> lines;
    const auto steps = descend(theta, task.support, eval_steps(), in_use(0, task.key), false);
    for (const auto& [phi, slope] : steps)
      lines.push_back(diagnose(surface_, layers_.modulated(theta, phi), task,
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
          return ContextDescent<T>(shapes_of(*model_, task.query.way), places_, layers_.film(),
                                   options_.context, *model_->layout(), from, gradient)
              .gradient(support, query, static_cast<T>(options_.inner_lr), options_.inner_steps,
                        outputs);
        });
  }

  struct Step {
    torch::Tensor phi;    ///< before the step, a leaf
    torch::Tensor slope;  ///< there; after the last step none
  };
  /// Every step, and where the last one leads. `graph`: of the slopes.
  std::vector<Step> descend(const Tensors& theta, const Batch& support, std::int64_t steps,
                            const Context& context, bool graph) const {
    const auto start = torch::zeros({options_.context}, theta[0].options().requires_grad(false));
    std::vector<Step> way{{as_leaves({start})[0], {}}};
    for (std::int64_t k = 0; k < steps; ++k) {
      auto& [phi, slope] = way.back();
      slope = slope_at(theta, phi, support, context, graph);
      way.push_back({as_leaves({phi.detach() - options_.inner_lr * slope.detach()})[0], {}});
    }
    return way;
  }

  /// The support loss's gradient with respect to phi, with the graph if asked for.
  torch::Tensor slope_at(const Tensors& theta, const torch::Tensor& phi, const Batch& support,
                         const Context& context, bool graph) const {
    const auto loss = surface_.pass(layers_.modulated(theta, phi), support, context).loss;
    const auto slope = gradient_of(loss, {phi}, graph)[0];
    return slope.defined() ? slope : torch::zeros_like(phi);
  }

  Options options_;
  ContextLayers layers_;
  Surface surface_;
  std::vector<ContextPlace> places_;  ///< empty: the model is no perceptron
};

}  // namespace

LearnerType row_of_cavia() {
  return learner_type<Cavia>("the inner loop moves context parameters that enter layers, from zero",
                             "Zintgraf et al. 2019");
}

}  // namespace cuttle
