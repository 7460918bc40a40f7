#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <cmath>
#include <utility>

#include "adapt/layers.hpp"
#include "adapt/learners/svm.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"

namespace cuttle {
namespace {

struct MetaOptNetOptions {
  double c = 0.1, scale = 10.0;
  void keys(Keys& keys) {
    keys.add("c", c, above(0),
             "what a support sample may weigh at most; larger: wider mistakes count more");
    keys.add("scale", scale, above(0), "where the learned scale of the answers starts");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.classes = true;
    return demands;
  }
};

SvmDual::Numbers numbers_of(const torch::Tensor& tensor) {
  const auto flat = tensor.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  const double* first = flat.const_data_ptr<double>();
  return {first, first + flat.numel()};
}

torch::Tensor like(const torch::Tensor& tensor, SvmDual::Numbers numbers) {
  return torch::from_blob(numbers.data(), tensor.sizes(), torch::kFloat64)
      .to(tensor.options(), false, true);
}

/// The optimum A of a dual as a function of its kernel K. On either side of a small change the same
/// stand at their caps, so with the rest's Newton step M (SvmDual::moved)
///   dA = -M(A dK), and, M being symmetric, dL/dK = -A^T M(dL/dA):
/// the implicit function theorem on the conditions of optimality.
class Optimum : public torch::autograd::Function<Optimum> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context,
                               const torch::Tensor& kernel, const torch::Tensor& caps) {
    const auto optimum = like(caps, dual_of(kernel, caps).optimum());
    context->save_for_backward({kernel, caps, optimum});
    return optimum;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list slopes) {
    const auto saved = context->get_saved_variables();
    const auto &kernel = saved[0], &caps = saved[1], &optimum = saved[2];
    const auto moved = dual_of(kernel, caps).moved(numbers_of(optimum), numbers_of(slopes[0]));
    return {-optimum.t().matmul(like(caps, moved)), torch::Tensor()};
  }

 private:
  static SvmDual dual_of(const torch::Tensor& kernel, const torch::Tensor& caps) {
    return {numbers_of(kernel), numbers_of(caps), static_cast<std::size_t>(caps.size(1))};
  }
};

/// MetaOptNet (Lee, Maji, Ravichandran, Soatto 2019, section 3) with its support vector machine,
/// that of Crammer and Singer for all classes at once: minimise over w and xi
///   1/2 sum_k |w_k|^2 + C sum_n xi_n,  w_{y_n} . f(x_n) - w_k . f(x_n) >= 1 - [k = y_n] - xi_n,
/// solved for each task in its dual, where w_k = sum_n alpha_n^k f(x_n); the outputs are gamma w_k
/// . f(x), gamma learned. As in the authors' program the kernel has 1 added to its diagonal, as
/// though each support sample had a column of its own, so that there is one optimum. (Its other
/// base learner, ridge regression, is r2d2.) Each part of the embedding has a machine of its own,
/// of the samples that have the part and of their classes; a sample's C goes by its weight. Gives
/// the w [way, width] of a part, and the classes that it knows [1, way], part after part.
Tensors solve(double c, const TaskKind& kind, const Batch& support, const Embedding& embedding) {
  const auto doubles = embedding.mask.options().dtype(torch::kFloat64);
  auto most = c * torch::one_hot(support.labels, support.way).t().to(doubles);
  if (const auto weights = kind.support_weights(support); weights.defined())
    most = most * weights.to(doubles);
  Tensors solved;
  for (std::size_t i = 0; i < embedding.parts.size(); ++i) {
    const auto caps = most * embedding.mask.select(1, static_cast<std::int64_t>(i));
    const auto &x = embedding.parts[i], wide = x.to(torch::kFloat64);
    const auto known = caps.gt(0).any(1);
    const auto classes = known.nonzero().squeeze(1);
    const auto kernel = wide.matmul(wide.t()) + torch::eye(x.size(0), doubles);
    const auto alpha = Optimum::apply(kernel, caps.index_select(0, classes));
    solved.push_back(torch::zeros({support.way, x.size(1)}, x.options())
                         .index_copy(0, classes, alpha.to(x.dtype()).matmul(x)));
    solved.push_back(known.to(x.dtype()).unsqueeze(0));
  }
  return solved;
}

torch::Tensor outputs_of(const Model& model, const torch::Tensor& log_scale, const Tensors& solved,
                         const Embedding& query) {
  std::vector<PartLogits> parts;
  for (std::size_t i = 0; i < query.parts.size(); ++i)
    parts.push_back({log_scale.exp() * query.parts[i].matmul(solved[2 * i].t()),
                     known_of(query, i, solved[2 * i + 1])});
  return combined(model.fusion(), parts, query.weights);
}

class MetaOptNet final : public SupportLearner {
 public:
  using Options = MetaOptNetOptions;
  MetaOptNet(const LearnerRequest& request, const Options& options)
      : SupportLearner(request),
        c_(options.c),
        scale_(own_number(request.layout, "scale", std::log(options.scale))) {}

 private:
  Tensors study(const Support& support) const override {
    return solve(c_, *kind_, support.batch, support.embedding);
  }
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    return outputs_of(*model_, parameter_at(support.parameters, scale_), lesson, query);
  }

  double c_;
  std::int64_t scale_;  ///< outputs are exp of it times larger
};

}  // namespace

LearnerType row_of_metaoptnet() {
  return learner_type<MetaOptNet>("a support vector machine on the embedding, solved for each task",
                                  "Lee et al. 2019");
}

}  // namespace cuttle
