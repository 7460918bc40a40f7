#include <torch/types.h>

#include <string>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// A transformer over the tokens of all senses at once: words look at patches, frames at words
/// (Tsai et al. 2019, "Multimodal transformer", as one stream as in Kim et al. 2021, "ViLT"). Each
/// token is projected to one width and told its sense by a learned vector; a learned first token
/// gathers the sample. What a sample lacks, and padding, is masked; the first token is always
/// there.
class CrossModalFusion final : public Fusion {
 public:
  using Options = AttentionKeys;
  CrossModalFusion(const FusionRequest& request, const Options& options)
      : width_(options.fusion_width) {
    auto& layout = request.layout;
    first_ = layout.add({"fusion.first", {1, 1, width_}, Init::kFanIn});
    for (std::size_t m = 0; m < request.modalities.size(); ++m) {
      const std::string name = "fusion." + request.modalities[m];
      project_.emplace_back(layout, name + ".project",
                            std::vector<std::int64_t>{width_, request.token_widths[m]});
      sense_.push_back(layout.add({name + ".sense", {width_}, Init::kZeros}));
    }
    layers_ = attention_layers(layout, "fusion.layers", options);
    norm_.emplace_back(layout, "fusion.norm", std::vector<std::int64_t>{width_}, Init::kOnes);
  }

  Embedding forward(const Tensors& p, const Senses& senses, const Context& context) const override {
    const std::int64_t n = senses.present.size(0);
    Tensors tokens{at(p, first_).expand({n, 1, width_})};
    Tensors real{torch::ones({n, 1}, senses.present.options())};
    for (std::size_t m = 0; m < project_.size(); ++m) {
      tokens.push_back(affine(p, project_[m], senses.tokens[m]) + at(p, sense_[m]));
      real.push_back(senses.token_mask[m]);
    }
    Signal signal{torch::cat(tokens, 1), torch::cat(real, 1)};
    for (const auto& layer : layers_) signal = layer->forward(p, signal, context);
    return one_part(layer_norm(p, norm_[0], signal.values.select(1, 0)));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }
  bool wants_tokens() const override { return true; }

 private:
  std::int64_t width_, first_;
  std::vector<Affine> project_;
  std::vector<std::int64_t> sense_;
  AttentionLayers layers_;
  std::vector<Affine> norm_;  ///< one; a vector because it is declared after the layers
};

}  // namespace

FusionType row_of_cross_attention() {
  return type_of<CrossModalFusion, FusionType>("a transformer over the tokens of all senses",
                                               "Tsai et al. 2019, Kim et al. 2021");
}

}  // namespace cuttle
