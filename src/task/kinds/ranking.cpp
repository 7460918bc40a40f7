#include <fmt/format.h>
#include <torch/types.h>

#include "task/rows.hpp"
#include "task/scores.hpp"
#include "task/value_figures.hpp"

namespace cuttle {
namespace {

struct RankingOptions {
  std::string loss = "listwise";
  std::int64_t cut = 10;
  double relevant = 1;
  void keys(Keys& keys) {
    keys.add(
        "ranking_loss", loss, one_of({"listwise", "pairwise"}),
        "listwise: cross-entropy of which sample comes first (ListNet); pairwise: which of two "
        "comes first, over all pairs of unequal relevance (RankNet; BPR where relevance is 0 "
        "or 1)");
    keys.add("cut", cut, between(1, 100000), "NDCG and recall are of so many that come first");
    keys.add("relevant", relevant, above(0),
             "relevance from which a sample is to be found: for recall and reciprocal rank");
  }
};

/// Samples in an order: targets are relevances, outputs scores, and a list is all samples of a
/// support or query set (of one user). Pairwise (Burges et al. 2005, equation 3; for relevance 0
/// and 1 the criterion of Rendle et al. 2009): the mean of log(1 + exp(s_j - s_i)) over pairs in
/// which i is more relevant. Listwise (Cao et al. 2007, section 4.2, by top one probabilities):
/// -sum_i softmax(relevance)_i log softmax(s)_i.
class RankingKind final : public TaskKind {
 public:
  using Options = RankingOptions;
  RankingKind(const TaskKindRequest&, const Options& options)
      : pairwise_(options.loss == "pairwise"), cut_(options.cut), relevant_(options.relevant) {}

  std::int64_t outputs(std::int64_t, std::int64_t target_width) const override {
    return target_width;
  }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto& y = batch.targets;
    if (!pairwise_)
      return -(torch::softmax(y, 0) * torch::log_softmax(outputs, 0)).sum() / outputs.size(1);
    const auto before = y.unsqueeze(1).gt(y.unsqueeze(0)).to(outputs.dtype());
    const auto ahead = outputs.unsqueeze(1) - outputs.unsqueeze(0);
    return -(before * torch::log_sigmoid(ahead)).sum() / before.sum().clamp_min(1);
  }
  std::vector<Figure> figures() const override {
    return {{fmt::format("ndcg_at_{}", cut_)},
            {fmt::format("recall_at_{}", cut_)},
            {"reciprocal_rank"}};
  }
  std::vector<Figure> figures_by_target() const override { return figures(); }
  std::vector<FigureTerm> terms(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto y = batch.targets.to(torch::kFloat64).t().contiguous();
    const auto scores = outputs.to(torch::kFloat64).t().contiguous();
    const std::int64_t n = y.size(1);
    return terms_by_target(3, y.size(0), [&](std::int64_t t) -> std::vector<FigureTerm> {
      const double *relevance = y.data_ptr<double>() + t * n,
                   *score = scores.data_ptr<double>() + t * n;
      std::vector<Ranked> list;
      for (std::int64_t i = 0; i < n; ++i) list.push_back({score[i], relevance[i]});
      const auto cut = static_cast<std::size_t>(cut_);
      return {term_of(discounted_gain(list, cut)), term_of(recall(list, cut, relevant_)),
              term_of(reciprocal_rank(list, relevant_))};
    });
  }

  std::size_t score_column() const override { return 1; }  // NDCG
  bool larger_is_better() const override { return true; }
  std::string score_name() const override { return fmt::format("ndcg_at_{}", cut_); }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    return say_number(fmt::format("NDCG@{}", cut_), mean, half_width);
  }
  bool values() const override { return true; }
  bool estimates() const override { return false; }
  std::string says() const override { return "ranking"; }
  std::string targets_are() const override { return "relevances from 0 to 30"; }
  bool is_target(float target) const override { return target >= 0 && target <= 30; }

 private:
  bool pairwise_;
  std::int64_t cut_;
  double relevant_;
};

}  // namespace

TaskKindType row_of_ranking() {
  auto row = type_of<RankingKind, TaskKindType>(
      "the order of a user's samples by relevance: NDCG, recall, reciprocal rank",
      "Burges et al. 2005, Cao et al. 2007, Rendle et al. 2009");
  row.of_values = true;
  return row;
}

}  // namespace cuttle
