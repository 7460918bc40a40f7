#include <torch/types.h>

#include "model/norms/batch_statistics.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// The statistics of the support set, at the parameters in use, wherever a sample passes: an answer
/// does not depend on the other queries, and gradients flow through the statistics (the inductive
/// form of Bronskill et al. 2020, "TaskNorm", with all weight on the context set's moments).
class SupportNorm final : public Norm {
 public:
  using Options = NoOptions;
  SupportNorm(const NormRequest& request, const Options&) : affine_(request) {}

  torch::Tensor forward(const Tensors& p, const torch::Tensor& values, const torch::Tensor& mask,
                        const Context& context) const override {
    auto moments = given(p, context);
    if (!moments) {  // the support set itself
      moments = moments_of(values, mask);
      saw(*moments, 0, context);
    }
    return normalise_by(*moments, values, mask, at(p, affine_.weight), at(p, affine_.bias));
  }
  std::optional<FusedNorm> fused(const Tensors& p, const Context& context) const override {
    return FusedNorm{at(p, affine_.weight), at(p, affine_.bias), given(p, context)};
  }
  bool fuses() const override { return true; }
  void saw(const Moments& moments, double, const Context& context) const override {
    if (context.record != nullptr) context.record->moments[affine_.weight] = moments;
  }
  bool samples_apart() const override { return false; }
  bool uses_support() const override { return true; }

 private:
  std::optional<Moments> given(const Tensors& p, const Context& context) const {
    if (context.given == nullptr) return std::nullopt;
    const auto found = context.given->moments.find(affine_.weight);
    if (found != context.given->moments.end()) return found->second;
    // Where no sample of the support has the sense, nothing is known of it: values stay as they
    // are, and an answer still does not depend on the other queries.
    const auto scale = at(p, affine_.weight).detach();
    return Moments{torch::zeros_like(scale), torch::ones_like(scale)};
  }

  ScaleAndShift affine_;
};

}  // namespace

NormType row_of_support() {
  return type_of<SupportNorm, NormType>("statistics of the support set, for its queries too",
                                        "Bronskill et al. 2020");
}

}  // namespace cuttle
