#include <fmt/format.h>
#include <torch/types.h>

#include "task/rows.hpp"

namespace cuttle {
namespace {

/// One of `way` classes: mean cross-entropy, accuracy.
class ClassKind final : public TaskKind {
 public:
  using Options = NoOptions;
  ClassKind(const TaskKindRequest&, const Options&) {}

  std::int64_t outputs(std::int64_t way, std::int64_t) const override { return way; }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    return torch::cross_entropy_loss(outputs, batch.labels);
  }
  std::vector<std::string> metrics() const override { return {"accuracy"}; }
  std::vector<double> measure(const torch::Tensor& outputs, const Batch& batch) const override {
    return {outputs.detach().argmax(1).eq(batch.labels).to(torch::kFloat64).mean().item<double>()};
  }
  std::size_t score_column() const override { return 1; }
  bool larger_is_better() const override { return true; }
  std::string score_name() const override { return "accuracy"; }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    return half_width ? fmt::format("accuracy {:.2f} +- {:.2f} %", 100 * mean, 100 * *half_width)
                      : fmt::format("accuracy {:.2f} %", 100 * mean);
  }
  bool classes() const override { return true; }
  std::optional<SimpleLoss> simple_loss() const override { return SimpleLoss::kCrossEntropy; }
};

}  // namespace

TaskKindType row_of_class() {
  return type_of<ClassKind, TaskKindType>("one class of the episode's: cross-entropy, accuracy",
                                          "");
}

}  // namespace cuttle
