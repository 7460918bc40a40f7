#pragma once

#include <map>
#include <string>

#include "adapt/inner_loop.hpp"

namespace cuttle {

/// The inner loop of one task, there and back. On the way back every step's support gradient is
/// wanted again, with its graph, last step first; `keep` (AdaptOptions::keep) says which parameters
/// and graphs are remembered from the way there (parameters: of ten steps at most). What is not is
/// computed again by the same operations, so the bits do not depend on it.
class Trajectory {
 public:
  /// References must outlive it. `way_back`: back() will be called.
  Trajectory(const Model& model, const InnerUpdate& update, const Batch& support,
             const std::string& keep, std::int64_t steps, bool way_back);

  /// theta after all steps, without graph.
  Tensors descend(Tensors theta);
  /// The support gradient at theta_k, with graph; k = steps - 1, ..., 0, each once, after descend.
  SupportGradient back(std::int64_t k);

 private:
  SupportGradient step_from(Tensors& theta, std::int64_t k, bool graph) const;

  const Model& model_;
  const InnerUpdate& update_;
  const Batch& support_;
  std::int64_t steps_, stride_;  ///< parameters of every stride-th step are kept
  bool way_back_, all_;
  std::map<std::int64_t, Tensors> parameters_;         ///< by step, before its update
  std::map<std::int64_t, SupportGradient> gradients_;  ///< by step, with graph
};

}  // namespace cuttle
