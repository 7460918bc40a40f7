#include <torch/types.h>

#include "model/rows.hpp"

namespace cuttle {
namespace {

struct RetrievedOptions {
  double temperature = 0.1;
  void keys(Keys& keys) {
    keys.add("completion_temperature", temperature, above(0),
             "cosines are divided by it: how much the nearest sample counts above others");
  }
};

/// From the support set: of a sense a, the mean of f_a over the support samples that have it, by
/// softmax of their likeness to the sample, the mean cosine over the other senses that both have
/// (soft nearest neighbours: Goldberger et al. 2004; attention over a support set: Vinyals et al.
/// 2016). The less the senses tell of a sample, the nearer it comes to the mean of all.
class Retrieved final : public Completion {
 public:
  using Options = RetrievedOptions;
  Retrieved(const CompletionRequest&, const Options& options) : temperature_(options.temperature) {}
  bool uses_support() const override { return true; }

  Tensors said(const Tensors&, const Senses& senses, const Context& context,
               torch::Tensor& known) const override {
    const bool given = context.given != nullptr && context.given->present.defined();
    const Tensors& from = given ? context.given->senses : senses.pooled;
    const auto& there = given ? context.given->present : senses.present;
    Tensors cosines, shared, all, columns;
    for (std::size_t b = 0; b < from.size(); ++b) {
      const auto place = static_cast<std::int64_t>(b);
      cosines.push_back(unit_rows(senses.pooled[b]).matmul(unit_rows(from[b]).t()));
      shared.push_back(senses.present.select(1, place).unsqueeze(1) * there.select(1, place));
    }
    for (std::size_t a = 0; a < from.size(); ++a) {
      auto sum = torch::zeros_like(shared[0]), count = sum;
      for (std::size_t b = 0; b < from.size(); ++b)
        if (a != b) {
          sum = sum + shared[b] * cosines[b];
          count = count + shared[b];
        }
      const auto can = (count * there.select(1, static_cast<std::int64_t>(a)) > 0);
      const auto likeness = sum / count.clamp_min(1) / temperature_;
      all.push_back(torch::softmax(likeness.masked_fill(~can, -1e30), 1).matmul(from[a]));
      columns.push_back(can.any(1).to(there.scalar_type()));
    }
    known = torch::stack(columns, 1);
    return all;
  }

 private:
  double temperature_;
};

}  // namespace

CompletionType row_of_retrieved() {
  return type_of<Retrieved, CompletionType>("from the support samples that are most alike",
                                            "Goldberger et al. 2004, Vinyals et al. 2016");
}

}  // namespace cuttle
