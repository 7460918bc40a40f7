#pragma once

#include <map>
#include <string>

#include "adapt/updates/inner_update.hpp"

namespace cuttle {

/// What the way back wants of an inner loop.
struct WayBack {
  bool needed = false;  ///< back() will be called
  bool graph = false;   ///< with the graph of every step's gradient (second order)
  /// Which parameters and graphs are remembered from the way there; by the usual one all of those
  /// that may be kept.
  std::string keep = "parameters";
};

/// The inner loop of one task, there and back. On the way back every step's point is wanted again,
/// last step first; `keep` says what is remembered (parameters: of ten steps at most). What is not
/// is computed again by the same operations, so the bits do not depend on it.
class Trajectory {
 public:
  /// References must outlive it. `context`: of every pass but for the step.
  Trajectory(const Surface& surface, const InnerUpdate& update, const Batch& support,
             const Context& context, std::int64_t steps, WayBack way_back);

  /// Where the loop ends, without graph.
  InnerUpdate::Moved descend(Tensors theta);
  /// A step again: its point and the state before it.
  struct Step {
    Point point;
    Tensors state;
  };
  /// k = steps - 1, ..., 0, each once, after descend.
  Step back(std::int64_t k);

 private:
  Point point_at(const Tensors& theta, std::int64_t k, bool graph) const;
  /// Takes step k, from a point without graph or with.
  Step step_from(InnerUpdate::Moved& place, std::int64_t k, bool graph) const;

  const Surface& surface_;
  const InnerUpdate& update_;
  const Batch& support_;
  Context context_;
  std::int64_t steps_, stride_;  ///< parameters of every stride-th step are kept
  WayBack way_back_;
  bool all_;
  std::map<std::int64_t, InnerUpdate::Moved> places_;  ///< by step, before its update
  std::map<std::int64_t, Step> steps_kept_;            ///< by step
};

}  // namespace cuttle
