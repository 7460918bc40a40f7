#include <torch/types.h>

#include <cmath>
#include <utility>

#include "adapt/embed.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {
namespace {

struct R2d2Options {
  double ridge = 1.0, scale = 0.0;
  void keys(Keys& keys) {
    keys.add("ridge", ridge, above(0), "where the learned ridge penalty starts");
    keys.add("scale", scale, at_least(0),
             "where the learned scale of the answers starts; 0: 10 for classes, 1 for values");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    return demands;
  }
};

/// Where its learned numbers are: outputs = exp(scale) X' W + shift, penalty exp(ridge).
struct R2d2Places {
  std::int64_t ridge, scale, shift;
};

const torch::Tensor& value(const Tensors& p, std::int64_t place) {
  return p[static_cast<std::size_t>(place)];
}

/// R2D2 (Bertinetto, Henriques, Torr, Vedaldi 2019): ridge regression of the answers on the
/// embedding, solved in closed form for each task; with fewer samples than columns by Woodbury's
/// identity (equation 6):
///   W = X^T (X X^T + lambda I)^-1 Y.
/// Each part of the embedding has its own W; samples without the part are left out of it. Where
/// samples have `weights` ([n], may be undefined), their squared errors count so. Gives W and
/// whether any sample has the part, part after part.
Tensors solve(const Tensors& p, const R2d2Places& places, const Embedding& support,
              const torch::Tensor& answers, const torch::Tensor& weights) {
  Tensors solved;
  for (std::size_t i = 0; i < support.parts.size(); ++i) {
    auto has = support.mask.narrow(1, static_cast<std::int64_t>(i), 1);
    if (weights.defined()) has = has * weights.to(has.options()).sqrt().unsqueeze(1);
    const auto x = support.parts[i] * has;
    const auto ridge = value(p, places.ridge).exp();
    const auto gram = x.matmul(x.t()) + ridge * torch::eye(x.size(0), x.options());
    // Symmetric and positive definite.
    const auto dual = torch::cholesky_solve(answers * has, torch::linalg_cholesky(gram));
    solved.push_back(x.t().matmul(dual));
    solved.push_back(support.mask.select(1, static_cast<std::int64_t>(i)).amax());
  }
  return solved;
}

torch::Tensor outputs_of(const Model& model, const Tensors& p, const R2d2Places& places,
                         const Tensors& solved, const Embedding& query) {
  std::vector<PartLogits> parts;
  for (std::size_t i = 0; i < query.parts.size(); ++i) {
    const auto outputs = query.parts[i].matmul(solved[2 * i]);
    parts.push_back({value(p, places.scale).exp() * outputs + value(p, places.shift),
                     query.mask.narrow(1, static_cast<std::int64_t>(i), 1) * solved[2 * i + 1]});
  }
  return parts.size() == 1 ? parts[0].logits : model.fusion().combine(parts, query.weights).logits;
}

/// The support set and the learned numbers.
class Solved final : public KnownSupport {
 public:
  Solved(std::shared_ptr<const Model> model, std::shared_ptr<const TaskKind> kind,
         R2d2Places places, Tensors parameters, Batch support, std::int64_t outputs)
      : KnownSupport(std::move(model), std::move(parameters), std::move(support)),
        kind_(std::move(kind)),
        places_(places),
        outputs_(outputs) {}

 private:
  Tensors study(const Embedding& known) const override {
    return solve(parameters(), places_, known,
                 answers_of(support(), outputs_, known.mask.options()),
                 kind_->support_weights(support()));
  }
  torch::Tensor compare(const Embedding&, const Tensors& lesson,
                        const Embedding& query) const override {
    return outputs_of(model(), parameters(), places_, lesson, query);
  }

  std::shared_ptr<const TaskKind> kind_;
  R2d2Places places_;
  std::int64_t outputs_;
};

class R2d2 final : public Learner {
 public:
  using Options = R2d2Options;
  R2d2(const LearnerRequest& request, const Options& options)
      : Learner(request),
        places_{own_number(request.layout, "ridge", std::log(options.ridge)),
                own_number(request.layout, "scale", std::log(scale_of(options, *request.kind))),
                own_number(request.layout, "shift", 0)} {}

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const auto leaves = as_leaves(parameters.tensors());
    Statistics seen;
    Context context;
    context.key = task.key;
    context.record = &seen;
    const auto both = embed_both(*model_, leaves, task.support, task.query, context);
    const auto answers = answers_of(task.support, task.support.way, both.support.mask.options());
    const auto solved =
        solve(leaves, places_, both.support, answers, kind_->support_weights(task.support));
    const auto outputs = outputs_of(*model_, leaves, places_, solved, both.query);
    const Judged judged = judge(leaves, outputs, task.query, both.pass, both.seen, context);
    return result_of(gradient_of(judged.loss, leaves, false), judged, seen);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey&) const override {
    return std::make_unique<Solved>(model_, kind_, places_, parameters.tensors(), support,
                                    support.way);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override {
    return std::make_unique<Solved>(model_, kind_, places_, parameters_in(*model_, state),
                                    support_in(*model_, state, way), way);
  }

 private:
  static double scale_of(const Options& options, const TaskKind& kind) {
    return options.scale > 0 ? options.scale : kind.classes() ? 10.0 : 1.0;
  }

  R2d2Places places_;
};

}  // namespace

LearnerType row_of_r2d2() {
  return learner_type<R2d2>("ridge regression on the embedding, in closed form",
                            "Bertinetto et al. 2019");
}

}  // namespace cuttle
