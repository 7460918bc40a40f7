#include "adapt/surface/trajectory.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace cuttle {
namespace {

/// Of parameters, however long the loop: for small images twenty sets are a fifth of all memory.
constexpr std::int64_t kMostSets = 10;

std::int64_t stride_of(const std::string& keep, std::int64_t steps) {
  if (keep == "sqrt") return std::llround(std::ceil(std::sqrt(static_cast<double>(steps))));
  return std::max<std::int64_t>(1, (steps + kMostSets - 1) / kMostSets);
}

}  // namespace

Trajectory::Trajectory(const Surface& surface, const InnerUpdate& update, const Batch& support,
                       const Context& context, std::int64_t steps, WayBack way_back)
    : surface_(surface),
      update_(update),
      support_(support),
      context_(context),
      steps_(steps),
      stride_(stride_of(way_back.keep, steps)),
      way_back_(std::move(way_back)),
      all_(way_back_.keep == "all") {}

Point Trajectory::point_at(const Tensors& theta, std::int64_t k, bool graph) const {
  Context context = context_;
  context.inner_step = k;
  return surface_.at(theta, support_, context, graph);
}

Trajectory::Step Trajectory::step_from(InnerUpdate::Moved& place, std::int64_t k,
                                       bool graph) const {
  Step step{point_at(place.theta, k, graph), place.state};
  const torch::NoGradGuard no_grad;
  place = update_.step(step.point, step.state, k);
  return step;
}

InnerUpdate::Moved Trajectory::descend(Tensors theta) {
  all_ =
      all_ || (way_back_.keep == WayBack().keep && surface_.may_be_kept(theta, support_, steps_));
  InnerUpdate::Moved place{theta, update_.fresh(theta)};
  for (std::int64_t k = 0; k < steps_; ++k) {
    const bool keep =
        way_back_.needed && (all_ || k + 1 == steps_);  // the last one is wanted first
    if (way_back_.needed && !keep && k % stride_ == 0) places_[k] = place;
    auto step = step_from(place, k, keep && way_back_.graph);
    if (keep) steps_kept_[k] = std::move(step);
  }
  return place;
}

Trajectory::Step Trajectory::back(std::int64_t k) {
  if (const auto kept = steps_kept_.find(k); kept != steps_kept_.end()) {
    auto step = std::move(kept->second);
    steps_kept_.erase(kept);
    return step;
  }
  const auto before = std::prev(places_.upper_bound(k));
  InnerUpdate::Moved place = before->second;
  // The steps between are passed once: their parameters wait for their turn.
  for (std::int64_t i = before->first; i < k; ++i) {
    step_from(place, i, false);
    places_[i + 1] = place;
  }
  places_.erase(k);
  return {point_at(place.theta, k, way_back_.graph), place.state};
}

}  // namespace cuttle
