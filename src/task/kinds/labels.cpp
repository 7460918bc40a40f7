#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "task/rows.hpp"
#include "task/scores.hpp"
#include "task/value_figures.hpp"

namespace cuttle {
namespace {

struct LabelsOptions {
  std::int64_t focus_present = 0;
  std::int64_t focus_absent = 0;
  double margin = 0;
  void keys(Keys& keys) {
    keys.add("focus_present", focus_present, between(0, 10),
             "how much more a label that a sample has counts where it is not seen: its loss times "
             "(1 - p)^focus_present; 0 for both focuses: binary cross-entropy, 2 for both: focal "
             "loss, 0 here, focus_absent 4 and margin 0.05: asymmetric loss");
    keys.add("focus_absent", focus_absent, between(0, 10),
             "how much more a label that a sample lacks counts where it is seen: its loss times "
             "p^focus_absent");
    keys.add("margin", margin, from_below(0, 1),
             "probability up to which a label that a sample lacks costs nothing");
  }
};

/// How often labels are there and told: what F1 is made of.
struct Counts {
  double right = 0, either = 0;  ///< either: there, plus told
  void add(bool there, bool told) {
    right += there && told;
    either += there + told;
  }
  /// F1; no term where there is nothing to find and nothing is told.
  FigureTerm term() const { return either == 0 ? FigureTerm{} : FigureTerm{2 * right / either, 1}; }
};

void add(FigureTerm& sum, const FigureTerm& term) {
  sum.sum += term.sum;
  sum.of += term.of;
}

/// Any number of labels, targets being 1 where a sample has one and 0 elsewhere. Outputs are
/// logits; the mean over samples and labels of
///   -(1 - p)^a log p where it is there, -q^b log(1 - q) elsewhere, q = max(p - margin, 0),
/// is binary cross-entropy, focal loss (Lin et al. 2017, equation 4, without its alpha) and
/// asymmetric loss (Ridnik et al. 2021, equations 4 to 7) in one. Focuses are whole numbers: others
/// between 1 and 2 have no second derivative where q is 0.
class LabelsKind final : public TaskKind {
 public:
  using Options = LabelsOptions;
  LabelsKind(const TaskKindRequest&, const Options& options) : options_(options) {}

  std::int64_t outputs(std::int64_t, std::int64_t target_width) const override {
    return target_width;
  }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto seen = torch::log_sigmoid(outputs), unseen = torch::log_sigmoid(-outputs);
    auto present = seen, absent = unseen;
    if (options_.focus_present > 0) present = unseen.exp().pow(options_.focus_present) * seen;
    const auto q = (seen.exp() - options_.margin).clamp_min(0);
    // Not 1, where a small margin is lost in rounding: log 0 would be left of what costs nothing.
    if (options_.margin > 0) absent = torch::log1p(-q.clamp_max(1 - 1e-6));
    if (options_.focus_absent > 0) absent = q.pow(options_.focus_absent) * absent;
    return -(batch.targets * present + (1 - batch.targets) * absent).mean();
  }
  std::vector<std::string> metrics() const override { return {"label_accuracy"}; }
  std::vector<double> measure(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto right = outputs.detach().gt(0).eq(batch.targets.gt(0.5));
    return {right.sum().item<double>() / static_cast<double>(right.numel())};
  }

  std::vector<Figure> figures() const override {
    return {{"average_precision"}, {"auc"}, {"f1_micro"}, {"f1_macro"}, {"f1_samples"}};
  }
  std::vector<Figure> figures_by_target() const override {
    return {{"average_precision"}, {"auc"}, {"f1"}};
  }
  std::vector<FigureTerm> terms(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto logits = outputs.to(torch::kFloat64).contiguous();
    const auto targets = batch.targets.to(torch::kFloat64).contiguous();
    const std::int64_t samples = logits.size(0), labels = logits.size(1);
    const double *logit = logits.data_ptr<double>(), *target = targets.data_ptr<double>();
    FigureTerm precision, area, macro, of_samples;
    Counts all;
    std::vector<FigureTerm> by_label;
    for (std::int64_t l = 0; l < labels; ++l) {
      std::vector<Scored> items;
      Counts counts;
      for (std::int64_t at = l; at < samples * labels; at += labels) {
        items.push_back({logit[at], target[at] > 0.5});
        counts.add(items.back().relevant, logit[at] > 0);
      }
      const FigureTerm of_label[] = {term_of(average_precision(items)),
                                     term_of(area_under_curve(items)),
                                     {2 * counts.right, counts.either}};
      add(precision, of_label[0]);
      add(area, of_label[1]);
      add(macro, counts.term());
      all.right += counts.right;
      all.either += counts.either;
      if (labels <= kMostTargetsTold)
        by_label.insert(by_label.end(), std::begin(of_label), std::end(of_label));
    }
    for (std::int64_t i = 0; i < samples; ++i) {
      Counts counts;
      for (std::int64_t at = i * labels; at < (i + 1) * labels; ++at)
        counts.add(target[at] > 0.5, logit[at] > 0);
      add(of_samples, counts.term());
    }
    std::vector<FigureTerm> terms{precision, area, {2 * all.right, all.either}, macro, of_samples};
    terms.insert(terms.end(), by_label.begin(), by_label.end());
    return terms;
  }

  std::size_t score_column() const override { return 2; }  // average precision
  bool larger_is_better() const override { return true; }
  std::string score_name() const override { return "average_precision"; }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    return say_share("mean average precision", mean, half_width);
  }
  bool values() const override { return true; }
  bool labels() const override { return true; }
  std::string says() const override { return "labels"; }
  bool estimates() const override { return false; }
  std::string targets_are() const override { return "0 or 1"; }
  bool is_target(float target) const override { return target == 0 || target == 1; }
  /// Logits of shares, of which none is certain.
  torch::Tensor outputs_of_mean(const torch::Tensor& mean) const override {
    constexpr double kLeast = 1e-4;
    return torch::logit(kLeast + (1 - 2 * kLeast) * mean);
  }
  torch::Tensor told(const torch::Tensor& outputs, std::int64_t) const override {
    return torch::sigmoid(outputs);
  }

 private:
  Options options_;
};

}  // namespace

TaskKindType row_of_labels() {
  auto row = type_of<LabelsKind, TaskKindType>(
      "any number of labels: an episode is samples of one class with their targets, 0 or 1; "
      "average precision, AUC, F1",
      "Lin et al. 2017, Ridnik et al. 2021");
  row.of_values = true;
  return row;
}

}  // namespace cuttle
