#include "adapt/learners/policy_gradient.hpp"

#include <torch/types.h>

#include <utility>

#include "adapt/learners/advantage.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {

Batch observed(const torch::Tensor& observations, std::int64_t actions) {
  Batch batch;
  batch.size = observations.size(0);
  batch.way = actions;
  batch.modalities.push_back(
      {observations, {}, torch::arange(batch.size, observations.options().dtype(torch::kInt64))});
  return batch;
}

std::vector<std::int64_t> draw_actions(const torch::Tensor& logits, Random& random) {
  const auto chances = torch::softmax(logits.to(torch::kCPU, torch::kFloat64), 1).contiguous();
  const double* chance = chances.data_ptr<double>();
  std::vector<std::int64_t> drawn;
  for (std::int64_t i = 0; i < chances.size(0); ++i, chance += chances.size(1)) {
    double left = random.uniform();
    std::int64_t action = 0;
    while (action + 1 < chances.size(1) && (left -= chance[action]) >= 0) ++action;
    drawn.push_back(action);
  }
  return drawn;
}

Rollout roll_out(const Model& model, const Tensors& theta, const Environment& environment,
                 std::int64_t episodes, const RandomKey& key, const Context& context) {
  const torch::NoGradGuard no_grad;
  const auto like = theta[0].options().requires_grad(false);
  const auto course = environment.begin(episodes, key.with(key.stream, 1));
  Random random(key.with(key.stream, 2));
  Tensors seen, done, earned;
  for (std::int64_t t = 0; t < environment.horizon(); ++t) {
    const auto observations = course->observe().to(like);
    const auto actions = draw_actions(
        model.forward(theta, observed(observations, environment.actions()), context), random);
    seen.push_back(observations);
    done.push_back(torch::tensor(actions, torch::kInt64).to(like.device()));
    earned.push_back(torch::tensor(course->act(actions), torch::kFloat64).to(like));
  }
  return {torch::stack(seen, 1).flatten(0, 1), torch::stack(done, 1).flatten(),
          torch::stack(earned, 1)};
}

torch::Tensor log_policy(const Model& model, const Tensors& theta, const Rollout& rollout,
                         const Context& context) {
  const auto logits =
      model.forward(theta, observed(rollout.observations, model.head_rows()), context);
  return torch::log_softmax(logits, 1)
      .gather(1, rollout.actions.unsqueeze(1))
      .view(rollout.rewards.sizes());
}

void Credit::keys(Keys& keys) {
  keys.add("baseline", baseline, one_of({"others", "linear"}),
           "what an action's rewards are compared with: those of the other episodes at that step, "
           "or values that are fitted, linear in observation and time");
  keys.add("discount", discount, between(0, 1), "of rewards, a step");
  keys.add("gae_lambda", lambda, between(0, 1),
           "of the generalised advantage: 1 goes by rewards alone, less by the baseline's values");
}

torch::Tensor policy_loss(const torch::Tensor& log_policy, const Rollout& rollout,
                          const Credit& credit) {
  const auto to_go = returns_to_go(rollout.rewards, credit.discount);
  const auto values = credit.baseline == "linear" ? linear_baseline(rollout.observations, to_go)
                                                  : others_baseline(to_go);
  const auto advantages =
      generalised_advantages(rollout.rewards, values, credit.discount, credit.lambda);
  return -(log_policy * advantages).sum() / static_cast<double>(to_go.size(0));
}

std::pair<Tensors, double> policy_gradient(const Model& model, const Tensors& theta,
                                           const Actor& actor, const PolicyLoop& loop) {
  struct Step {
    Tensors theta, gradient;
    torch::Tensor log_probability;  ///< of all that was done
  };
  std::vector<Step> steps;
  Tensors place = theta;
  for (std::int64_t k = 0; k < loop.steps; ++k) {
    const Rollout rollout = actor(place, k);
    Step step{as_leaves(place), {}, {}};
    const auto log = log_policy(model, step.theta, rollout, {k});
    step.gradient = gradient_of(policy_loss(log, rollout, loop.credit), step.theta, true);
    step.log_probability = log.sum();
    for (std::size_t i = 0; i < place.size(); ++i)
      if (step.gradient[i].defined())
        place[i] = (step.theta[i] - loop.rate * step.gradient[i]).detach();
    steps.push_back(std::move(step));
  }
  const Rollout after = actor(place, loop.steps);
  const auto leaves = as_leaves(place);
  auto lambda = dense_gradient_of(
      policy_loss(log_policy(model, leaves, after, {loop.steps}), after, loop.credit), leaves);
  const double earned = after.rewards.sum(1).mean().item<double>();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    Tensors outputs, cotangents;
    if (loop.second_order) {
      outputs = step->gradient;
      for (const auto& part : lambda) cotangents.push_back(-loop.rate * part);
    }
    if (loop.exploration) {
      outputs.push_back(step->log_probability);
      cotangents.push_back(torch::full({}, -earned, lambda[0].options()));
    }
    const auto through = vector_jacobian(outputs, step->theta, cotangents);
    for (std::size_t i = 0; i < lambda.size(); ++i) lambda[i] = lambda[i] + through[i];
  }
  return {std::move(lambda), earned};
}

}  // namespace cuttle
