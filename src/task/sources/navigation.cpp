#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "task/rows.hpp"
#include "task/sources/environments.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kDirections = 8;
constexpr double kStride = 0.1;

/// A point that starts at the origin and shall reach a goal that it does not see: an action is a
/// step of 0.1 in one of eight directions, the reward minus the squared distance afterwards.
class Plane final : public Environment {
 public:
  Plane(const RandomKey& key, std::int64_t horizon) : Environment(key), horizon_(horizon) {
    Random random(key);
    for (double& side : goal_) side = random.uniform() - 0.5;
  }
  std::int64_t actions() const override { return kDirections; }
  std::int64_t horizon() const override { return horizon_; }
  std::unique_ptr<Course> begin(std::int64_t episodes, const RandomKey&) const override {
    return std::make_unique<Walk>(goal_, episodes);
  }

 private:
  class Walk final : public Course {
   public:
    Walk(const double* goal, std::int64_t episodes)
        : goal_(goal), places_(torch::zeros({episodes, 2}, torch::kFloat64)) {}
    torch::Tensor observe() const override { return places_.to(torch::kFloat32); }
    std::vector<double> act(const std::vector<std::int64_t>& actions) override {
      std::vector<double> rewards;
      auto* place = places_.data_ptr<double>();
      for (const std::int64_t action : actions) {
        const double angle = 2 * M_PI * static_cast<double>(action) / kDirections;
        const double x = *place++ += kStride * std::cos(angle);
        const double y = *place++ += kStride * std::sin(angle);
        rewards.push_back(-(x - goal_[0]) * (x - goal_[0]) - (y - goal_[1]) * (y - goal_[1]));
      }
      return rewards;
    }

   private:
    const double* goal_;
    torch::Tensor places_;
  };

  double goal_[2];
  std::int64_t horizon_;
};

/// Goals uniform in the square of side 1 around the origin (Finn, Abbeel, Levine 2017, section 5.3;
/// there velocities are continuous, and an episode ends at the goal).
class Navigation final : public EnvironmentSource {
 public:
  using Options = HorizonOptions;
  Navigation(const SourceRequest& request, const Options& options)
      : EnvironmentSource(request, options.horizon), options_(options) {}

 private:
  std::shared_ptr<const Environment> draw(const RandomKey& key) const override {
    return std::make_shared<const Plane>(key, options_.horizon);
  }
  Options options_;
};

}  // namespace

SourceType row_of_navigation() {
  return environment_type<Navigation>(
      "a goal in the plane that is not seen, to walk to", "Finn, Abbeel, Levine 2017",
      [](const Section&) { return TaskInputs{{vector_of("state", 2)}, kDirections}; });
}

}  // namespace cuttle
