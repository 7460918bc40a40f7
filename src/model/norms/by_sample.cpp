#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "model/norms/batch_statistics.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Norms by a sample's own statistics, over all positions and groups of channels: of all channels
/// (layer), of some (group), or each by itself (instance, which keeps nothing where a sample has
/// one position only). Scale and shift by channel.
class SampleNorm : public Norm {
 public:
  SampleNorm(const NormRequest& request, std::int64_t groups) : affine_(request), groups_(groups) {
    CUTTLE_VALIDATE(request.channels % groups == 0,
                    "{}: {} channels do not fall into {} equal groups; choose norm_groups that "
                    "divides the width",
                    request.name, request.channels, groups);
  }
  torch::Tensor forward(const Tensors& p, const torch::Tensor& values, const torch::Tensor& mask,
                        const Context&) const override {
    return normalise_by(moments_of_samples(values, mask, groups_), values, mask,
                        at(p, affine_.weight), at(p, affine_.bias));
  }
  std::optional<FusedNorm> fused(const Tensors& p, const Context&) const override {
    return FusedNorm{at(p, affine_.weight), at(p, affine_.bias), std::nullopt, groups_};
  }
  bool fuses() const override { return true; }
  bool samples_apart() const override { return true; }

 private:
  ScaleAndShift affine_;
  std::int64_t groups_;
};

struct LayerNorm final : SampleNorm {
  using Options = NoOptions;
  LayerNorm(const NormRequest& request, const Options&) : SampleNorm(request, 1) {}
};
struct InstanceNorm final : SampleNorm {
  using Options = NoOptions;
  InstanceNorm(const NormRequest& request, const Options&)
      : SampleNorm(request, request.channels) {}
};

struct GroupOptions {
  std::int64_t groups = 8;
  void keys(Keys& keys) {
    keys.add("norm_groups", groups, between(1, 65536), "groups of channels; they divide the width");
  }
};
struct GroupNorm final : SampleNorm {
  using Options = GroupOptions;
  GroupNorm(const NormRequest& request, const Options& options)
      : SampleNorm(request, options.groups) {}
};

}  // namespace

NormType row_of_layer() {
  return type_of<LayerNorm, NormType>("a sample's own statistics, over all channels",
                                      "Ba, Kiros and Hinton 2016");
}
NormType row_of_group() {
  return type_of<GroupNorm, NormType>("a sample's own statistics, by groups of channels",
                                      "Wu and He 2018");
}
NormType row_of_instance() {
  return type_of<InstanceNorm, NormType>("a sample's own statistics, channel by channel",
                                         "Ulyanov, Vedaldi and Lempitsky 2016");
}

}  // namespace cuttle
