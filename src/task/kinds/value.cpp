#include <torch/types.h>

#include "task/rows.hpp"
#include "task/value_figures.hpp"

namespace cuttle {
namespace {

struct ValueOptions : UnitsOptions {
  double huber_at = 0;
  void keys(Keys& keys) {
    UnitsOptions::keys(keys);
    keys.add("huber_at", huber_at, at_least(0),
             "error from which the loss grows no longer by squares but evenly, so that outliers "
             "pull less (Huber); 0: mean squared error");
  }
};

/// Rows of values: mean squared error e^2, or, beyond a bound b on either side, 2 b |e| - b^2:
/// twice the loss of Huber 1964, equation 1.3, so that both are alike for small errors.
class ValueKind final : public TaskKind {
 public:
  using Options = ValueOptions;
  ValueKind(const TaskKindRequest&, const Options& options)
      : bound_(options.huber_at), in_training_units_(options.training()) {}

  std::int64_t outputs(std::int64_t, std::int64_t target_width) const override {
    return target_width;
  }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    if (bound_ == 0) return torch::mse_loss(outputs, batch.targets);
    const auto error = outputs - batch.targets, within = error.clamp(-bound_, bound_);
    return (within * (2 * error - within)).mean();
  }
  std::vector<Figure> figures() const override { return figures_of_values(); }
  std::vector<Figure> figures_by_target() const override { return figures_of_values(); }
  std::vector<FigureTerm> terms(const torch::Tensor& outputs, const Batch& batch) const override {
    return terms_of_values(outputs, batch.targets);
  }
  std::string score_name() const override {
    return bound_ == 0 ? "mean_squared_error" : "huber_loss";
  }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    const std::string name = bound_ == 0 ? "mean squared error" : "Huber loss";
    return say_number(in_training_units_ ? name + " in training units" : name, mean, half_width);
  }
  bool values() const override { return true; }
  bool in_training_units() const override { return in_training_units_; }
  std::optional<SimpleLoss> simple_loss() const override {
    return bound_ == 0 ? std::optional(SimpleLoss::kSquaredError) : std::nullopt;
  }

 private:
  double bound_;
  bool in_training_units_;
};

}  // namespace

TaskKindType row_of_value() {
  auto row = type_of<ValueKind, TaskKindType>(
      "regression: an episode is samples of one class (a function, a patient) with their targets",
      "Huber 1964");
  row.of_values = true;
  return row;
}

}  // namespace cuttle
