#include "task/sources/tabular_mdp.hpp"

#include <torch/types.h>

#include <cmath>

#include "task/rows.hpp"
#include "task/sources/environments.hpp"

namespace cuttle {
namespace {

class TabularCourse final : public Course {
 public:
  TabularCourse(const TabularMdp& mdp, std::int64_t episodes, const RandomKey& key)
      : mdp_(mdp), random_(key), states_(static_cast<std::size_t>(episodes), 0) {}

  torch::Tensor observe() const override {
    return torch::one_hot(torch::tensor(states_, torch::kInt64), mdp_.states()).to(torch::kFloat32);
  }
  std::vector<double> act(const std::vector<std::int64_t>& actions) override {
    std::vector<double> rewards;
    for (std::size_t e = 0; e < states_.size(); ++e) {
      rewards.push_back(mdp_.reward(states_[e], actions[e]));
      double left = random_.uniform();
      std::int64_t next = 0;
      while (next + 1 < mdp_.states() &&
             (left -= mdp_.transition(states_[e], actions[e], next)) >= 0)
        ++next;
      states_[e] = next;
    }
    return rewards;
  }

 private:
  const TabularMdp& mdp_;
  Random random_;
  std::vector<std::int64_t> states_;
};

struct MdpOptions : HorizonOptions {
  std::int64_t states = 10, actions = 5;
  void keys(Keys& keys) {
    keys.add("states", states, between(2, 1000), "of the decision process");
    keys.add("actions", actions, between(2, 100), "in every state");
    HorizonOptions::keys(keys);
  }
};

/// Random Markov decision processes: rewards from N(1, 1), transitions from a flat Dirichlet
/// distribution (Duan et al. 2016, "RL^2", section 3.2).
class TabularMdps final : public EnvironmentSource {
 public:
  using Options = MdpOptions;
  TabularMdps(const SourceRequest& request, const Options& options)
      : EnvironmentSource(request, options.horizon), options_(options) {}

 private:
  std::shared_ptr<const Environment> draw(const RandomKey& key) const override {
    return std::make_shared<const TabularMdp>(key, options_.states, options_.actions,
                                              options_.horizon);
  }
  Options options_;
};

}  // namespace

TabularMdp::TabularMdp(const RandomKey& key, std::int64_t states, std::int64_t actions,
                       std::int64_t horizon)
    : Environment(key), states_(states), actions_(actions), horizon_(horizon) {
  Random random(key);
  for (std::int64_t i = 0; i < states * actions; ++i) {
    rewards_.push_back(1.0 + random.normal());
    double sum = 0;
    const std::size_t first = transitions_.size();
    for (std::int64_t s = 0; s < states; ++s) {
      transitions_.push_back(-std::log1p(-random.uniform()));
      sum += transitions_.back();
    }
    for (std::size_t j = first; j < transitions_.size(); ++j) transitions_[j] /= sum;
  }
}

std::unique_ptr<Course> TabularMdp::begin(std::int64_t episodes, const RandomKey& key) const {
  return std::make_unique<TabularCourse>(*this, episodes, key);
}

SourceType row_of_tabular_mdp() {
  return environment_type<TabularMdps>(
      "random Markov decision processes to act in", "Duan et al. 2016", [](const Section& section) {
        const auto options = options_of<MdpOptions>(section);
        return TaskInputs{{vector_of("state", options.states)}, options.actions};
      });
}

}  // namespace cuttle
