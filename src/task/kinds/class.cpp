#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "task/rows.hpp"
#include "task/value_figures.hpp"

namespace cuttle {
namespace {

struct ClassOptions {
  std::string class_weights = "balanced";
  double smoothing = 0;
  std::int64_t focus = 0;
  void keys(Keys& keys) {
    keys.add("class_weights", class_weights, one_of({"balanced", "none"}),
             "balanced: in the loss that is adapted to, classes count alike, whatever their shots "
             "(no difference where all have as many); none: samples do");
    keys.add("smoothing", smoothing, from_below(0, 1),
             "share of a label that goes to all classes alike (label smoothing)");
    keys.add("focus", focus, between(0, 10),
             "how much more a sample counts whose class is not seen: its loss times (1 - p)^focus "
             "(focal loss)");
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

/// One of `way` classes: mean cross-entropy, accuracy. Labels may be smoothed (Szegedy et al. 2016,
/// section 7) and samples weighed by (1 - p)^focus (Lin et al. 2017, equation 4, without its
/// alpha).
class ClassKind final : public TaskKind {
 public:
  using Options = ClassOptions;
  ClassKind(const TaskKindRequest&, const Options& options)
      : balanced_(options.class_weights == "balanced"),
        smoothing_(options.smoothing),
        focus_(options.focus) {}

  std::int64_t outputs(std::int64_t way, std::int64_t) const override { return way; }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch& batch) const override {
    return loss_of(outputs, batch.labels, {});
  }
  /// Each sample weighs 1 / (classes that occur * samples of its class).
  torch::Tensor support_loss(const torch::Tensor& outputs, const Batch& support) const override {
    const auto shots = uneven_shots(support);
    if (!shots.defined()) return loss(outputs, support);
    return loss_of(outputs, support.labels, shots.clamp_min(1).to(outputs.options()).reciprocal());
  }
  torch::Tensor support_weights(const Batch& support) const override {
    const auto shots = uneven_shots(support);
    if (!shots.defined()) return {};
    const auto share = static_cast<double>(support.size) / shots.gt(0).sum().item<double>();
    return share / shots.index_select(0, support.labels.to(torch::kCPU)).to(torch::kFloat64);
  }
  std::vector<std::string> metrics() const override { return {"accuracy"}; }
  std::vector<double> measure(const torch::Tensor& outputs, const Batch& batch) const override {
    return {static_cast<double>(right_answers(outputs, batch.labels)) /
            static_cast<double>(batch.size)};
  }
  std::size_t score_column() const override { return 1; }
  bool larger_is_better() const override { return true; }
  std::string score_name() const override { return "accuracy"; }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    return say_share("accuracy", mean, half_width);
  }
  bool classes() const override { return true; }
  std::optional<SimpleLoss> simple_loss() const override {
    return plain() ? std::optional(SimpleLoss::kCrossEntropy) : std::nullopt;
  }

 private:
  bool plain() const { return smoothing_ == 0 && focus_ == 0; }
  /// The mean, of samples that count as the weights of their classes do (undefined: alike).
  torch::Tensor loss_of(const torch::Tensor& outputs, const torch::Tensor& labels,
                        const torch::Tensor& weights) const {
    if (plain()) return torch::cross_entropy_loss(outputs, labels, weights);
    constexpr double kLeast = -100;  // where nothing is known of a class its logit has no bound
    const auto known = torch::log_softmax(outputs, 1).clamp_min(kLeast);
    const auto right = known.gather(1, labels.unsqueeze(1)).squeeze(1);
    auto cost = (smoothing_ - 1) * right - smoothing_ * known.mean(1);
    if (focus_ > 0) cost = (1 - right.exp()).pow(focus_) * cost;
    if (!weights.defined()) return cost.mean();
    const auto share = weights.index_select(0, labels);
    return (share * cost).sum() / share.sum();
  }

  /// Labelled samples by class, [way], on the CPU; undefined where classes need no weights.
  torch::Tensor uneven_shots(const Batch& support) const {
    if (!balanced_ || support.even || !support.labels.defined() || support.size == 0) return {};
    const auto shots = torch::bincount(support.labels.to(torch::kCPU), {}, support.way);
    const bool uneven = (shots.gt(0) & shots.lt(shots.max())).any().item<bool>();
    return uneven ? shots : torch::Tensor();
  }

  bool balanced_;
  double smoothing_;
  std::int64_t focus_;
};

}  // namespace

TaskKindType row_of_class() {
  return type_of<ClassKind, TaskKindType>("one class of the episode's: cross-entropy, accuracy",
                                          "Szegedy et al. 2016, Lin et al. 2017");
}

}  // namespace cuttle
