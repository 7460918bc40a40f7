#include <torch/types.h>

#include "task/rows.hpp"
#include "task/value_figures.hpp"

namespace cuttle {
namespace {

struct QuantileOptions : UnitsOptions {
  double low = 0.05;
  double high = 0.95;
  void keys(Keys& keys) {
    UnitsOptions::keys(keys);
    keys.add("quantile_low", low, above_to(0, 0.5),
             "share of values that lie below the lower bound");
    keys.add("quantile_high", high, between(0.5, 0.9999),
             "share of values that lie below the upper bound");
  }
};

/// Values between two quantiles (Koenker and Bassett 1978). Outputs are the medians, then the lower
/// bounds, then the upper ones; the loss is the mean over all three of
///   max(q e, (q - 1) e), e = value - output,
/// which is least where a share q of the values is below. No distribution is supposed. Bounds that
/// cross are told in order, which is never farther from the quantiles (Chernozhukov,
/// Fernandez-Val, Galichon 2010).
class QuantileKind final : public TaskKind {
 public:
  using Options = QuantileOptions;
  QuantileKind(const TaskKindRequest&, const Options& options)
      : quantiles_{0.5, options.low, options.high}, in_training_units_(options.training()) {}

  std::int64_t outputs(std::int64_t, std::int64_t target_width) const override {
    return 3 * target_width;
  }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    torch::Tensor sum;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto error = batch.targets - part(outputs, i);
      const auto cost = torch::maximum(quantiles_[i] * error, (quantiles_[i] - 1) * error).mean();
      sum = sum.defined() ? sum + cost : cost;
    }
    return sum / 3;
  }
  std::vector<Figure> figures() const override {
    auto figures = figures_of_values();
    figures.insert(figures.end(), {{"coverage"}, {"interval_width"}});
    return figures;
  }
  std::vector<Figure> figures_by_target() const override { return figures(); }
  std::vector<FigureTerm> terms(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto y = batch.targets.to(torch::kFloat64), told = in_order(outputs.to(torch::kFloat64)),
               low = told[0], high = told[2];
    const auto covered = (y.ge(low) & y.le(high)).to(torch::kFloat64).sum(0);
    const auto width = (high - low).sum(0);
    const auto n = static_cast<double>(y.size(0));
    return terms_by_target(5, y.size(1), [&](std::int64_t t) {
      auto terms = terms_of_values(told[1].narrow(1, t, 1), y.narrow(1, t, 1));
      terms.resize(3);
      terms.insert(terms.end(), {{covered[t].item<double>(), n}, {width[t].item<double>(), n}});
      return terms;
    });
  }
  std::string score_name() const override { return "quantile_loss"; }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    return say_number("quantile loss", mean, half_width);
  }
  bool values() const override { return true; }
  bool in_training_units() const override { return in_training_units_; }
  torch::Tensor rescaled(const torch::Tensor& outputs, const torch::Tensor& origin,
                         const torch::Tensor& scale) const override {
    return outputs * scale.repeat({1, 3}) + origin.repeat({1, 3});
  }
  std::vector<Beside> beside() const override { return {{"_low", "low"}, {"_high", "high"}}; }
  torch::Tensor told(const torch::Tensor& outputs, std::int64_t) const override {
    return in_order(outputs)[1];
  }
  std::vector<torch::Tensor> told_beside(const torch::Tensor& outputs) const override {
    const auto told = in_order(outputs);
    return {told[0], told[2]};
  }

 private:
  /// [3, n, values]: low, median, high.
  static torch::Tensor in_order(const torch::Tensor& outputs) {
    return std::get<0>(
        torch::stack({part(outputs, 0), part(outputs, 1), part(outputs, 2)}).sort(0));
  }
  static torch::Tensor part(const torch::Tensor& outputs, std::size_t which) {
    const std::int64_t values = outputs.size(1) / 3;
    return outputs.narrow(1, static_cast<std::int64_t>(which) * values, values);
  }

  double quantiles_[3];
  bool in_training_units_;
};

}  // namespace

TaskKindType row_of_quantile() {
  auto row = type_of<QuantileKind, TaskKindType>(
      "regression by the median and two quantiles around it: pinball loss, coverage",
      "Koenker and Bassett 1978");
  row.of_values = true;
  return row;
}

}  // namespace cuttle
