#pragma once

#include <map>
#include <memory>
#include <string>

#include "cuttle/adapt/learner.hpp"

namespace cuttle {

/// Fast weights: the whole model with other values, and what its norms saw of the support set.
class FastWeights final : public Adapted {
 public:
  /// `inner_step`: how many updates made the values (per-step norms). `key`: of the task.
  FastWeights(std::shared_ptr<const Model> model, std::shared_ptr<const TaskKind> kind,
              Tensors theta, const Batch& support, std::int64_t inner_step);
  static std::unique_ptr<Adapted> restore(std::shared_ptr<const Model> model,
                                          std::shared_ptr<const TaskKind> kind,
                                          const std::map<std::string, torch::Tensor>& state,
                                          std::int64_t inner_step);
  torch::Tensor predict(const Batch& batch) const override { return answer(batch).outputs; }
  Answers answer(const Batch& batch) const override;
  std::map<std::string, torch::Tensor> state() const override;

 private:
  FastWeights(std::shared_ptr<const Model> model, std::shared_ptr<const TaskKind> kind,
              Tensors theta, Statistics given, std::int64_t inner_step);
  Context context() const;

  std::shared_ptr<const Model> model_;
  std::shared_ptr<const TaskKind> kind_;
  Tensors theta_;
  std::int64_t inner_step_;
  Statistics given_;
};

/// The entry `name` of a saved state with `elements` elements (any number: -1); Error naming it
/// otherwise.
torch::Tensor state_entry(const std::map<std::string, torch::Tensor>& state,
                          const std::string& name, std::int64_t elements);

/// A support set's norm statistics as entries of a state, and back.
void add_statistics(const Statistics& given, std::map<std::string, torch::Tensor>& state);
Statistics statistics_in(const std::map<std::string, torch::Tensor>& state);

/// What a pass in use looks at.
inline Context in_use(std::int64_t inner_step = 0, const RandomKey& key = {}) {
  Context context{inner_step};
  context.mode = Mode::kUse;
  context.key = key;
  return context;
}

}  // namespace cuttle
