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

  ScriptedLearner(std::shared_ptr<const Model> model, const AdaptOptions& options, Script script)
      : Learner(std::move(model), options), script_(std::move(script)) {}

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    return script_.meta_gradient(parameters, task);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList&, const Batch& support) const override {
    return std::make_unique<Answers>(script_, support);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>&,
                                   std::int64_t) const override {
    throw Error("a scripted learner keeps no state");
  }
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

  Script script_;
};

}  // namespace cuttle
