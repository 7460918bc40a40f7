#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

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

/// How often the largest output is the label's: by a loop where dispatching operations would take
/// longer. As argmax has it, what is no number is the largest, and of equals the first.
std::int64_t right_answers(const torch::Tensor& outputs, const torch::Tensor& labels) {
  if (!outputs.is_cpu() || outputs.scalar_type() != torch::kFloat32 || !outputs.is_contiguous() ||
      !labels.is_contiguous())
    return outputs.argmax(1).eq(labels).sum().item<std::int64_t>();
  const std::int64_t way = outputs.size(1), *label = labels.data_ptr<std::int64_t>();
  const float *row = outputs.data_ptr<float>(), *end = row + outputs.numel();
  std::int64_t right = 0;
  for (; row < end; row += way) {
    const float* largest = std::max_element(
        row, row + way, [](float a, float b) { return std::isnan(b) ? !std::isnan(a) : a < b; });
    right += largest - row == *label++ ? 1 : 0;
  }
  return right;
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
    const auto shots = uneven_shots(support);
    if (!shots.defined()) return loss(outputs, support);
    return torch::cross_entropy_loss(outputs, support.labels,
                                     shots.clamp_min(1).to(outputs.options()).reciprocal());
  }
  torch::Tensor support_weights(const Batch& support) const override {
    const auto shots = uneven_shots(support);
    if (!shots.defined()) return {};
    const auto share = static_cast<double>(support.size) / shots.gt(0).sum().item<double>();
    return share / shots.index_select(0, support.labels.to(torch::kCPU)).to(torch::kFloat64);
  }
  std::vector<std::string> metrics() const override { return {"accuracy"}; }
  std::vector<double> measure(const torch::Tensor& outputs, const Batch& batch) const override {
    return {static_cast<double>(right_answers(outputs.detach(), batch.labels)) /
            static_cast<double>(batch.size)};
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
  /// Labelled samples by class, [way], on the CPU; undefined where classes need no weights.
  torch::Tensor uneven_shots(const Batch& support) const {
    if (!balanced_ || support.even || !support.labels.defined() || support.size == 0) return {};
    const auto shots = torch::bincount(support.labels.to(torch::kCPU), {}, support.way);
    const bool uneven = (shots.gt(0) & shots.lt(shots.max())).any().item<bool>();
    return uneven ? shots : torch::Tensor();
  }

  bool balanced_;
};

}  // namespace

TaskKindType row_of_class() {
  return type_of<ClassKind, TaskKindType>("one class of the episode's: cross-entropy, accuracy",
                                          "");
}

}  // namespace cuttle
