#include "adapt/learners/recurrent_agent.hpp"

#include <torch/types.h>

#include <utility>

#include "adapt/embed.hpp"
#include "adapt/learners/policy_gradient.hpp"

namespace cuttle {

RecurrentAgent::RecurrentAgent(ParameterLayout& layout, std::shared_ptr<const Model> model,
                               std::int64_t actions, const AgentOptions& options, bool values)
    : model_(std::move(model)), actions_(actions), options_(options) {
  const std::int64_t hidden = options.hidden;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape,
                       Init init = Init::kFanIn) {
    return static_cast<std::size_t>(own_array(layout, name, std::move(shape), init));
  };
  in_ = add("memory.in", {3 * hidden, width_as_one(model_->fusion()) + last()});
  back_ = add("memory.back", {3 * hidden, hidden});
  in_bias_ = add("memory.in_bias", {3 * hidden}, Init::kZeros);
  back_bias_ = add("memory.back_bias", {3 * hidden}, Init::kZeros);
  policy_ = add("policy", {actions_, hidden});
  policy_bias_ = add("policy_bias", {actions_}, Init::kZeros);
  if (!values) return;
  value_ = own_array(layout, "value", {1, hidden});
  value_bias_ = own_array(layout, "value_bias", {1}, Init::kZeros);
}

AgentMemory RecurrentAgent::nothing_known(const Tensors& p, std::int64_t copies) const {
  const auto like = p[in_].options().requires_grad(false);
  return {torch::zeros({copies, hidden()}, like), torch::zeros({copies, last()}, like)};
}

Trial RecurrentAgent::act(const Tensors& p, AgentMemory memory, const Environment& environment,
                          std::int64_t episodes, const RandomKey& key,
                          const Context& context) const {
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
      if (value_ >= 0)
        values.push_back(
            torch::linear(memory.state, parameter_at(p, value_), parameter_at(p, value_bias_))
                .squeeze(1));
      rewards.push_back(torch::tensor(course->act(actions), torch::kFloat64).to(like));
      const bool last = t + 1 == environment.horizon();
      memory.last = torch::cat({torch::zeros({copies, actions_}, like).scatter(1, done, 1.0),
                                options_.reward_scale * rewards.back().unsqueeze(1),
                                torch::full({copies, 1}, last ? 1.0 : 0.0, like)},
                               1);
    }
  }
  return {torch::stack(logs, 1), torch::stack(entropies, 1), torch::stack(rewards, 1),
          values.empty() ? torch::Tensor() : torch::stack(values, 1), std::move(memory)};
}

}  // namespace cuttle
