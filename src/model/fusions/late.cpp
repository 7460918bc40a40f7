#include <torch/types.h>

#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// No joint embedding: one part per modality with a learned weight (softmax of `fusion.weight`).
class LateFusion final : public Fusion {
 public:
  using Options = NoOptions;
  LateFusion(const FusionRequest& request, const Options&)
      : widths_(request.widths),
        weight_(request.layout.add(
            {"fusion.weight", {static_cast<std::int64_t>(widths_.size())}, Init::kZeros})) {}
  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    return {senses.pooled, senses.present, torch::softmax(at(p, weight_), 0), senses.complete};
  }
  std::vector<std::int64_t> part_widths() const override { return widths_; }

 private:
  std::vector<std::int64_t> widths_;
  std::int64_t weight_;
};

}  // namespace

FusionType row_of_late() {
  return type_of<LateFusion, FusionType>("each sense answers, learned weights combine the answers",
                                         "");
}

}  // namespace cuttle
