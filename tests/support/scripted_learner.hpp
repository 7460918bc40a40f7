#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {

/// A learner whose answers the test writes down.
class ScriptedLearner final : public Learner {
 public:
  struct Script {
    std::function<TaskResult(const ParameterList&, const Task&)> meta_gradient;
    std::function<torch::Tensor(const Batch& support, const Batch& query)> predict;
    std::function<std::vector<StepDiagnostics>(const Task&)> trace;
  };

  /// `steps`: inner steps that it says it takes in use.
  ScriptedLearner(const LearnerRequest& request, std::int64_t steps, Script script)
      : Learner(request), steps_(steps), script_(std::move(script)) {}

  /// In the place of another: the same model and kind of task.
  static std::unique_ptr<const Learner> instead_of(const std::shared_ptr<const Learner>& other,
                                                   Script script) {
    const Section section;
    ParameterLayout layout;
    return std::make_unique<const ScriptedLearner>(
        LearnerRequest{section, std::shared_ptr<const Model>(other, &other->model()),
                       std::shared_ptr<const TaskKind>(other, &other->kind()),
                       std::make_shared<const Objectives>(), layout},
        other->eval_steps(), std::move(script));
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    return script_.meta_gradient(parameters, task);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList&, const Batch& support,
                                 const RandomKey&) const override {
    return std::make_unique<Answers>(script_, support);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>&,
                                   std::int64_t) const override {
    throw Error("a scripted learner keeps no state");
  }
  std::int64_t eval_steps() const override { return steps_; }
  std::vector<StepDiagnostics> trace(const ParameterList&, const Task& task) const override {
    return script_.trace(task);
  }

 private:
  class Answers final : public Adapted {
   public:
    Answers(const Script& script, Batch support) : script_(script), support_(std::move(support)) {}
    torch::Tensor predict(const Batch& query) const override {
      return script_.predict(support_, query);
    }
    std::map<std::string, torch::Tensor> state() const override { return {}; }

   private:
    const Script& script_;
    Batch support_;
  };

  std::int64_t steps_;
  Script script_;
};

}  // namespace cuttle
