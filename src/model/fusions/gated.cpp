#include <torch/types.h>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Every modality projected to one width; a softmax over the present modalities' gate scores weighs
/// them (Arevalo et al. 2017, "Gated multimodal units", as a softmax).
class GatedFusion final : public Fusion {
 public:
  using Options = EmbeddingKeys;
  GatedFusion(const FusionRequest& request, const Options& options) : width_(options.embedding) {
    for (std::size_t m = 0; m < request.widths.size(); ++m) {
      const std::string name = "fusion." + request.modalities[m];
      weights_.push_back(request.layout.add({name + ".weight", {width_, request.widths[m]}}));
      biases_.push_back(request.layout.add({name + ".bias", {width_}, Init::kZeros}));
      gates_.push_back(request.layout.add({name + ".gate", {1, width_}}));
    }
  }
  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    Tensors projected, scores;
    for (std::size_t m = 0; m < weights_.size(); ++m) {
      const auto h =
          torch::tanh(torch::linear(senses.pooled[m], at(p, weights_[m]), at(p, biases_[m])));
      projected.push_back(h);
      scores.push_back(torch::linear(h, at(p, gates_[m])));
    }
    const auto score = torch::cat(scores, 1).masked_fill(senses.present == 0, -1e30);
    const auto gate = torch::softmax(score, 1).unsqueeze(2);  // [n, modalities, 1]
    return one_part((torch::stack(projected, 1) * gate).sum(1));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }

 private:
  std::int64_t width_;
  std::vector<std::int64_t> weights_, biases_, gates_;
};

}  // namespace

FusionType row_of_gated() {
  return type_of<GatedFusion, FusionType>("a softmax of learned gates weighs the senses",
                                          "Arevalo et al. 2017");
}

}  // namespace cuttle
