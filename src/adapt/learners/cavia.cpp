#include <torch/types.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "adapt/descent.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/nearest_name.hpp"

namespace cuttle {
namespace {

struct CaviaOptions : RateOptions {
  std::int64_t context = 100;
  std::string context_by = "film";
  std::vector<std::string> context_at = {"*"};
  CaviaOptions() {
    inner_steps = 2;
    inner_lr = 10.0;
  }
  void keys(Keys& keys) {
    RateOptions::keys(keys);
    keys.add("context", context, between(1, 65536),
             "numbers that a task moves, from zero; nothing else");
    keys.add("context_by", context_by, one_of({"film", "concat"}),
             "film: they scale and shift a layer's outputs; concat: they are inputs of it");
    keys.add("context_at", context_at, anything(),
             "layers that they enter, by name with *, as in encoder.image.2.norm");
  }
  Demands demands() const {
    Demands demands = RateOptions::demands();
    demands.second_order = true;
    demands.inner_steps = 0;  // the model's own parameters see none
    return demands;
  }
};

/// A layer that the context enters, by its parameters' places: what it does before its ReLU is
/// linear in weight and bias. `own`: from the context to its scales and shifts, or shifts alone.
struct ContextLayer {
  std::int64_t weight, bias, own;
};

/// Layers of the model's body that could have a context, by name: a weight and the bias beside it.
/// Not a convolution that a norm follows: what is done before the norm, it undoes.
std::map<std::string, ContextLayer> possible_layers(const ParameterLayout& layout) {
  std::map<std::string, std::int64_t> places;
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (layout.spec(i).role == ParameterRole::kBody && layout.is_learned(i))
      places[layout.spec(i).name] = i;
  const std::string kWeight = "weight", kConvolution = ".conv";
  std::map<std::string, ContextLayer> layers;
  for (const auto& [name, weight] : places) {
    if (name.size() <= kWeight.size()) continue;
    const std::string stem = name.substr(0, name.size() - kWeight.size());
    const auto bias = places.find(stem + "bias");
    if (name != stem + kWeight || bias == places.end()) continue;
    const std::string layer = stem.substr(0, stem.size() - 1);  // of .weight or _weight
    const std::size_t block = layer.size() - std::min(layer.size(), kConvolution.size());
    if (layer.substr(block) == kConvolution &&
        places.count(layer.substr(0, block) + ".norm.weight") > 0)
      continue;
    layers[layer] = {weight, bias->second, -1};
  }
  return layers;
}

bool is_named(const std::string& layer, const std::vector<std::string>& words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return count_edits(word, layer, '*') == 0; });
}

/// Those that the config names. UserError for a word that names none.
std::vector<ContextLayer> context_layers(const LearnerRequest& request,
                                         const CaviaOptions& options) {
  const auto possible = possible_layers(request.layout);
  std::vector<std::string> names;
  for (const auto& entry : possible) names.push_back(entry.first);
  CUTTLE_VALIDATE(!possible.empty() && !options.context_at.empty(),
                  "adapt.context_at: the context enters no layer (a task could not move the "
                  "model); {}",
                  possible.empty() ? "use an encoder that is trained and has layers with biases"
                                   : "name layers, or '*' for all");
  for (const auto& word : options.context_at)
    CUTTLE_VALIDATE(std::any_of(names.begin(), names.end(),
                                [&](const auto& name) { return is_named(name, {word}); }),
                    "adapt.context_at: '{}' is no layer that a context can enter (it needs a "
                    "weight and a bias, both learned, before the head); did you mean '{}'?",
                    word, nearest_name(word, names, '*'));
  std::vector<ContextLayer> layers;
  for (auto [name, layer] : possible) {
    if (!is_named(name, options.context_at)) continue;
    const std::int64_t width = request.layout.spec(layer.bias).shape.back();
    const std::int64_t rows = options.context_by == "film" ? 2 * width : width;
    layer.own = request.layout.add({"learner.context." + name,
                                    {rows, options.context},
                                    Init::kFanIn,
                                    ParameterRole::kLearner});
    layers.push_back(layer);
  }
  return layers;
}

/// CAVIA (Zintgraf, Shiarlis, Kurin, Hofmann, Whiteson 2019, "Fast context adaptation via
/// meta-learning"). A task moves context parameters phi alone, from 0 and by gradient descent on the
/// support loss; everything else is learned by the outer loop through those steps (their "supervised
/// learning"). phi enters layers (their "conditioning on context parameters") as
///   concat: h = W x + b + U phi, x and phi side by side as one input,
///   film:   h = (1 + S phi) o (W x + b) + U phi,
/// S and U learned, so that phi = 0 is the model itself. Both are the same layer with other weights
/// and biases, or a norm with other scales and shifts, so the model is asked with such parameters
/// and need not know. A convolution's context comes before its pooling, the authors' after it.
class Cavia final : public Learner {
 public:
  using Options = CaviaOptions;
  Cavia(const LearnerRequest& request, const Options& options)
      : Learner(request),
        options_(options),
        film_(options.context_by == "film"),
        layers_(context_layers(request, options)),
        surface_(request, {}) {}

  /// By reverse recursion: with phi_{k+1} = phi_k - alpha g_k, lambda_k = lambda_{k+1} - alpha
  /// (dg_k/dphi)^T lambda_{k+1}, and -alpha (dg_k/dtheta)^T lambda_{k+1} is each step's part of the
  /// gradient. One step's graph is alive at a time.
  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    Context context;
    context.key = task.key;
    const auto phi = descend(parameters.tensors(), task.support, options_.inner_steps, context);
    Tensors leaves = as_leaves(parameters.tensors());
    const Tensors theta = leaves;
    leaves.push_back(as_leaves({phi.back()})[0]);
    const Tensors moved = modulated(theta, leaves.back());
    Statistics seen;
    context.record = &seen;
    const Pass pass = pass_after(*model_, moved, task.support, task.query, context);
    const Judged judged = judge(moved, pass, task.query, context);
    context.record = nullptr;
    Tensors gradient = dense_gradient_of(judged.loss, leaves);
    for (std::int64_t k = options_.inner_steps - 1; k >= 0; --k) {
      leaves.back() = as_leaves({phi[static_cast<std::size_t>(k)]})[0];
      const auto slope = slope_at(theta, leaves.back(), task.support, context, true);
      const auto part = vector_jacobian({slope}, leaves, {-options_.inner_lr * gradient.back()});
      for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = gradient[i] + part[i];
    }
    gradient.pop_back();
    return result_of(gradient, judged, seen);
  }

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    const auto& theta = parameters.tensors();
    const auto phi = descend(theta, support, eval_steps(), in_use(0, key)).back();
    return std::make_unique<FastWeights>(model_, modulated(theta, phi), support, 0);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return FastWeights::restore(model_, state, 0);
  }

  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    const auto& theta = parameters.tensors();
    std::vector<StepDiagnostics> lines;
    for (const auto& phi : descend(theta, task.support, eval_steps(), in_use(0, task.key)))
      lines.push_back(diagnose(surface_, modulated(theta, phi), task,
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
  /// phi before every step and after the last.
  Tensors descend(const Tensors& theta, const Batch& support, std::int64_t steps,
                  const Context& context) const {
    Tensors phi{torch::zeros({options_.context}, theta[0].options())};
    for (std::int64_t k = 0; k < steps; ++k) {
      const auto leaf = as_leaves({phi.back()})[0];
      const auto slope = slope_at(theta, leaf, support, context, false);
      phi.push_back(phi.back() - options_.inner_lr * slope);
    }
    return phi;
  }

  /// The support loss's gradient with respect to phi, with the graph if asked for.
  torch::Tensor slope_at(const Tensors& theta, const torch::Tensor& phi, const Batch& support,
                         const Context& context, bool graph) const {
    const Tensors moved = modulated(theta, phi);
    Pass pass = model_->look(moved, support, context);
    pass.outputs = model_->classify(moved, pass.embedding, support.way);
    const auto slope = gradient_of(surface_.loss(moved, pass, support, context), {phi}, graph)[0];
    return slope.defined() ? slope : torch::zeros_like(phi);
  }

  /// The parameters of the model that phi makes of this one.
  Tensors modulated(Tensors theta, const torch::Tensor& phi) const {
    const auto at = [&](std::int64_t place) -> auto& {
      return theta[static_cast<std::size_t>(place)];
    };
    for (const auto& layer : layers_) {
      auto &weight = at(layer.weight), &bias = at(layer.bias);
      const auto change = at(layer.own).matmul(phi);
      const std::int64_t width = bias.size(-1);
      if (film_) {
        const auto scale = 1 + change.narrow(0, 0, width);
        std::vector<std::int64_t> rows(static_cast<std::size_t>(weight.dim()), 1);
        rows[0] = width;
        const bool norm = weight.dim() == bias.dim();
        weight = weight * (norm ? scale : scale.view(rows));
        bias = bias * scale;
      }
      bias = bias + change.narrow(0, change.size(0) - width, width);
    }
    return theta;
  }

  Options options_;
  bool film_;
  std::vector<ContextLayer> layers_;
  Surface surface_;
};

}  // namespace

LearnerType row_of_cavia() {
  return learner_type<Cavia>("the inner loop moves context parameters that enter layers, from zero",
                             "Zintgraf et al. 2019");
}

}  // namespace cuttle
