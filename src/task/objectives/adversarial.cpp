#include <torch/types.h>

#include "task/objectives/common.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct AdversarialOptions {
  std::int64_t width = 64, hidden = 64;
  double reversal = 1.0;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "columns that every sense is projected to");
    keys.add("hidden", hidden, between(1, 65536), "units of the discriminator");
    keys.add("reversal", reversal, at_least(0),
             "times the discriminator's gradient, which encoders go against");
  }
};

/// Its value, and its gradient times `factor`.
torch::Tensor with_gradient_times(const torch::Tensor& x, double factor) {
  return x.detach() * (1.0 - factor) + x * factor;
}

/// A discriminator tells senses by what is made of samples, and encoders go against it, until no
/// sense can be told (Ganin & Lempitsky 2015: gradient reversal, with senses for domains). Both
/// players' gradients are in the one that a task gives: the discriminator's parameters get those
/// of its cross-entropy, encoders and projections `-reversal` times theirs. What has no one loss
/// has no second derivatives, so learners that need them take it in the outer loop alone.
class Adversarial final : public Objective {
 public:
  using Options = AdversarialOptions;
  Adversarial(const ObjectiveRequest& request, const Options& options)
      : reversal_(options.reversal),
        seen_(request, options.width),
        tells_(request.layout, request.prefix + ".discriminator", options.width, options.hidden,
               static_cast<std::int64_t>(request.model.modalities().size())) {
    expect_several_senses(request, "adversarial");
  }

  torch::Tensor loss(const Tensors& p, const Pass& pass, const Batch& batch,
                     const Context&) const override {
    const Senses& senses = pass.senses;
    Tensors seen, labels;
    for (std::size_t m = 0; m < senses.pooled.size(); ++m) {
      const auto& rows = batch.modalities[m].rows;
      seen.push_back(seen_(p, senses, m, rows));
      labels.push_back(torch::full_like(rows, static_cast<std::int64_t>(m)));
    }
    return torch::cross_entropy_loss(tells_(p, with_gradient_times(torch::cat(seen), -reversal_)),
                                     torch::cat(labels));
  }
  bool players() const override { return true; }

 private:
  double reversal_;
  Projections seen_;
  TwoLayers tells_;
};

}  // namespace

ObjectiveType row_of_adversarial() {
  return type_of<Adversarial, ObjectiveType>("no sense can be told by what is made of it",
                                             "Ganin & Lempitsky 2015");
}

}  // namespace cuttle
