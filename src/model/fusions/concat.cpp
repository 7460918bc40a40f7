#include <torch/types.h>

#include <numeric>

#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct ConcatOptions {
  std::string missing = "embedding";
  void keys(Keys& keys) {
    keys.add("missing", missing, one_of({"embedding", "zeros"}),
             "what stands in for an absent modality; embedding: a learned one");
  }
};

/// All features side by side; a learned embedding (or zeros) where a sample lacks a modality.
class ConcatFusion final : public Fusion {
 public:
  using Options = ConcatOptions;
  ConcatFusion(const FusionRequest& request, const Options& options) : widths_(request.widths) {
    if (options.missing == "zeros" || widths_.size() < 2) return;
    for (std::size_t m = 0; m < widths_.size(); ++m)
      absent_.push_back(request.layout.add(
          {"fusion.absent." + request.modalities[m], {widths_[m]}, Init::kZeros}));
  }
  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    Tensors columns;
    for (std::size_t m = 0; m < widths_.size(); ++m) {
      auto column = senses.pooled[m];
      if (!absent_.empty()) column = column + (1.0 - has_sense(senses, m)) * at(p, absent_[m]);
      columns.push_back(column);
    }
    return one_part(columns.size() == 1 ? columns[0] : torch::cat(columns, 1));
  }
  std::vector<std::int64_t> part_widths() const override {
    return {std::accumulate(widths_.begin(), widths_.end(), std::int64_t{0})};
  }
  bool passes_through() const override { return widths_.size() == 1; }

 private:
  std::vector<std::int64_t> widths_;
  std::vector<std::int64_t> absent_;
};

}  // namespace

FusionType row_of_concat() {
  return type_of<ConcatFusion, FusionType>("features side by side", "");
}

}  // namespace cuttle
