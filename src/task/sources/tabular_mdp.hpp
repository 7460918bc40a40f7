#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cuttle/task/environment.hpp"

namespace cuttle {

/// A Markov decision process with tables: start in state 0; in state s, action a gives reward r(s,
/// a) and leads to state s' with probability p(s' | s, a). States are seen as one-hot vectors.
class TabularMdp final : public Environment {
 public:
  TabularMdp(const RandomKey& key, std::int64_t states, std::int64_t actions, std::int64_t horizon);

  std::int64_t actions() const override { return actions_; }
  std::int64_t horizon() const override { return horizon_; }
  std::unique_ptr<Course> begin(std::int64_t episodes, const RandomKey& key) const override;

  std::int64_t states() const { return states_; }
  double reward(std::int64_t s, std::int64_t a) const { return rewards_[cell(s, a)]; }
  double transition(std::int64_t s, std::int64_t a, std::int64_t next) const {
    return transitions_[cell(s, a) * static_cast<std::size_t>(states_) +
                        static_cast<std::size_t>(next)];
  }

 private:
  std::size_t cell(std::int64_t s, std::int64_t a) const {
    return static_cast<std::size_t>(s * actions_ + a);
  }

  std::int64_t states_, actions_, horizon_;
  std::vector<double> rewards_;      ///< [states, actions]
  std::vector<double> transitions_;  ///< [states, actions, states]
};

}  // namespace cuttle
