#include <torch/types.h>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Every sense is one token, z_m = W_m x_m + b_m; the tokens that a sample has attend to each other
/// in a transformer's layers (Vaswani et al. 2017), and their mean behind a layer norm is the
/// embedding.
class SelfAttentionFusion final : public Fusion {
 public:
  using Options = AttentionKeys;
  SelfAttentionFusion(const FusionRequest& request, const Options& options)
      : width_(options.fusion_width),
        project_(request, request.widths, width_),
        layers_(attention_layers(request.layout, "fusion.layers", options)),
        norm_(request.layout, "fusion.norm", {width_}, Init::kOnes) {}

  Embedding forward(const Tensors& p, const Senses& senses, const Context& context) const override {
    Signal signal{project_.of(p, senses), senses.present};
    for (const auto& layer : layers_) signal = layer->forward(p, signal, context);
    return one_part(layer_norm(p, norm_, mean_where_real(signal.values, senses.present)));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }

 private:
  std::int64_t width_;
  SenseLayers project_;
  AttentionLayers layers_;
  Affine norm_;
};

}  // namespace

FusionType row_of_self_attention() {
  return type_of<SelfAttentionFusion, FusionType>("senses attend to each other, a token each",
                                                  "Vaswani et al. 2017");
}

}  // namespace cuttle
