#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/task/environment.hpp"

// What happens when a policy (the model: observations to one logit per action) acts, and the
// gradient of what it earns.
namespace cuttle {

/// Episodes that a policy went through, all of the same length.
struct Rollout {
  torch::Tensor observations;  ///< [episodes * steps, width], episode after episode
  torch::Tensor actions;       ///< int64 [episodes * steps]
  torch::Tensor rewards;       ///< [episodes, steps]
};

/// Observations [n, width] as a batch of the model's only modality.
Batch observed(const torch::Tensor& observations, std::int64_t actions);
/// A draw from each row of probabilities softmax(logits [n, actions]).
std::vector<std::int64_t> draw_actions(const torch::Tensor& logits, Random& random);

/// Lets the policy act; all chance is a function of the key. No gradient.
Rollout roll_out(const Model& model, const Tensors& theta, const Environment& environment,
                 std::int64_t episodes, const RandomKey& key, const Context& context);

/// log pi(a_t | s_t) [episodes, steps], with graph.
torch::Tensor log_policy(const Model& model, const Tensors& theta, const Rollout& rollout,
                         const Context& context);

/// What an action is credited with: its generalised advantage, with this baseline as values. With
/// `lambda` 1, what came from it on, less the baseline.
struct Credit {
  std::string baseline = "others";  ///< or "linear"; see advantage.hpp
  double discount = 1, lambda = 1;
  void keys(Keys& keys);
};

/// -1/n sum_i sum_t log pi(a_t | s_t) A_t, whose gradient estimates minus that of the expected
/// return (Williams 1992); without bias if nothing is discounted and `others` are the baseline.
torch::Tensor policy_loss(const torch::Tensor& log_policy, const Rollout& rollout,
                          const Credit& credit);

/// Rollouts at some parameters: step 0, 1, ... before, then after adaptation. Tests enumerate them.
using Actor = std::function<Rollout(const Tensors& theta, std::int64_t step)>;

/// How the policy adapts, and what counts.
struct PolicyLoop {
  std::int64_t steps = 1;
  double rate = 0.1;
  bool second_order = true;
  bool exploration = false;  ///< also credit what was tried before adaptation for what came after
  Credit credit = {};
};

/// The outer gradient of one task, by parameter, and the mean return after adaptation. With
/// theta_{k+1} = theta_k - rate * g(theta_k, tau_k):
///   lambda_K = dS(theta_K, tau_K)/dtheta, S the policy_loss;
///   lambda_k = lambda_{k+1} - rate * H_k lambda_{k+1} [second order]
///            + L(tau_K) d log P(tau_k | theta_k)/dtheta [exploration],
/// H_k of S at fixed episodes, L minus the mean return (Finn et al. 2017, section 3.2; the last
/// term: Stadie et al. 2018, equation 4). With both, and with
/// advantages that are unbiased (of rewards alone), it is an unbiased estimate of the gradient of
/// the expected return after adaptation.
std::pair<Tensors, double> policy_gradient(const Model& model, const Tensors& theta,
                                           const Actor& actor, const PolicyLoop& loop);

}  // namespace cuttle
