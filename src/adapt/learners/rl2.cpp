#include <torch/types.h>

#include <utility>

#include "adapt/embed.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/learners/advantage.hpp"
#include "adapt/learners/recurrent_agent.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct Rl2Options : AgentOptions {
  double discount = 0.99, lambda = 0.95, value_weight = 0.5, entropy = 0.01;
  std::string baseline = "values", memory = "trial";
  bool normalise = false;
  void keys(Keys& keys) {
    keys.add("hidden", hidden, between(1, 4096), "width of the memory");
    keys.add(
        "reward_scale", reward_scale, above(0),
        "rewards are told to the memory times this; 1 over how much they differ is about right");
    keys.add("discount", discount, between(0, 1), "of rewards, a step");
    keys.add("baseline", baseline, one_of({"values", "others"}),
             "what rewards are compared with: learned values, or what the task's other copies earn "
             "from that step on");
    keys.add("lambda", lambda, between(0, 1),
             "of the generalised advantage: 1 goes by rewards alone, less by the learned values");
    keys.add("normalise", normalise, anything(),
             "advantages less their mean, over their deviation, in each task");
    keys.add("value_weight", value_weight, at_least(0), "of the squared error of learned values");
    keys.add("entropy", entropy, at_least(0), "weight of the policy's entropy, to go on exploring");
    keys.add("memory", memory, one_of({"trial", "episode"}),
             "how long it lasts; episode: every episode begins knowing nothing");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.form = TaskForm::kEnvironment;
    return demands;
  }
};

/// -log pi(a_t) A_t + value_weight (V_t - A_t - V_t[fixed])^2 - entropy H_t, the mean over copies
/// and steps, with generalised advantages A_t by the learned values; or, without values, with what
/// came less what came to the other copies. Normalised, A_t has mean 0 and deviation 1 over the
/// task's copies and steps, as in rllab over a batch's.
torch::Tensor actor_critic_loss(const Trial& trial, const Rl2Options& options) {
  const auto of_policy = [&](const torch::Tensor& advantage) {
    constexpr double kLeast = 1e-8;  // all copies may earn the same
    return -trial.log_policy *
           (options.normalise ? (advantage - advantage.mean()) / (advantage.std(false) + kLeast)
                              : advantage);
  };
  torch::Tensor loss;
  if (trial.values.defined()) {
    const auto values = trial.values.detach();
    const auto advantage =
        generalised_advantages(trial.rewards, values, options.discount, options.lambda);
    loss =
        of_policy(advantage) + options.value_weight * (trial.values - values - advantage).square();
  } else {
    const auto to_go = returns_to_go(trial.rewards, options.discount);
    loss = of_policy(to_go - others_baseline(to_go));
  }
  return (loss - options.entropy * trial.entropy).mean();
}

/// RL^2 (Duan et al. 2016; Wang et al. 2016): a recurrent policy that is told what it did and what
/// it earned, and keeps its memory from one episode of a trial to the next, so that learning the
/// task is what the memory does. A trial is episode.shot episodes and one that counts;
/// episode.query copies of the agent act side by side, and all rewards of the trial are credited.
/// Memory: a GRU on the model's embedding of what is seen; the outer loss is an actor-critic's,
/// where the paper has TRPO.
class Rl2 final : public Learner {
 public:
  using Options = Rl2Options;
  Rl2(const LearnerRequest& request, const Options& options)
      : Learner(request),
        options_(options),
        agent_(request.layout, model_, request.inputs.target_width, options,
               options.baseline == "values") {
    CUTTLE_VALIDATE(kind_->score_name() == "return",
                    "adapt.algorithm: rl2 acts in environments; set episode.target: return and a "
                    "source of them, such as bandits");
    CUTTLE_VALIDATE(objectives_->empty(),
                    "objectives: rl2 has no samples that they could look at; remove them");
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const auto leaves = as_leaves(parameters.tensors());
    const Batch& query = task.query;
    Statistics seen;
    Context context;
    context.key = task.key;
    context.record = &seen;
    const Trial trial = act(leaves, agent_.nothing_known(leaves, query.size), query,
                            before(task.support) + 1, task.key.with(Stream::kModel), context);
    const auto loss = actor_critic_loss(trial, options_);
    const double earned = returns_of(trial, query).mean().item<double>();
    return result_of(gradient_of(loss, leaves, false), {loss, {-earned, earned}}, seen);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    const torch::NoGradGuard no_grad;
    const auto& p = parameters.tensors();
    AgentMemory memory = agent_.nothing_known(p, 1);
    if (before(support) > 0)
      memory =
          act(p, memory, support, before(support), key.with(Stream::kModel, 3), in_use()).after;
    return std::make_unique<Agent>(*this, p, std::move(memory));
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return std::make_unique<Agent>(
        *this, parameters_in(*model_, state),
        AgentMemory{state_entry(state, "memory", agent_.hidden()).view({1, -1}),
                    state_entry(state, "last", agent_.last()).view({1, -1})});
  }

 private:
  /// What it learned in its first episodes. predict() acts on from there, every episode as if it
  /// came next, and gives each one's return.
  class Agent final : public Adapted {
   public:
    Agent(const Rl2& learner, Tensors parameters, AgentMemory memory)
        : learner_(learner), parameters_(std::move(parameters)), memory_(std::move(memory)) {}
    torch::Tensor predict(const Batch& batch) const override {
      const torch::NoGradGuard no_grad;
      const AgentMemory copies{memory_.state.expand({batch.size, -1}),
                               memory_.last.expand({batch.size, -1})};
      const Trial trial = learner_.act(parameters_, copies, batch, 1,
                                       batch.environment->key().with(Stream::kModel, 6), in_use());
      return returns_of(trial, batch).unsqueeze(1);
    }
    std::map<std::string, torch::Tensor> state() const override {
      return {{"parameters", learner_.model_->layout()->flatten(parameters_)},
              {"memory", memory_.state},
              {"last", memory_.last}};
    }

   private:
    const Rl2& learner_;
    Tensors parameters_;
    AgentMemory memory_;
  };

  /// Episodes of a trial before the one that counts.
  std::int64_t before(const Batch& support) const {
    return options_.memory == "trial" ? support.size : 0;
  }
  /// What the last episode earned, [copies].
  static torch::Tensor returns_of(const Trial& trial, const Batch& batch) {
    const std::int64_t horizon = batch.environment->horizon();
    return trial.rewards.narrow(1, trial.rewards.size(1) - horizon, horizon).sum(1);
  }

  /// RecurrentAgent::act, where the task can be acted in.
  Trial act(const Tensors& p, AgentMemory memory, const Batch& batch, std::int64_t episodes,
            const RandomKey& key, const Context& context) const {
    CUTTLE_VALIDATE(batch.environment != nullptr,
                    "adapt.algorithm: rl2 acts in environments, and this task is samples; use a "
                    "source of environments, such as bandits");
    CUTTLE_VALIDATE(static_cast<std::uint64_t>(episodes) < RecurrentAgent::kMostEpisodes,
                    "episode.shot: a trial of {} episodes is too long for rl2, which has room for "
                    "{}; use fewer",
                    episodes, RecurrentAgent::kMostEpisodes - 1);
    return agent_.act(p, std::move(memory), *batch.environment, episodes, key, context);
  }

  Options options_;
  RecurrentAgent agent_;
};

}  // namespace

LearnerType row_of_rl2() {
  return learner_type<Rl2>("a recurrent policy whose memory learns the task, for environments",
                           "Duan et al. 2016");
}

}  // namespace cuttle
