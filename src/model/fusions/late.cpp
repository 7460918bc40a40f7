#include <torch/types.h>

#include <string>

#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct LateOptions {
  std::string late_weights = "learned";
  void keys(Keys& keys) {
    keys.add("late_weights", late_weights, one_of({"learned", "equal"}),
             "how much the answer of each sense counts");
  }
};

/// No joint embedding: one part per modality with a learned weight (softmax of `fusion.weight`), or
/// all with the same.
class LateFusion final : public Fusion {
 public:
  using Options = LateOptions;
  LateFusion(const FusionRequest& request, const Options& options) : widths_(request.widths) {
    if (options.late_weights == "learned")
      weight_ = request.layout.add(
          {"fusion.weight", {static_cast<std::int64_t>(widths_.size())}, Init::kZeros});
  }
  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    const auto parts = static_cast<std::int64_t>(widths_.size());
    const auto weights = weight_ < 0 ? torch::full({parts}, 1.0 / static_cast<double>(parts),
                                                   senses.present.options())
                                     : torch::softmax(at(p, weight_), 0);
    return {senses.pooled, senses.present, weights, senses.complete};
  }
  std::vector<std::int64_t> part_widths() const override { return widths_; }

 private:
  std::vector<std::int64_t> widths_;
  std::int64_t weight_ = -1;
};

}  // namespace

FusionType row_of_late() {
  return type_of<LateFusion, FusionType>("each sense answers, weights combine the answers", "");
}

}  // namespace cuttle
