#include <fmt/format.h>
#include <torch/types.h>

#include "task/rows.hpp"

namespace cuttle {
namespace {

struct ClassOptions {
  std::string class_weights = "balanced";
  void keys(Keys& keys) {
    keys.add("class_weights", class_weights, one_of({"balanced", "none"}),
             "balanced: in the loss that is adapted to, classes count alike, whatever their shots "
             "(no difference where all have as many); none: samples do");
  }
};

/// Labelled samples by class, [way], on the CPU.
torch::Tensor shots_of(const Batch& support) {
  return torch::bincount(support.labels.to(torch::kCPU), {}, support.way);
}

/// One of `way` classes: mean cross-entropy, accuracy.
class ClassKind final : public TaskKind {
 public:
  using Options = ClassOptions;
  ClassKind(const TaskKindRequest&, const Options& options)
      : balanced_(options.class_weights == "balanced") {}

  std::int64_t outputs(std::int64_t way, std::int64_t) const override { return way; }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    return torch::cross_entropy_loss(outputs, batch.labels);
  }
  /// Each sample weighs 1 / (classes that occur * samples of its class).
  torch::Tensor support_loss(const torch::Tensor& outputs, const Batch& support) const override {
    if (!weighs(support)) return loss(outputs, support);
    const auto shots = shots_of(support).clamp_min(1);
    return torch::cross_entropy_loss(outputs, support.labels,
                                     shots.to(outputs.options()).reciprocal());
  }
  bool weighs(const Batch& support) const override {
    if (!balanced_ || support.even || !support.labels.defined() || support.size == 0) return false;
    const auto shots = shots_of(support);
    return (shots.gt(0) & shots.lt(shots.max())).any().item<bool>();
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

 private:
  bool balanced_;
};

}  // namespace

TaskKindType row_of_class() {
  return type_of<ClassKind, TaskKindType>("one class of the episode's: cross-entropy, accuracy",
                                          "");
}

}  // namespace cuttle
