#include <torch/types.h>

#include <string>
#include <vector>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct PredictedOptions {
  void keys(Keys&) {}
};

/// A linear map for each pair of senses says what one would be from the other: of a sense a, the
/// mean over a sample's other senses b of W_ab f_b + c_ab (regression of one sense's features on
/// another's; Tran et al. 2017 impute by a chain of such maps, Ma et al. 2021, "SMIL", by a
/// learned one). The task's loss teaches the maps where samples lack senses
/// (model.modality_dropout), and the objective `completion` where they have them.
class Predicted final : public Completion {
 public:
  using Options = PredictedOptions;
  Predicted(const CompletionRequest& request, const Options&) : widths_(request.widths) {
    for (std::size_t a = 0; a < widths_.size(); ++a)
      for (std::size_t b = 0; b < widths_.size(); ++b)
        if (a != b)
          maps_.emplace_back(
              request.layout,
              "completion." + request.modalities[a] + ".from_" + request.modalities[b],
              std::vector<std::int64_t>{widths_[a], widths_[b]});
  }
  Tensors said(const Tensors& p, const Senses& senses, const Context&,
               torch::Tensor& known) const override {
    const auto& present = senses.present;
    const auto others = present.sum(1, true) - present;  // [n, senses]: how many
    known = (others > 0).to(present.scalar_type());
    const auto share = 1.0 / others.clamp_min(1);
    Tensors all;
    auto map = maps_.begin();
    for (std::size_t a = 0; a < widths_.size(); ++a) {
      auto sum = torch::zeros({present.size(0), widths_[a]}, present.options());
      for (std::size_t b = 0; b < widths_.size(); ++b)
        if (a != b) sum = sum + has_sense(senses, b) * affine(p, *map++, senses.pooled[b]);
      all.push_back(share.narrow(1, static_cast<std::int64_t>(a), 1) * sum);
    }
    return all;
  }

 private:
  std::vector<std::int64_t> widths_;
  std::vector<Affine> maps_;
};

}  // namespace

CompletionType row_of_predicted() {
  return type_of<Predicted, CompletionType>("linear maps from the other senses",
                                            "Tran et al. 2017, Ma et al. 2021");
}

}  // namespace cuttle
