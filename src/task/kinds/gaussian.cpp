#include <torch/types.h>

#include <cmath>

#include "task/rows.hpp"
#include "task/value_figures.hpp"

namespace cuttle {
namespace {

struct GaussianOptions : UnitsOptions {
  double deviation_min = 0.1;
  void keys(Keys& keys) {
    UnitsOptions::keys(keys);
    keys.add("deviation_min", deviation_min, from_below(1e-6, 1),
             "least standard deviation that is predicted: in the values' units, with "
             "adapt.standardise in the support's");
  }
};

/// Values with how sure they are: a normal distribution for each, by negative log-likelihood
/// (Garnelo et al. 2018, "Conditional neural processes", section 2.2: a mean and a variance for
/// every value). Outputs are the means, then the standard deviations, made by
///   deviation = least + (1 - least) softplus(what the learner gives),
/// which the authors' program has with a least of 0.1.
class GaussianKind final : public TaskKind {
 public:
  using Options = GaussianOptions;
  GaussianKind(const TaskKindRequest&, const Options& options)
      : least_(options.deviation_min), in_training_units_(options.training()) {}

  std::int64_t outputs(std::int64_t, std::int64_t target_width) const override {
    return 2 * target_width;
  }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto deviation = deviations(outputs);
    return (((batch.targets - means(outputs)) / deviation).square() / 2 + deviation.log()).mean() +
           std::log(2 * M_PI) / 2;
  }
  std::vector<std::string> metrics() const override {
    return {"log_likelihood", "mean_squared_error", "coverage_90"};
  }
  std::vector<double> measure(const torch::Tensor& outputs, const Batch& batch) const override {
    const auto found = outputs.detach().to(torch::kFloat64);
    const auto error = batch.targets.to(torch::kFloat64) - means(found);
    const auto covered = error.abs().le(kNineInTen * deviations(found)).to(torch::kFloat64);
    return {-loss(found, batch).item<double>(), error.square().mean().item<double>(),
            covered.mean().item<double>()};
  }
  torch::Tensor outputs_of(const torch::Tensor& given) const override {
    const auto above = torch::softplus(deviations(given));
    return torch::cat({means(given), least_ + (1 - least_) * above}, 1);
  }
  torch::Tensor deviations(const torch::Tensor& outputs) const override {
    const std::int64_t values = outputs.size(1) / 2;
    return outputs.narrow(1, values, values);
  }
  torch::Tensor rescaled(const torch::Tensor& outputs, const torch::Tensor& origin,
                         const torch::Tensor& scale) const override {
    return torch::cat({means(outputs) * scale + origin, deviations(outputs) * scale}, 1);
  }
  std::size_t score_column() const override { return 1; }
  bool larger_is_better() const override { return true; }
  std::string score_name() const override { return "log_likelihood"; }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    return say_number("log-likelihood", mean, half_width);
  }
  bool values() const override { return true; }
  bool in_training_units() const override { return in_training_units_; }
  bool uncertain() const override { return true; }
  std::vector<Beside> beside() const override { return {{"_deviation", "deviations"}}; }
  std::vector<torch::Tensor> told_beside(const torch::Tensor& outputs) const override {
    return {deviations(outputs)};
  }
  std::vector<Figure> figures() const override { return figures_of_values(); }
  std::vector<Figure> figures_by_target() const override { return figures_of_values(); }
  std::vector<FigureTerm> terms(const torch::Tensor& outputs, const Batch& batch) const override {
    return terms_of_values(means(outputs), batch.targets);
  }

 private:
  static torch::Tensor means(const torch::Tensor& outputs) {
    return outputs.narrow(1, 0, outputs.size(1) / 2);
  }

  double least_;
  bool in_training_units_;
};

}  // namespace

TaskKindType row_of_gaussian() {
  auto row = type_of<GaussianKind, TaskKindType>(
      "regression with a standard deviation for each value: log-likelihood", "Garnelo et al. 2018");
  row.of_values = true;
  return row;
}

}  // namespace cuttle
