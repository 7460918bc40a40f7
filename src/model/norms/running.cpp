#include <torch/types.h>

#include "model/norms/batch_statistics.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct RunningOptions {
  double momentum = 0.1;
  void keys(Keys& keys) {
    keys.add("norm_momentum", momentum, above_to(0, 1),
             "weight of a step's mean statistics in the running averages");
  }
};

/// Batch norm as it is usually used: by the batch in training, by averages over training in use.
/// The averages are parameters of section kStatistics, moved once per outer step towards the exact
/// mean over the step's tasks, so they have the same bits at every world size.
class RunningNorm final : public Norm {
 public:
  using Options = RunningOptions;
  RunningNorm(const NormRequest& request, const Options& options)
      : affine_(request),
        mean_(request.layout.add(statistic(request, ".running_mean", Init::kZeros, options))),
        variance_(request.layout.add(statistic(request, ".running_var", Init::kOnes, options))) {}

  torch::Tensor forward(const Tensors& p, const torch::Tensor& values, const torch::Tensor& mask,
                        const Context& context) const override {
    const auto &weight = at(p, affine_.weight), &bias = at(p, affine_.bias);
    if (context.mode == Mode::kUse) return normalise_by(averages(p), values, mask, weight, bias);
    if (context.record == nullptr) return normalise_by_batch(values, mask, weight, bias);
    const auto moments = moments_of(values, mask);
    saw(moments, real_values(values, mask), context);
    return normalise_by(moments, values, mask, weight, bias);
  }
  std::optional<FusedNorm> fused(const Tensors& p, const Context& context) const override {
    FusedNorm how{at(p, affine_.weight), at(p, affine_.bias), {}};
    if (context.mode == Mode::kUse) how.given = averages(p);
    return how;
  }
  bool fuses() const override { return true; }
  void saw(const Moments& moments, double count, const Context& context) const override {
    if (context.record == nullptr) return;
    // The averages estimate the variance of the population, without the bias of a sample's.
    const double unbiased = count > 1 ? count / (count - 1) : 1;
    context.record->observe(mean_, moments.mean);
    context.record->observe(variance_, moments.variance * unbiased);
  }
  bool samples_apart() const override { return true; }
  bool trains_apart() const override { return false; }

 private:
  Moments averages(const Tensors& p) const {
    return {at(p, mean_).detach(), at(p, variance_).detach()};
  }
  static ParameterSpec statistic(const NormRequest& request, const char* suffix, Init init,
                                 const Options& options) {
    ParameterSpec spec{request.name + suffix, {request.channels}, init};
    spec.section = ParameterSection::kStatistics;
    spec.outer.momentum = options.momentum;
    return spec;
  }

  ScaleAndShift affine_;
  std::int64_t mean_, variance_;
};

}  // namespace

NormType row_of_running() {
  return type_of<RunningNorm, NormType>("by the batch in training, by running averages in use",
                                        "Ioffe and Szegedy 2015");
}

}  // namespace cuttle
