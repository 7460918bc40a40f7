#include <torch/types.h>

#include "task/rows.hpp"
#include "task/sources/environments.hpp"

namespace cuttle {
namespace {

/// Arms that pay 1 with a chance of their own, else nothing. There is nothing to see: a one.
class Bandit final : public Environment {
 public:
  Bandit(const RandomKey& key, std::int64_t arms, std::int64_t horizon)
      : Environment(key), horizon_(horizon) {
    Random random(key);
    for (std::int64_t a = 0; a < arms; ++a) chances_.push_back(random.uniform());
  }
  std::int64_t actions() const override { return static_cast<std::int64_t>(chances_.size()); }
  std::int64_t horizon() const override { return horizon_; }
  std::unique_ptr<Course> begin(std::int64_t episodes, const RandomKey& key) const override {
    return std::make_unique<Pulls>(chances_, episodes, key);
  }

 private:
  class Pulls final : public Course {
   public:
    Pulls(const std::vector<double>& chances, std::int64_t episodes, const RandomKey& key)
        : chances_(chances), episodes_(episodes), random_(key) {}
    torch::Tensor observe() const override { return torch::ones({episodes_, 1}); }
    std::vector<double> act(const std::vector<std::int64_t>& actions) override {
      std::vector<double> rewards;
      for (const std::int64_t a : actions)
        rewards.push_back(random_.uniform() < chances_[static_cast<std::size_t>(a)] ? 1.0 : 0.0);
      return rewards;
    }

   private:
    const std::vector<double>& chances_;
    std::int64_t episodes_;
    Random random_;
  };

  std::vector<double> chances_;
  std::int64_t horizon_;
};

struct BanditOptions : HorizonOptions {
  std::int64_t arms = 5;
  void keys(Keys& keys) {
    keys.add("arms", arms, between(2, 1000), "to choose from");
    HorizonOptions::keys(keys);
  }
};

/// Bernoulli bandits whose chances are uniform in [0, 1] (Duan et al. 2016, "RL^2", section 3.1).
class Bandits final : public EnvironmentSource {
 public:
  using Options = BanditOptions;
  Bandits(const SourceRequest& request, const Options& options)
      : EnvironmentSource(request, options.horizon), options_(options) {}

 private:
  std::shared_ptr<const Environment> draw(const RandomKey& key) const override {
    return std::make_shared<const Bandit>(key, options_.arms, options_.horizon);
  }
  Options options_;
};

}  // namespace

SourceType row_of_bandits() {
  return environment_type<Bandits>("arms that pay 1 with unknown chances, to act in",
                                   "Duan et al. 2016", [](const Section& section) {
                                     return TaskInputs{{vector_of("state", 1)},
                                                       options_of<BanditOptions>(section).arms};
                                   });
}

}  // namespace cuttle
