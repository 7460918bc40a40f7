#include <torch/types.h>

#include <utility>

#include "adapt/descent.hpp"
#include "adapt/embed.hpp"
#include "adapt/learners/policy_gradient.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// Steps that acting can be told apart by, and the one that stands for use after adaptation.
constexpr std::int64_t kMostSteps = 199, kInUse = 200, kPlaces = 256;

struct MamlRlOptions : LoopOptions {
  double inner_lr = 0.1;
  bool second_order = true, exploration = false;
  Credit credit;
  void keys(Keys& keys) {
    keys.add("inner_steps", inner_steps, between(0, kMostSteps), "adaptation steps in training");
    keys.add("eval_inner_steps", eval_inner_steps, between(0, kMostSteps),
             "adaptation steps in evaluation and use; 0: as in training");
    keys.add("inner_lr", inner_lr, above(0), "on the mean policy gradient of an episode");
    keys.add("second_order", second_order, anything(), "differentiate through the inner gradients");
    keys.add(
        "exploration", exploration, anything(),
        "credit what was tried before adaptation for what came after: more noise, and unbiased "
        "where advantages are");
    credit.keys(keys);
  }
  Demands demands() const {
    Demands demands = LoopOptions::demands();
    demands.form = TaskForm::kEnvironment;
    demands.second_order = second_order;
    return demands;
  }
};

/// MAML with policy gradients (Finn, Abbeel, Levine 2017, section 3.2): the policy acts, takes a
/// gradient step on what it earned, acts again; the outer gradient is that of the return after.
/// Tasks hold environments (episode.target: return).
class MamlRl final : public Learner {
 public:
  using Options = MamlRlOptions;
  MamlRl(const LearnerRequest& request, const Options& options)
      : Learner(request), options_(options) {
    CUTTLE_VALIDATE(kind_->score_name() == "return",
                    "adapt.algorithm: maml_rl acts in environments; set episode.target: return "
                    "and a source of them, such as tabular_mdp");
    CUTTLE_VALIDATE(objectives_->empty(),
                    "objectives: maml_rl has no samples that they could look at; remove them");
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    auto [gradient, earned] =
        policy_gradient(*model_, parameters.tensors(),
                        [&](const Tensors& theta, std::int64_t step) {
                          const bool after = step == options_.inner_steps;
                          return act(theta, after ? task.query : task.support, task.key, step);
                        },
                        {options_.inner_steps, options_.inner_lr, options_.second_order,
                         options_.exploration, options_.credit});
    return result_of(gradient, {{}, {-earned, earned}}, {});
  }

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    Tensors theta = parameters.tensors();
    for (std::int64_t k = 0; k < eval_steps(); ++k)
      take_step(theta, act(theta, support, key, k), k);
    return std::make_unique<Policy>(*this, std::move(theta));
  }
  /// Support: the episodes that step k learns from (after the last step, that it would).
  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    Tensors theta = parameters.tensors();
    std::vector<StepDiagnostics> lines;
    for (std::int64_t k = 0; k <= eval_steps(); ++k) {
      const Rollout tried = act(theta, task.support, task.key, k);
      const auto support = tried.rewards.sum(1, true);
      const auto query = Policy(*this, theta).predict(task.query);
      lines.push_back({k, kind_->loss(support, task.support).item<double>(),
                       kind_->loss(query, task.query).item<double>(),
                       kind_->measure(support, task.support), kind_->measure(query, task.query)});
      if (k < eval_steps()) take_step(theta, tried, k);
    }
    return lines;
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return std::make_unique<Policy>(*this, parameters_in(*model_, state, "fast_weights"));
  }
  std::int64_t eval_steps() const override { return options_.steps_in_use(); }

 private:
  /// The adapted policy: predict() acts, and gives each episode's return.
  class Policy final : public Adapted {
   public:
    Policy(const MamlRl& learner, Tensors theta) : learner_(learner), theta_(std::move(theta)) {}
    torch::Tensor predict(const Batch& batch) const override {
      return learner_.act(theta_, batch, batch.environment->key(), kInUse).rewards.sum(1, true);
    }
    std::map<std::string, torch::Tensor> state() const override {
      return {{"fast_weights", learner_.model_->layout()->kept(theta_)}};
    }

   private:
    const MamlRl& learner_;
    Tensors theta_;
  };

  void take_step(Tensors& theta, const Rollout& rollout, std::int64_t k) const {
    const auto leaves = as_leaves(theta);
    const auto gradient = gradient_of(
        policy_loss(log_policy(*model_, leaves, rollout, {k}), rollout, options_.credit), leaves,
        false);
    for (std::size_t i = 0; i < theta.size(); ++i)
      if (gradient[i].defined()) theta[i] = theta[i] - options_.inner_lr * gradient[i];
  }

  /// Episodes of one inner step, or after the last: batch.size of them.
  Rollout act(const Tensors& theta, const Batch& batch, const RandomKey& key,
              std::int64_t step) const {
    CUTTLE_VALIDATE(batch.environment != nullptr,
                    "adapt.algorithm: maml_rl acts in environments, and this task is samples; use "
                    "a source of environments, such as tabular_mdp");
    RandomKey own = key.with(Stream::kModel);
    own.slot = key.slot * kPlaces + static_cast<std::uint32_t>(step);
    return roll_out(*model_, theta, *batch.environment, batch.size, own, {step});
  }

  Options options_;
};

}  // namespace

LearnerType row_of_maml_rl() {
  return learner_type<MamlRl>("maml with policy gradients, for environments to act in",
                              "Finn, Abbeel, Levine 2017");
}

}  // namespace cuttle
