#include <torch/types.h>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct BottleneckOptions : AttentionKeys {
  std::int64_t bottleneck_tokens = 4;
  void keys(Keys& keys) {
    AttentionKeys::keys(keys);
    keys.add("bottleneck_tokens", bottleneck_tokens, between(1, 1024),
             "shared by the senses; all that one learns of another goes through them");
  }
};

/// A transformer for each sense, whose tokens see their own sense and a few shared tokens; behind
/// every layer the shared ones become the mean of what the senses that are there made of them
/// (Nagrani et al. 2021, "Attention bottlenecks for multimodal fusion", equations 8 and 9):
///   [z_m, f_m] <- layer_m([z_m, f]),  f <- mean of f_m.
/// The embedding is the mean of the last f, behind a layer norm.
class BottleneckFusion final : public Fusion {
 public:
  using Options = BottleneckOptions;
  BottleneckFusion(const FusionRequest& request, const Options& options)
      : width_(options.fusion_width),
        shared_(options.bottleneck_tokens),
        project_(request, request.token_widths, width_, ".project"),
        start_(request.layout.add({"fusion.shared", {shared_, width_}})),
        norm_(request.layout, "fusion.norm", {width_}, Init::kOnes),
        streams_(layers_of_senses(request, options)) {}

  Embedding forward(const Tensors& p, const Senses& senses, const Context& context) const override {
    const std::int64_t n = senses.present.size(0);
    const auto always = torch::ones({n, shared_}, senses.present.options());
    const auto count = senses.present.sum(1).clamp_min(1.0).view({n, 1, 1});
    auto shared = at(p, start_).unsqueeze(0).expand({n, shared_, width_});
    Tensors tokens = project_.of_tokens(p, senses);
    for (std::size_t layer = 0; layer < streams_[0].size(); ++layer) {
      auto sum = torch::zeros({n, shared_, width_}, shared.options());
      for (std::size_t m = 0; m < streams_.size(); ++m) {
        const Signal both{torch::cat({shared, tokens[m]}, 1),
                          torch::cat({always, senses.token_mask[m]}, 1)};
        const auto seen = streams_[m][layer]->forward(p, both, context).values;
        tokens[m] = seen.narrow(1, shared_, tokens[m].size(1));
        sum = sum + seen.narrow(1, 0, shared_) * has_sense(senses, m).unsqueeze(2);
      }
      shared = sum / count;
    }
    return one_part(layer_norm(p, norm_, shared.mean(1)));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }
  bool wants_tokens() const override { return true; }

 private:
  std::int64_t width_, shared_;
  SenseLayers project_;
  std::int64_t start_;
  Affine norm_;
  std::vector<AttentionLayers> streams_;  ///< by sense
};

}  // namespace

FusionType row_of_bottleneck() {
  return type_of<BottleneckFusion, FusionType>(
      "a transformer for each sense, and a few tokens that they share", "Nagrani et al. 2021");
}

}  // namespace cuttle
