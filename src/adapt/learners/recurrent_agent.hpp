#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "adapt/layers.hpp"
#include "cuttle/model/model.hpp"
#include "cuttle/task/environment.hpp"

namespace cuttle {

/// How an agent is built.
struct AgentOptions {
  std::int64_t hidden = 32;  ///< units of its memory
  double reward_scale = 1;   ///< of rewards as it is told of them
};

/// What is known so far, of every copy of an agent.
struct AgentMemory {
  torch::Tensor state;  ///< [copies, hidden]
  torch::Tensor last;   ///< [copies, actions + 2]: what was done, what it earned, scaled, 1 if an
                        ///< episode ended there
};

/// What copies of an agent did, [copies, steps] each.
struct Trial {
  torch::Tensor log_policy, entropy, rewards;
  torch::Tensor values;  ///< undefined of agents that expect none
  AgentMemory after;
};

/// A policy with a memory, a GRU on the model's embedding of what is seen and on what it did and
/// earned; and, if asked for, the value that it expects.
class RecurrentAgent {
 public:
  /// Its parameters go to `layout`.
  RecurrentAgent(ParameterLayout& layout, std::shared_ptr<const Model> model, std::int64_t actions,
                 const AgentOptions& options, bool values);

  AgentMemory nothing_known(const Tensors& p, std::int64_t copies) const;
  /// Widths of a copy's memory.
  std::int64_t hidden() const { return options_.hidden; }
  std::int64_t last() const { return actions_ + 2; }

  /// `episodes` one after the other, as many copies of the agent as `memory` has; all chance is a
  /// function of the key, whose uses up to two further on are taken.
  Trial act(const Tensors& p, AgentMemory memory, const Environment& environment,
            std::int64_t episodes, const RandomKey& key, const Context& context) const;
  /// Episodes of a trial that chance can be told apart by.
  static constexpr std::uint64_t kMostEpisodes = 4096;

 private:
  std::shared_ptr<const Model> model_;
  std::int64_t actions_;
  AgentOptions options_;
  std::size_t in_, back_, in_bias_, back_bias_, policy_, policy_bias_;
  std::int64_t value_ = -1, value_bias_ = -1;
};

}  // namespace cuttle
