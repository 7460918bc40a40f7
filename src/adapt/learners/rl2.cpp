#include <torch/types.h>

#include <utility>

#include "adapt/embed.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/layers.hpp"
#include "adapt/learners/policy_gradient.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// Episodes of a trial that chance can be told apart by.
constexpr std::uint64_t kMostEpisodes = 4096;

struct Rl2Options {
  std::int64_t hidden = 32;
  double discount = 0.99, lambda = 0.95, value_weight = 0.5, entropy = 0.01;
  std::string memory = "trial";
  void keys(Keys& keys) {
    keys.add("hidden", hidden, between(1, 4096), "width of the memory");
    keys.add("discount", discount, between(0, 1), "of rewards, a step");
    keys.add("lambda", lambda, between(0, 1),
             "of the generalised advantage: 1 goes by rewards alone, less by the learned values");
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

/// What is known so far, of every copy of an agent.
struct AgentMemory {
  torch::Tensor state;  ///< [copies, hidden]
  torch::Tensor last;   ///< [copies, actions + 2]: what was done, what it earned, 1 if an episode
                        ///< ended there
};

/// What copies of an agent did, [copies, steps] each.
struct Trial {
  torch::Tensor log_policy, entropy, values, rewards;
  AgentMemory after;
};

/// -log pi(a_t) A_t + value_weight (V_t - A_t - V_t[fixed])^2 - entropy H_t, the mean over copies
/// and steps, with the generalised advantage (Schulman et al. 2016, equation 16)
///   A_t = sum_l (discount lambda)^l (r_{t+l} + discount V_{t+l+1} - V_{t+l}).
torch::Tensor actor_critic_loss(const Trial& trial, const Rl2Options& options) {
  const auto values = trial.values.detach();
  const std::int64_t steps = values.size(1);
  Tensors advantages(static_cast<std::size_t>(steps));
  torch::Tensor next = torch::zeros_like(values.select(1, 0)), ahead = next;
  for (std::int64_t t = steps - 1; t >= 0; --t) {
    const auto value = values.select(1, t);
    ahead = trial.rewards.select(1, t) + options.discount * next - value +
            options.discount * options.lambda * ahead;
    next = value;
    advantages[static_cast<std::size_t>(t)] = ahead;
  }
  const auto advantage = torch::stack(advantages, 1);
  return (-trial.log_policy * advantage +
          options.value_weight * (trial.values - values - advantage).square() -
          options.entropy * trial.entropy)
      .mean();
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
      : Learner(request), options_(options), actions_(request.inputs.target_width) {
    CUTTLE_VALIDATE(kind_->score_name() == "return",
                    "adapt.algorithm: rl2 acts in environments; set episode.target: return and a "
                    "source of them, such as bandits");
    CUTTLE_VALIDATE(objectives_->empty(),
                    "objectives: rl2 has no samples that they could look at; remove them");
    const std::int64_t h = options.hidden;
    const auto add = [&](const std::string& name, std::vector<std::int64_t> shape,
                         Init init = Init::kFanIn) {
      return static_cast<std::size_t>(own_array(request.layout, name, std::move(shape), init));
    };
    const std::int64_t seen = width_as_one(model_->fusion()) + actions_ + 2;
    in_ = add("memory.in", {3 * h, seen});
    back_ = add("memory.back", {3 * h, h});
    in_bias_ = add("memory.in_bias", {3 * h}, Init::kZeros);
    back_bias_ = add("memory.back_bias", {3 * h}, Init::kZeros);
    policy_ = add("policy", {actions_, h});
    policy_bias_ = add("policy_bias", {actions_}, Init::kZeros);
    value_ = add("value", {1, h});
    value_bias_ = add("value_bias", {1}, Init::kZeros);
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const auto leaves = as_leaves(parameters.tensors());
    const Batch& query = task.query;
    Statistics seen;
    Context context;
    context.key = task.key;
    context.record = &seen;
    const Trial trial = act(leaves, nothing_known(leaves, query.size), query,
                            before(task.support) + 1, task.key.with(Stream::kModel), context);
    const auto loss = actor_critic_loss(trial, options_);
    const double earned = returns_of(trial, query).mean().item<double>();
    return result_of(gradient_of(loss, leaves, false), {loss, {-earned, earned}}, seen);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    const torch::NoGradGuard no_grad;
    const auto& p = parameters.tensors();
    AgentMemory memory = nothing_known(p, 1);
    if (before(support) > 0)
      memory =
          act(p, memory, support, before(support), key.with(Stream::kModel, 3), in_use()).after;
    return std::make_unique<Agent>(*this, p, std::move(memory));
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t) const override {
    return std::make_unique<Agent>(
        *this, parameters_in(*model_, state),
        AgentMemory{state_entry(state, "memory", options_.hidden).view({1, -1}),
                    state_entry(state, "last", actions_ + 2).view({1, -1})});
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
  AgentMemory nothing_known(const Tensors& p, std::int64_t copies) const {
    return {torch::zeros({copies, options_.hidden}, p[in_].options().requires_grad(false)),
            torch::zeros({copies, actions_ + 2}, p[in_].options().requires_grad(false))};
  }
  /// What the last episode earned, [copies].
  static torch::Tensor returns_of(const Trial& trial, const Batch& batch) {
    const std::int64_t horizon = batch.environment->horizon();
    return trial.rewards.narrow(1, trial.rewards.size(1) - horizon, horizon).sum(1);
  }

  /// `episodes` one after the other, as many copies of the agent as `memory` has; all chance is a
  /// function of the key, whose uses up to two further on are taken.
  Trial act(const Tensors& p, AgentMemory memory, const Batch& batch, std::int64_t episodes,
            const RandomKey& key, const Context& context) const {
    CUTTLE_VALIDATE(batch.environment != nullptr,
                    "adapt.algorithm: rl2 acts in environments, and this task is samples; use a "
                    "source of environments, such as bandits");
    CUTTLE_VALIDATE(static_cast<std::uint64_t>(episodes) < kMostEpisodes,
                    "episode.shot: a trial of {} episodes is too long for rl2, which has room for "
                    "{}; use fewer",
                    episodes, kMostEpisodes - 1);
    const Environment& environment = *batch.environment;
    const std::int64_t copies = memory.state.size(0);
    const auto like = memory.state.options();
    Random random(key.with(key.stream, key.use + 1));
    Tensors logs, entropies, values, rewards;
    for (std::int64_t episode = 0; episode < episodes; ++episode) {
      RandomKey own = key.with(key.stream, key.use + 2);
      own.step = key.step * kMostEpisodes + static_cast<std::uint64_t>(episode);
      const auto course = environment.begin(copies, own);
      for (std::int64_t t = 0; t < environment.horizon(); ++t) {
        const Batch seen = observed(course->observe().to(like), actions_);
        memory.state =
            torch::gru_cell(torch::cat({as_one(model_->embed(p, seen, context)), memory.last}, 1),
                            memory.state, p[in_], p[back_], p[in_bias_], p[back_bias_]);
        const auto log =
            torch::log_softmax(torch::linear(memory.state, p[policy_], p[policy_bias_]), 1);
        const auto actions = draw_actions(log.detach(), random);
        const auto done = torch::tensor(actions, torch::kInt64).unsqueeze(1).to(like.device());
        logs.push_back(log.gather(1, done).squeeze(1));
        entropies.push_back(-(log * log.exp()).sum(1));
        values.push_back(torch::linear(memory.state, p[value_], p[value_bias_]).squeeze(1));
        rewards.push_back(torch::tensor(course->act(actions), torch::kFloat64).to(like));
        const bool last = t + 1 == environment.horizon();
        memory.last = torch::cat(
            {torch::zeros({copies, actions_}, like).scatter(1, done, 1.0),
             rewards.back().unsqueeze(1), torch::full({copies, 1}, last ? 1.0 : 0.0, like)},
            1);
      }
    }
    return {torch::stack(logs, 1), torch::stack(entropies, 1), torch::stack(values, 1),
            torch::stack(rewards, 1), std::move(memory)};
  }

  Options options_;
  std::int64_t actions_;
  std::size_t in_, back_, in_bias_, back_bias_, policy_, policy_bias_, value_, value_bias_;
};

}  // namespace

LearnerType row_of_rl2() {
  return learner_type<Rl2>("a recurrent policy whose memory learns the task, for environments",
                           "Duan et al. 2016");
}

}  // namespace cuttle
