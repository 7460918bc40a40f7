#include <torch/types.h>

#include <algorithm>

#include "model/norms/batch_statistics.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Batch norm by the statistics of the batch at hand, in training and in use (no running averages:
/// the result depends on parameters and batch alone).
class BatchNorm final : public Norm {
 public:
  using Options = NoOptions;
  BatchNorm(const NormRequest& request, const Options&) : affine_(request) {}

  torch::Tensor forward(const Tensors& p, const torch::Tensor& values, const torch::Tensor& mask,
                        const Context&) const override {
    return normalise_by_batch(values, mask, at(p, affine_.weight), at(p, affine_.bias));
  }
  std::optional<FusedNorm> fused(const Tensors& p, const Context&) const override {
    return FusedNorm{at(p, affine_.weight), at(p, affine_.bias), {}};
  }
  bool fuses() const override { return true; }
  bool samples_apart() const override { return false; }

 private:
  ScaleAndShift affine_;
};

/// The same with a scale and shift of its own for every inner step of training (MAML++). Where use
/// takes more steps, the last set serves for those too: others would never have been trained.
class BatchPerStepNorm final : public Norm {
 public:
  using Options = NoOptions;
  // The query sees the parameters after all steps, hence one more set than steps.
  BatchPerStepNorm(const NormRequest& request, const Options&)
      : steps_(request.inner_steps + 1),
        weight_(request.layout.add(
            rows_of(request.name + ".weight", {steps_, request.channels}, Init::kOnes))),
        bias_(request.layout.add(
            rows_of(request.name + ".bias", {steps_, request.channels}, Init::kZeros))) {}

  torch::Tensor forward(const Tensors& p, const torch::Tensor& values, const torch::Tensor& mask,
                        const Context& context) const override {
    const auto own = *fused(p, context);
    return normalise_by_batch(values, mask, own.scale, own.shift);
  }
  std::optional<FusedNorm> fused(const Tensors& p, const Context& context) const override {
    const std::int64_t step = std::min(context.inner_step, steps_ - 1);
    return FusedNorm{at(p, weight_).select(0, step), at(p, bias_).select(0, step), {}};
  }
  bool fuses() const override { return true; }
  bool samples_apart() const override { return false; }

 private:
  std::int64_t steps_, weight_, bias_;
};

/// Nothing but the mask: padding is zero after every norm.
class NoNorm final : public Norm {
 public:
  using Options = NoOptions;
  NoNorm(const NormRequest&, const Options&) {}
  torch::Tensor forward(const Tensors&, const torch::Tensor& values, const torch::Tensor& mask,
                        const Context&) const override {
    return mask.defined() ? values * mask.unsqueeze(1) : values;
  }
  bool active() const override { return false; }
  bool samples_apart() const override { return true; }
};

}  // namespace

NormType row_of_batch() {
  return type_of<BatchNorm, NormType>("statistics of the batch at hand, always (transductive)",
                                      "Ioffe and Szegedy 2015");
}
NormType row_of_batch_per_step() {
  return type_of<BatchPerStepNorm, NormType>("as batch, own scale and shift per inner step",
                                             "Antoniou et al. 2019");
}
NormType row_of_none() {
  return type_of<NoNorm, NormType>("no norm: the convolution has its bias", "");
}

}  // namespace cuttle
