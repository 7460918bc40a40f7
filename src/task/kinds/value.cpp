#include <fmt/format.h>
#include <torch/types.h>

#include "task/rows.hpp"

namespace cuttle {
namespace {

/// Rows of values: mean squared error.
class ValueKind final : public TaskKind {
 public:
  using Options = NoOptions;
  ValueKind(const TaskKindRequest&, const Options&) {}

  std::int64_t outputs(std::int64_t, std::int64_t target_width) const override {
    return target_width;
  }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    return torch::mse_loss(outputs, batch.targets);
  }
  std::string score_name() const override { return "mean_squared_error"; }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    return half_width ? fmt::format("mean squared error {:.4f} +- {:.4f}", mean, *half_width)
                      : fmt::format("mean squared error {:.4f}", mean);
  }
  bool values() const override { return true; }
  std::optional<SimpleLoss> simple_loss() const override { return SimpleLoss::kSquaredError; }
};

}  // namespace

TaskKindType row_of_value() {
  auto row = type_of<ValueKind, TaskKindType>(
      "regression: an episode is samples of one class (a function, a patient) with their targets",
      "");
  row.of_values = true;
  return row;
}

}  // namespace cuttle
