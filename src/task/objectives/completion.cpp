#include <torch/types.h>

#include "task/objectives/common.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct CompletionOptions {
  void keys(Keys&) {}
};

/// What model.completion says of the senses that samples have is what these are: of each sense, the
/// share of the square that is missed, sum (said - sense)^2 / sum sense^2, over the samples that
/// have it and another; mean over senses. The senses themselves do not move to be said more easily.
class CompletionObjective final : public Objective {
 public:
  using Options = CompletionOptions;
  CompletionObjective(const ObjectiveRequest& request, const Options&)
      : completion_(taught_completion(request)) {}
  torch::Tensor loss(const Tensors& p, const Pass& pass, const Batch&,
                     const Context& context) const override {
    const Senses& senses = pass.senses;
    torch::Tensor known;
    const Tensors said = completion_.said(p, senses, context, known);
    auto sum = torch::zeros({}, senses.present.options());
    std::int64_t count = 0;
    for (std::size_t m = 0; m < said.size(); ++m) {
      const auto rows = rows_told(senses, known, m);
      if (rows.numel() == 0) continue;
      const auto sense = senses.pooled[m].index_select(0, rows).detach();
      sum = sum +
            (said[m].index_select(0, rows) - sense).square().sum() / (sense.square().sum() + 1e-6);
      ++count;
    }
    return count == 0 ? sum : sum / static_cast<double>(count);
  }

 private:
  const Completion& completion_;
};

}  // namespace

ObjectiveType row_of_completion() {
  return type_of<CompletionObjective, ObjectiveType>("a sense is told from the others",
                                                     "Tran et al. 2017, Ma et al. 2021");
}

}  // namespace cuttle
