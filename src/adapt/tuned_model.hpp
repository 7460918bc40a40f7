#pragma once

#include <memory>

#include "adapt/task_classifier.hpp"
#include "adapt/task_features.hpp"
#include "cuttle/adapt/learner.hpp"

namespace cuttle {

/// A whole model and a new classifier of its features, fine-tuned together on a support set.
class TunedModel final : public Adapted {
 public:
  static std::unique_ptr<Adapted> tuned(std::shared_ptr<const Model> model, const TaskKind& kind,
                                        const ClassifierOptions& options, TaskFeatures features,
                                        Tensors parameters, const Batch& support);
  static std::unique_ptr<Adapted> restore(std::shared_ptr<const Model> model,
                                          const ClassifierOptions& options, TaskFeatures features,
                                          const std::map<std::string, torch::Tensor>& state,
                                          std::int64_t way);

  torch::Tensor predict(const Batch& batch) const override { return answer(batch).outputs; }
  Answers answer(const Batch& batch) const override;
  std::map<std::string, torch::Tensor> state() const override;

 private:
  TunedModel(std::shared_ptr<const Model> model, const ClassifierOptions& options,
             TaskFeatures features);

  std::shared_ptr<const Model> model_;
  ClassifierOptions options_;
  TaskFeatures features_;
  Tensors parameters_;
  torch::Tensor weight_, bias_;
  Statistics given_;
};

}  // namespace cuttle
