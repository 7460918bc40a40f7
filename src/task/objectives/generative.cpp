#include <torch/types.h>

#include <string>
#include <utility>
#include <vector>

#include "task/objectives/common.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct GenerativeOptions {
  std::string loss = "logistic", turns = "both";
  std::int64_t hidden = 64;
  bool encoders = false;
  void keys(Keys& keys) {
    keys.add("loss", loss, one_of({"logistic", "hinge"}),
             "of what a discriminator says: logistic, the generator's non-saturating, or hinge");
    keys.add("turns", turns, one_of({"both", "parity"}),
             "parity: discriminators learn in even outer steps, generators in odd ones (an "
             "optimizer's momentum moves who waits on)");
    keys.add("hidden", hidden, between(1, 65536), "units of each sense's discriminator");
    keys.add("encoders", encoders, anything(),
             "encoders learn along with the generators, from what these make of their features");
  }
};

/// What model.completion makes of a sense cannot be told from the sense by who knows the sample's
/// other senses c: for each sense x, over the samples that have it and another, a discriminator D
/// of two layers (Goodfellow et al. 2014, conditional: Mirza & Osindero 2014), made x' = G(c, z).
/// logistic: D descends mean softplus(-D(x, c)) + mean softplus(D(x', c)), G mean
/// softplus(-D(x', c)); hinge (Lim & Ye 2017): D mean relu(1 - D(x, c)) + mean relu(1 + D(x', c)),
/// G mean -D(x', c). Means over senses. Both players' gradients are in the one that a task gives:
/// each loss sees what the other's player owns as constants, and features too, but for G's loss
/// with `encoders`. The value is D's loss: 2 ln 2, or 2, where it can tell nothing.
class Generative final : public Objective {
 public:
  using Options = GenerativeOptions;
  Generative(const ObjectiveRequest& request, const Options& options)
      : options_(options), completion_(taught_completion(request)) {
    std::int64_t width = 0;
    const auto& modalities = request.model.modalities();
    for (std::size_t m = 0; m < modalities.size(); ++m)
      width += request.model.encoder(m).width() + 1;
    for (const ModalitySpec& spec : modalities)
      tells_.emplace_back(request.layout, request.prefix + "." + spec.name, width, options.hidden,
                          1);
  }

  torch::Tensor loss(const Tensors& p, const Pass& pass, const Batch&,
                     const Context& context) const override {
    Senses still = pass.senses;
    for (auto& x : still.pooled) x = x.detach();
    const Senses& given = options_.encoders ? pass.senses : still;
    torch::Tensor known;
    const Tensors made = completion_.said(p, given, context, known);
    auto told = torch::zeros({}, known.options()), fooled = told;
    std::int64_t senses = 0;
    for (std::size_t m = 0; m < made.size(); ++m) {
      const auto rows = rows_told(still, known, m);
      if (rows.numel() == 0) continue;
      const TwoLayers& tells = tells_[m];
      const auto of_real = tells(p, seen(still, m, still.pooled[m], rows));
      const auto of_made = tells(p, seen(still, m, made[m].detach(), rows));
      const auto to_fool = tells(frozen(p, tells), seen(given, m, made[m], rows));
      told = told + against(-of_real) + against(of_made);
      fooled = fooled + (options_.loss == "hinge" ? -to_fool.mean() : against(-to_fool));
      ++senses;
    }
    if (senses == 0) return told;
    const bool all = options_.turns == "both", even = context.key.step % 2 == 0;
    if (!all && !even) told = told.detach();
    if (all || !even) told = told + (fooled - fooled.detach());
    return told / static_cast<double>(senses);
  }
  bool players() const override { return true; }

 private:
  /// Mean loss of scores that should be low.
  torch::Tensor against(const torch::Tensor& scores) const {
    return (options_.loss == "hinge" ? torch::relu(1.0 + scores) : torch::softplus(scores)).mean();
  }
  /// What a discriminator looks at, [k, columns of all senses and which are there]: samples' other
  /// senses, and x [n, width] for sense m.
  static torch::Tensor seen(const Senses& senses, std::size_t m, const torch::Tensor& x,
                            const torch::Tensor& rows) {
    Tensors columns{senses.present};
    for (std::size_t b = 0; b < senses.pooled.size(); ++b)
      columns.push_back(b == m ? x
                               : senses.present.narrow(1, static_cast<std::int64_t>(b), 1) *
                                     senses.pooled[b]);
    return torch::cat(columns, 1).index_select(0, rows);
  }
  /// The parameters, a discriminator's as constants.
  static Tensors frozen(Tensors p, const TwoLayers& layers) {
    for (const auto i : {layers.weight1, layers.bias1, layers.weight2, layers.bias2})
      p[static_cast<std::size_t>(i)] = of(p, i).detach();
    return p;
  }

  Options options_;
  const Completion& completion_;
  std::vector<TwoLayers> tells_;
};

}  // namespace

ObjectiveType row_of_generative() {
  return type_of<Generative, ObjectiveType>("what is made of a sense cannot be told from it",
                                            "Goodfellow et al. 2014, Mirza & Osindero 2014");
}

}  // namespace cuttle
