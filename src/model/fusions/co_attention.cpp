#include <torch/types.h>

#include <utility>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Each sense is a stream of its own tokens, which in every layer look at the tokens of all other
/// senses and not at each other: queries from one sense, keys and values from the rest (Lu et al.
/// 2016, "Hierarchical question-image co-attention", in parallel, by the transformer's layers of Lu
/// et al. 2019, "ViLBERT"). A learned token is always there to be looked at, for samples that have
/// one sense alone. The embedding is the mean over the senses of the means of their tokens, behind
/// a layer norm.
class CoAttentionFusion final : public Fusion {
 public:
  using Options = AttentionKeys;
  CoAttentionFusion(const FusionRequest& request, const Options& options)
      : width_(options.fusion_width),
        project_(request, request.token_widths, width_, ".project"),
        nothing_(request.layout.add({"fusion.nothing", {1, 1, width_}})),
        norm_(request.layout, "fusion.norm", {width_}, Init::kOnes),
        streams_(layers_of_senses(request, options)) {}

  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    Tensors tokens = project_.of_tokens(p, senses);
    for (std::size_t layer = 0; layer < streams_[0].size(); ++layer) {
      Tensors next;
      for (std::size_t m = 0; m < streams_.size(); ++m) {
        auto [others, mask] = others_of(p, senses, tokens, m);
        auto shown = streams_[m][layer]->shown(p, others);
        shown.mask = mask;
        next.push_back(streams_[m][layer]->looking(p, tokens[m], shown));
      }
      tokens = std::move(next);
    }
    Tensors pooled;
    for (std::size_t m = 0; m < streams_.size(); ++m)
      pooled.push_back(mean_where_real(tokens[m], senses.token_mask[m]));
    return one_part(layer_norm(p, norm_, mean_where_real(torch::stack(pooled, 1), senses.present)));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }
  bool wants_tokens() const override { return true; }

 private:
  /// Tokens of all senses but m, behind the one that is always there, and which are real.
  std::pair<torch::Tensor, torch::Tensor> others_of(const Tensors& p, const Senses& senses,
                                                    const Tensors& tokens, std::size_t m) const {
    const std::int64_t n = senses.present.size(0);
    Tensors others{at(p, nothing_).expand({n, 1, width_})};
    Tensors real{torch::ones({n, 1}, senses.present.options())};
    for (std::size_t other = 0; other < tokens.size(); ++other) {
      if (other == m) continue;
      others.push_back(tokens[other]);
      real.push_back(senses.token_mask[other]);
    }
    return {torch::cat(others, 1), torch::cat(real, 1)};
  }

  std::int64_t width_;
  SenseLayers project_;
  std::int64_t nothing_;
  Affine norm_;
  std::vector<AttentionLayers> streams_;  ///< by sense
};

}  // namespace

FusionType row_of_co_attention() {
  return type_of<CoAttentionFusion, FusionType>("tokens of each sense attend to the other senses'",
                                                "Lu et al. 2016, Lu et al. 2019");
}

}  // namespace cuttle
