#include <torch/types.h>

#include <cmath>

#include "task/objectives/mixing.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct MixupOptions {
  double alpha = 2.0;
  void keys(Keys& keys) {
    keys.add("alpha", alpha, between(0.05, 100),
             "a share is drawn from Beta(alpha, alpha): near 0 or 1 for small ones, near 1/2 for "
             "large ones");
  }
};

/// From Gamma(shape, 1) (Marsaglia and Tsang 2000, and their section 6 below 1).
double draw_gamma(double shape, Random& random) {
  if (shape < 1) return draw_gamma(shape + 1, random) * std::pow(1 - random.uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal(), v = std::pow(1 + c * x, 3);
    const double u = 1 - random.uniform();
    if (v > 0 && std::log(u) < x * x / 2 + d - d * v + d * std::log(v)) return d * v;
  }
}

/// Mixed samples are answered by mixed labels (Zhang, Cisse, Dauphin, Lopez-Paz 2018, "mixup"), of
/// embeddings as in Verma et al. 2019, "Manifold mixup", at the last layer, and Mangla et al. 2020
/// before few-shot tasks: with one share s of a task from Beta(alpha, alpha) and the samples in
/// another order p, the kind's loss of f(s h_i + (1 - s) h_p(i)) is s loss(.., y_i) + (1 - s)
/// loss(.., y_p(i)). Of cross-entropy and of labels that is the loss with mixed labels; of squared
/// errors that with mixed values, and what no output changes. Any senses can be mixed so, texts,
/// too.
class Mixup final : public Objective {
 public:
  using Options = MixupOptions;
  Mixup(const ObjectiveRequest& request, const Options& options)
      : model_(request.model), kind_(request.kind), alpha_(options.alpha) {}

  torch::Tensor loss(const Tensors& p, const Pass& pass, const Batch& batch,
                     const Context& context) const override {
    Random random(context.key.with(Draw::kMixup));
    const double one = draw_gamma(alpha_, random), other = draw_gamma(alpha_, random);
    const double share = one / (one + other);
    const auto n = static_cast<std::size_t>(batch.size);
    const auto second = random.sample(batch.size, batch.size);
    std::vector<std::int64_t> first(n);
    for (std::size_t i = 0; i < n; ++i) first[i] = static_cast<std::int64_t>(i);
    const auto mixed =
        mixed_embedding(pass.embedding, first, second, std::vector<double>(n, share));
    const auto answers = answers_to(model_, kind_, p, pass, mixed, batch);
    return share * kind_.loss(answers, asked_of(batch, first)) +
           (1 - share) * kind_.loss(answers, asked_of(batch, second));
  }
  bool wants_classifier() const override { return true; }

 private:
  const Model& model_;
  const TaskKind& kind_;
  double alpha_;
};

}  // namespace

ObjectiveType row_of_mixup() {
  return type_of<Mixup, ObjectiveType>("embeddings between two samples are answered by both",
                                       "Zhang et al. 2018, Verma et al. 2019");
}

}  // namespace cuttle
