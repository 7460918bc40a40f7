#include <fmt/format.h>
#include <torch/types.h>

#include <cmath>

#include "task/rows.hpp"
#include "task/value_figures.hpp"

namespace cuttle {
namespace {

struct OrdinalOptions {
  std::int64_t levels = 5;
  double lowest = 1;
  double spacing = 1;
  void keys(Keys& keys) {
    keys.add("levels", levels, between(2, 100), "levels of a rating");
    keys.add("lowest", lowest, between(-1000, 1000), "the lowest level");
    keys.add("spacing", spacing, between(0.01, 1000), "from a level to the next, say 0.5");
  }
};

/// Levels in an order, such as ratings 1 to 5, by the chance of each step upwards (continuation
/// ratios, McCullagh 1980, section 5; as a loss of networks: Shi, Cao, Raschka 2021, CORN). With
/// levels 0 to K - 1 output k of a value is the logit of P(y > k | y >= k), and
///   P(y > k) = product over j <= k of sigmoid(output j)
/// falls with k whatever the outputs are. The loss is the mean binary cross-entropy over all pairs
/// of a sample and a step that it has come to. Told is the median level: how many P(y > k) are
/// above a half.
class OrdinalKind final : public TaskKind {
 public:
  using Options = OrdinalOptions;
  OrdinalKind(const TaskKindRequest&, const Options& options)
      : steps_(options.levels - 1), lowest_(options.lowest), spacing_(options.spacing) {}

  std::int64_t outputs(std::int64_t, std::int64_t target_width) const override {
    return steps_ * target_width;
  }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto logits = outputs.view({outputs.size(0), -1, steps_});
    const auto level = levels_of(batch.targets).unsqueeze(2);
    const auto step = torch::arange(steps_, logits.options());
    const auto came = level.ge(step).to(logits.dtype()), went = level.gt(step).to(logits.dtype());
    const auto cost =
        went * torch::log_sigmoid(logits) + (came - went) * torch::log_sigmoid(-logits);
    return -cost.sum() / came.sum();
  }
  std::vector<std::string> metrics() const override { return {"accuracy"}; }
  std::vector<double> measure(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto right = levels_of(told(outputs.detach(), 0)).eq(levels_of(batch.targets));
    return {right.sum().item<double>() / static_cast<double>(right.numel())};
  }
  std::vector<Figure> figures() const override {
    return {{"quadratic_kappa"}, {"mean_absolute_error"}};
  }
  std::vector<Figure> figures_by_target() const override { return figures(); }
  /// Kappa (Cohen 1968) is 1 - (squared distances of answers and truths) / (of all pairs of an
  /// answer and a truth, over the samples), the sums being those of all episodes: there is none
  /// where all answers and truths are one level.
  std::vector<FigureTerm> terms(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto y = batch.targets.to(torch::kFloat64),
               answers = told(outputs, 0).to(torch::kFloat64);
    const auto off = (answers - y).square().sum(0), absolute = (answers - y).abs().sum(0);
    const auto pairs = (answers.unsqueeze(0) - y.unsqueeze(1)).square().sum(0).sum(0) / y.size(0);
    const auto n = static_cast<double>(y.size(0));
    return terms_by_target(2, y.size(1), [&](std::int64_t t) -> std::vector<FigureTerm> {
      const double chance = pairs[t].item<double>();
      return {{chance - off[t].item<double>(), chance}, {absolute[t].item<double>(), n}};
    });
  }

  std::size_t score_column() const override { return 2; }  // kappa
  bool larger_is_better() const override { return true; }
  std::string score_name() const override { return "quadratic_kappa"; }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    return say_number("quadratic kappa", mean, half_width);
  }
  bool values() const override { return true; }
  bool estimates() const override { return false; }
  bool levels() const override { return true; }
  std::string says() const override { return "ratings"; }
  std::string targets_are() const override {
    const double highest = lowest_ + static_cast<double>(steps_) * spacing_;
    return spacing_ == 1 && lowest_ == std::floor(lowest_)
               ? fmt::format("whole numbers from {} to {}", lowest_, highest)
               : fmt::format("{}, {} and so on to {}", lowest_, lowest_ + spacing_, highest);
  }
  bool is_target(float target) const override {
    constexpr double kRounding = 1e-3;  // of 0.1, say
    const double level = (static_cast<double>(target) - lowest_) / spacing_;
    return level >= -kRounding && level <= static_cast<double>(steps_) + kRounding &&
           std::abs(level - std::round(level)) <= kRounding;
  }
  torch::Tensor told(const torch::Tensor& outputs, std::int64_t) const override {
    const auto above = reached(outputs);
    const auto level = above.gt(0.5).sum(2).to(above.dtype());
    return lowest_ + spacing_ * level + 0 * above.sum(2);  // NaN stays
  }
  std::vector<Beside> beside() const override { return {{"_expected", "expected"}}; }
  std::vector<torch::Tensor> told_beside(const torch::Tensor& outputs) const override {
    return {lowest_ + spacing_ * reached(outputs).sum(2)};
  }

 private:
  /// P(y > k), [n, values, steps].
  torch::Tensor reached(const torch::Tensor& outputs) const {
    return torch::sigmoid(outputs.view({outputs.size(0), -1, steps_})).cumprod(2);
  }

  /// 0 to steps_, of values.
  torch::Tensor levels_of(const torch::Tensor& values) const {
    return ((values - lowest_) / spacing_).round();
  }

  std::int64_t steps_;
  double lowest_, spacing_;
};

}  // namespace

TaskKindType row_of_ordinal() {
  auto row = type_of<OrdinalKind, TaskKindType>(
      "levels in an order, such as ratings: quadratic kappa, accuracy, mean absolute error",
      "McCullagh 1980, Shi et al. 2021");
  row.of_values = true;
  return row;
}

}  // namespace cuttle
