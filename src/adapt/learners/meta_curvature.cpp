#include <torch/types.h>

#include <utility>

#include "adapt/descent.hpp"
#include "adapt/learners/curved_descent.hpp"
#include "adapt/rows.hpp"
#include "adapt/surface/perceptron_parts.hpp"

namespace cuttle {
namespace {

struct MetaCurvatureOptions : DescentOptions {
  std::string curvature = "mc2";
  void keys(Keys& keys) {
    RateOptions::keys(keys);
    keys.add("curvature", curvature, one_of({"mc1", "mc2"}),
             "mc2: learned matrices over outputs, inputs and filter places of a layer; mc1: not "
             "over outputs");
    FastOptions::keys(keys);
    WayBackOptions::keys(keys);
  }
};

/// theta' = theta - alpha MC(g). A layer's gradient g [out, in, places] is multiplied along each
/// of its modes by a learned matrix (Park and Oliva 2019, section 3.2),
///   MC(g) = g x_3 M_f x_2 M_i x_1 M_o,
/// that is vec(MC(g)) = (M_o kron M_i kron M_f) vec(g); a linear layer has no M_f. What has one
/// mode (biases, scales of norms) is multiplied element by element, as in the authors' program; the
/// sets of a norm with one for each inner step count as two modes.
/// Learned is each matrix less the identity, so that all start as MAML and decay leads back to it.
class Curved final : public InnerUpdate {
 public:
  /// Where a parameter's matrices are among theta, -1: the identity. One mode alone: elements.
  using Modes = std::vector<std::int64_t>;
  /// `modes`: by parameter; those that do not move have none.
  Curved(double rate, std::vector<Modes> modes) : rate_(rate), modes_(std::move(modes)) {}

  Moved step(const Point& at, const Tensors&, std::int64_t) const override {
    Moved next{at.theta, {}};
    for (std::size_t i = 0; i < at.theta.size(); ++i)
      if (at.gradient[i].defined())
        next.theta[i] = at.theta[i] - rate_ * transform(at.theta, at.gradient[i], modes_[i]);
    return next;
  }
  bool learned() const override { return true; }
  /// Of linear layers alone by hand: with a = g + g M_i^T and MC(g) = a + M_o a (here M are less
  /// the identity), from the cotangent c of MC(g) come M_o's, c a^T, and M_i's, b^T g with
  /// b = c + M_o^T c, and that of g, b + b M_i.
  Adjoint vjp(const Point& at, const Tensors& state, std::int64_t k, const Tensors& of_theta,
              const Tensors& of_state) const override {
    const torch::NoGradGuard no_grad;
    Adjoint adjoint{of_theta, {}, Tensors(of_theta.size()), {}};
    for (std::size_t i = 0; i < at.theta.size(); ++i) {
      const auto& g = at.gradient[i];
      if (!g.defined()) continue;
      const auto& modes = modes_[i];
      if (modes.size() > 2 || g.dim() > 2)
        return InnerUpdate::vjp(at, state, k, of_theta, of_state);
      const auto own = [&](std::size_t mode) {
        return at.theta[static_cast<std::size_t>(modes[mode])];
      };
      const auto add = [&](std::size_t mode, const torch::Tensor& part) {
        auto& sum = adjoint.theta[static_cast<std::size_t>(modes[mode])];
        sum = sum + part;
      };
      const auto c = -rate_ * of_theta[i];
      if (modes.size() == 1) {
        add(0, c * g);
        adjoint.gradient[i] = c + own(0) * c;
        continue;
      }
      auto b = c;
      if (modes[0] >= 0) {
        add(0, c.matmul((g + g.matmul(own(1).t())).t()));
        b = c + own(0).t().matmul(c);
      }
      add(1, b.t().matmul(g));
      adjoint.gradient[i] = b + b.matmul(own(1));
    }
    return adjoint;
  }

 private:
  static torch::Tensor transform(const Tensors& theta, const torch::Tensor& gradient,
                                 const Modes& modes) {
    const auto own = [&](std::size_t mode) { return theta[static_cast<std::size_t>(modes[mode])]; };
    if (modes.size() == 1) return gradient + own(0) * gradient;
    if (modes.size() == 2) {
      const auto g = gradient + gradient.matmul(own(1).t());
      return modes[0] >= 0 ? g + own(0).matmul(g) : g;
    }
    auto g = gradient.reshape({gradient.size(0), gradient.size(1), -1});
    g = g + g.matmul(own(2).t());
    g = g + own(1).matmul(g);
    if (modes[0] >= 0) g = g + own(0).matmul(g.flatten(1)).view(g.sizes());
    return g.view(gradient.sizes());
  }

  double rate_;
  std::vector<Modes> modes_;
};

/// Meta-Curvature (Park and Oliva 2019): MAML whose inner gradients are transformed by matrices
/// that are learned with the initialisation. MC2 learns all of them, MC1 leaves M_o at the
/// identity.
class MetaCurvature final : public DescentLearner {
 public:
  using Options = MetaCurvatureOptions;
  MetaCurvature(const LearnerRequest& request, const Options& options)
      : MetaCurvature(request, options, parts_of(request, options)) {}

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const auto& theta = parameters.tensors();
    if (layers_.empty() || !surface().learns_on_kernels(theta, task.support) ||
        !surface().on_kernels(theta, task.query))
      return DescentLearner::meta_gradient(parameters, task);
    return with_type_of(parameters.flat(),
                        [&](auto type) { return by_columns<decltype(type)>(parameters, task); });
  }

 private:
  struct Parts {
    Descender descender;
    std::vector<CurvedLayer> layers;  ///< of a perceptron that moves as a whole
  };
  MetaCurvature(const LearnerRequest& request, const Options& options, Parts parts)
      : DescentLearner(request, options, std::move(parts.descender)),
        options_(options),
        layers_(std::move(parts.layers)) {}

  /// A perceptron's task, on own kernels.
  template <class T>
  TaskResult by_columns(const ParameterList& parameters, const Task& task) const {
    return result_on_kernels<T>(
        *model_, *kind_, parameters, task,
        [&](const auto& support, const auto& query, const T* from, T* gradient, T* outputs) {
          return CurvedDescent<T>(shapes_of(*model_, task.query.way), layers_, options_.inner_lr,
                                  *model_->layout(), from, gradient)
              .gradient(support, query, options_.inner_steps, outputs);
        });
  }

  static Parts parts_of(const LearnerRequest& request, const Options& options) {
    auto& layout = request.layout;
    const FastSet fast = fast_set(request, options);
    std::vector<Curved::Modes> modes(static_cast<std::size_t>(layout.count()));
    for (const std::int64_t i : fast) {
      const ParameterSpec of = layout.spec(i);
      const auto own = [&](const char* mode, std::vector<std::int64_t> shape) {
        return layout.add({"learner.curvature." + of.name + mode, std::move(shape), Init::kZeros,
                           ParameterRole::kLearner});
      };
      const auto matrix = [&](const char* mode, std::int64_t size) {
        return own(mode, {size, size});
      };
      auto& places = modes[static_cast<std::size_t>(i)];
      if (of.shape.size() == 1) {
        places = {own("", of.shape)};
        continue;
      }
      const std::int64_t out = of.shape[0], in = of.shape[1];
      places = {options.curvature == "mc2" ? matrix(".out", out) : -1, matrix(".in", in)};
      if (of.shape.size() > 2) places.push_back(matrix(".filter", layout.elements(i) / (out * in)));
    }
    Parts parts;
    const auto perceptron = request.model->perceptron();
    if (fast.size() == 2 * perceptron.size())
      for (const auto& layer : perceptron) {
        const auto& of = modes[static_cast<std::size_t>(layer.weight)];
        const auto& of_bias = modes[static_cast<std::size_t>(layer.bias)];
        parts.layers.push_back({layer.weight, layer.bias, of[0], of[1], of_bias[0]});
      }
    modes.resize(static_cast<std::size_t>(layout.count()));
    parts.descender = {std::make_unique<Curved>(options.inner_lr, std::move(modes)), fast, true,
                       options.keep};
    return parts;
  }

  Options options_;
  std::vector<CurvedLayer> layers_;  ///< empty: tasks go by the graph
};

}  // namespace

LearnerType row_of_meta_curvature() {
  return learner_type<MetaCurvature>("maml with learned matrices that transform inner gradients",
                                     "Park and Oliva 2019");
}

}  // namespace cuttle
