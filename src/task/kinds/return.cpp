#include <fmt/format.h>
#include <torch/types.h>

#include "task/rows.hpp"

namespace cuttle {
namespace {

/// What is earned by acting: outputs are one return per episode; a head gives one logit per action.
class ReturnKind final : public TaskKind {
 public:
  using Options = NoOptions;
  ReturnKind(const TaskKindRequest&, const Options&) {}

  std::int64_t outputs(std::int64_t, std::int64_t target_width) const override {
    return target_width;
  }
  torch::Tensor loss(const torch::Tensor& outputs, const Batch&) const override {
    return -outputs.mean();
  }
  std::vector<std::string> metrics() const override { return {"return"}; }
  std::vector<double> measure(const torch::Tensor& outputs, const Batch&) const override {
    return {outputs.to(torch::kFloat64).mean().item<double>()};
  }
  std::size_t score_column() const override { return 1; }
  bool larger_is_better() const override { return true; }
  std::string score_name() const override { return "return"; }
  std::string say_score(double mean, std::optional<double> half_width) const override {
    return half_width ? fmt::format("return {:.3f} +- {:.3f}", mean, *half_width)
                      : fmt::format("return {:.3f}", mean);
  }
};

}  // namespace

TaskKindType row_of_return() {
  return type_of<ReturnKind, TaskKindType>("reinforcement learning: the sum of rewards", "");
}

}  // namespace cuttle
