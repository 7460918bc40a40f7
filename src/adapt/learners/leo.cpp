#include <torch/types.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "adapt/class_codes.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/layers.hpp"
#include "adapt/learners/code_layer.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {
namespace {

struct LeoOptions {
  std::int64_t latent = 64, inner_steps = 5, finetune_steps = 5;
  double inner_lr = 0.03, finetune_lr = 1e-3;
  bool sampled = true, diagnostics = false;
  double kl = 1e-3, encoder_penalty = 1e-3, orthogonality = 0.1;
  void keys(Keys& keys) {
    keys.add("latent", latent, between(1, 4096), "columns of a class's code");
    keys.add("inner_steps", inner_steps, between(0, 1000), "steps on the codes");
    keys.add("inner_lr", inner_lr, above(0), "where their learned rate starts");
    keys.add("finetune_steps", finetune_steps, between(0, 1000),
             "steps on the decoded weights after them");
    keys.add("finetune_lr", finetune_lr, above(0), "where their learned rate starts");
    keys.add("sampled", sampled, anything(),
             "training draws codes and weights; false: it takes their means, as use does");
    keys.add("kl", kl, at_least(0), "weight of the codes' divergence from N(0, 1)");
    keys.add("encoder_penalty", encoder_penalty, at_least(0),
             "weight of the squared way from the first codes to the adapted ones");
    keys.add("orthogonality", orthogonality, at_least(0),
             "weight of the decoder's squared correlations");
    keys.add("diagnostics", diagnostics, anything(),
             "record loss and accuracy before and after every step");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.classes = true;
    return demands;
  }
};

/// LEO (Rusu et al. 2019, "Meta-Learning with Latent Embedding Optimization", section 2.3): the
/// weights of a linear classifier of embeddings x are made from a code z_n of each class n, and it
/// is the codes that the support set moves. With an encoder g_e, a relation net g_r, a decoder g_d,
///   (mu_n, sigma_n) = mean over i of class n and over all m of g_r(g_e(x_i), g_e(x_m)),
///   z_n ~ N(mu_n, sigma_n^2),
///   w_n ~ N(mu', sigma'^2), (mu', sigma') = g_d(z_n),
///   z <- z - alpha dL_support/dz, several times, and decoded,
///   w <- w - alpha' dL_support/dw, several times.
/// The outer loss is
///   L_query(w) + kl KL(N(mu, sigma^2) | N(0, 1)) + encoder_penalty |stop(adapted z) - z|^2
///     + orthogonality |C - 1|^2,
/// C the correlations of the decoder's directions; penalties are means over their elements, as in
/// the authors' code. (Its weight decay is step.weight_decay.) Use takes means for draws.
/// Where a fusion gives parts, each is coded by itself, and their answers are combined before the
/// loss. A class without a sample that has the part starts at the prior's mean.
class Leo final : public SupportLearner {
 public:
  using Options = LeoOptions;
  Leo(const LearnerRequest& request, const Options& options)
      : SupportLearner(request),
        options_(options),
        code_rate_(own_number(request.layout, "inner_lr", options.inner_lr)),
        weight_rate_(own_number(request.layout, "finetune_lr", options.finetune_lr)) {
    for (const std::int64_t width : model_->fusion().part_widths())
      coders_.emplace_back(request.layout, std::to_string(coders_.size()), width, options.latent);
  }

  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    const torch::NoGradGuard no_grad;
    const auto both = embed_both(*model_, parameters.tensors(), task.support, task.query, in_use());
    std::vector<StepDiagnostics> lines;
    Draws means;
    solve(
        parameters.tensors(), both.support, task.support, means, nullptr,
        [&](const Tensors& weights) {
          const auto known = outputs_of(weights, both.support, both.support);
          const auto asked = outputs_of(weights, both.support, both.query);
          lines.push_back({static_cast<std::int64_t>(lines.size()),
                           kind_->support_loss(known, task.support).item<double>(),
                           kind_->loss(asked, task.query).item<double>(),
                           kind_->measure(known, task.support), kind_->measure(asked, task.query)});
        });
    return lines;
  }
  bool diagnostics() const override { return options_.diagnostics; }
  std::int64_t eval_steps() const override {
    return options_.inner_steps + options_.finetune_steps;
  }

 private:
  using Watch = std::function<void(const Tensors& weights)>;

  Outcome outcome(const Support& support, const Task& task, const Embedding& query) const override {
    Draws draws = draws_of(task);
    auto penalty = torch::zeros({}, query.mask.options());
    const auto weights =
        solve(support.parameters, support.embedding, support.batch, draws, &penalty);
    return {outputs_of(weights, support.embedding, query), {}, penalty};
  }
  std::optional<TaskLayers> task_layers(const Task& task) const override {
    const CodeLoop loop{code_rate_,
                        weight_rate_,
                        options_.inner_steps,
                        options_.finetune_steps,
                        options_.kl,
                        options_.encoder_penalty,
                        options_.orthogonality};
    return TaskLayers::by({{width_as_one(model_->fusion()), task.query.way, false}},
                          [this, loop, draws = draws_of(task)](const auto& support, auto* layer) {
                            return CodeLayer(support, layer, coders_[0], loop, draws);
                          });
  }
  Draws draws_of(const Task& task) const { return options_.sampled ? Draws(task.key) : Draws(); }
  Tensors study(const Support& support) const override {
    Draws means;
    return solve(support.parameters, support.embedding, support.batch, means);
  }
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    return outputs_of(lesson, support.embedding, query);
  }

  /// [way, width] weights of every part.
  Tensors decode(const Tensors& p, const Tensors& codes, Draws& draws) const {
    Tensors weights;
    for (std::size_t i = 0; i < codes.size(); ++i)
      weights.push_back(draws(coders_[i].decode(p, codes[i])));
    return weights;
  }
  /// [n, way]; parts that no sample of the support has say nothing.
  torch::Tensor outputs_of(const Tensors& weights, const Embedding& support,
                           const Embedding& query) const {
    std::vector<PartLogits> parts;
    for (std::size_t i = 0; i < weights.size(); ++i)
      parts.push_back({query.parts[i].matmul(weights[i].t()),
                       query.mask.narrow(1, static_cast<std::int64_t>(i), 1) *
                           support.mask.select(1, static_cast<std::int64_t>(i)).amax()});
    return combined(model_->fusion(), parts, query.weights);
  }

  /// The adapted weights. `penalty`: gets the regularisers, and the way to the weights is kept for
  /// the outer gradient. `watch` sees the weights before and after every step.
  Tensors solve(const Tensors& p, const Embedding& support, const Batch& batch, Draws& draws,
                torch::Tensor* penalty = nullptr, const Watch& watch = {}) const {
    Tensors codes;
    const auto counts = kind_->support_weights(batch);
    for (std::size_t i = 0; i < coders_.size(); ++i) {
      const Normal normal = coders_[i].encode(
          p, support.parts[i], support.mask.select(1, static_cast<std::int64_t>(i)), batch, counts);
      codes.push_back(draws(normal));
      if (penalty) *penalty = *penalty + options_.kl * normal.divergence();
    }
    const auto loss_of = [&](const Tensors& weights) {
      if (watch) watch(weights);
      return kind_->support_loss(outputs_of(weights, support, support), batch);
    };
    const Tensors first = codes;
    codes = descend(codes, parameter_at(p, code_rate_), options_.inner_steps, penalty,
                    [&](const Tensors& at) { return loss_of(decode(p, at, draws)); });
    for (std::size_t i = 0; penalty && i < codes.size(); ++i)
      *penalty = *penalty +
                 options_.encoder_penalty * (codes[i].detach() - first[i]).square().mean() +
                 options_.orthogonality * coders_[i].correlations(p);
    auto weights = descend(decode(p, codes, draws), parameter_at(p, weight_rate_),
                           options_.finetune_steps, penalty, loss_of);
    if (watch) watch(weights);
    return weights;
  }
  /// Gradient descent on some values; `graph`: with the way there.
  static Tensors descend(Tensors values, const torch::Tensor& rate, std::int64_t steps, bool graph,
                         const std::function<torch::Tensor(const Tensors&)>& loss_of) {
    for (std::int64_t k = 0; k < steps; ++k) {
      if (!graph) values = as_leaves(values);
      Tensors slopes;
      {
        const torch::AutoGradMode on(true);
        slopes = gradient_of(loss_of(values), values, graph);
      }
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = values[i] - rate * slopes[i];
    }
    return values;
  }

  Options options_;
  std::int64_t code_rate_, weight_rate_;
  std::vector<ClassCoder> coders_;  ///< by part of the embedding
};

}  // namespace

LearnerType row_of_leo() {
  return learner_type<Leo>("codes of classes, adapted and decoded to a classifier's weights",
                           "Rusu et al. 2019");
}

}  // namespace cuttle
