#include <torch/types.h>

#include "model/norms/batch_statistics.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// TaskNorm-I (Bronskill et al. 2020): the support set's moments blended with the sample's own,
///
///   a = sigmoid(w n + b),  mean = a m_S + (1 - a) m_i,
///   variance = a (v_S + (m_S - mean)^2) + (1 - a) (v_i + (m_i - mean)^2)
///
/// with n the samples of the support set and w, b learned per layer (`blend`, from 0): a large
/// support set is trusted more. An answer does not depend on the other queries.
class TaskNorm final : public Norm {
 public:
  using Options = NoOptions;
  TaskNorm(const NormRequest& request, const Options&)
      : affine_(request),
        blend_(request.layout.add({request.name + ".blend", {2}, Init::kZeros})) {}

  torch::Tensor forward(const Tensors& p, const torch::Tensor& values, const torch::Tensor& mask,
                        const Context& context) const override {
    const auto own = moments_of_samples(values, mask, values.size(1));
    auto moments = own;
    if (context.given == nullptr) {  // the support set itself
      const auto support = moments_of(values, mask);
      if (context.record != nullptr) context.record->moments[affine_.weight] = support;
      moments = blended(at(p, blend_), support, own);
    } else if (const auto found = context.given->moments.find(affine_.weight);
               found != context.given->moments.end()) {
      moments = blended(at(p, blend_), found->second, own);
    }  // else no sample of the support has the sense: by the sample alone
    return normalise_by(moments, values, mask, at(p, affine_.weight), at(p, affine_.bias));
  }
  bool samples_apart() const override { return false; }
  bool uses_support() const override { return true; }

 private:
  static Moments blended(const torch::Tensor& blend, const Moments& support, const Moments& own) {
    const auto a = torch::sigmoid(blend[0] * static_cast<double>(support.samples) + blend[1]);
    const auto mean = a * support.mean + (1 - a) * own.mean;
    const auto variance = a * (support.variance + (support.mean - mean).square()) +
                          (1 - a) * (own.variance + (own.mean - mean).square());
    return {mean, variance};
  }

  ScaleAndShift affine_;
  std::int64_t blend_;
};

}  // namespace

NormType row_of_task() {
  return type_of<TaskNorm, NormType>("support statistics blended with the sample's own",
                                     "Bronskill et al. 2020");
}

}  // namespace cuttle
