#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <vector>

#include "cuttle/core/random.hpp"

namespace cuttle {

/// Mean and (biased) variance of what one norm saw: [C], or [m, C] by sample.
struct Moments {
  torch::Tensor mean, variance;
  std::int64_t samples = 0;  ///< that they are of
  bool of_input = false;     ///< of raw input, whose units nothing after them sees
};

/// What norms saw in one pass, and what statistics parameters should move towards.
class Statistics {
 public:
  /// By norm (its own number), with the graph: what a support set gives to the queries.
  std::map<std::int64_t, Moments> moments;
  /// What a completion shows of a support set, with the graph: Senses::pooled and present.
  std::vector<torch::Tensor> senses;
  torch::Tensor present;

  /// Of a parameter of section kStatistics, by its index in the layout; no graph.
  void observe(std::int64_t parameter, const torch::Tensor& value);
  /// Means over all observations so far, by index.
  std::map<std::int64_t, torch::Tensor> observed() const;

 private:
  struct Sum {
    torch::Tensor total;
    std::int64_t count = 0;
  };
  std::map<std::int64_t, Sum> sums_;
};

/// kTrain: inside a meta-gradient; kUse: adaptation and prediction, where running averages stand
/// for the batch at hand and nothing is dropped.
enum class Mode { kTrain, kUse };

/// What a forward pass may depend on besides parameters and data.
struct Context {
  std::int64_t inner_step =
      0;  ///< how many inner updates the parameters have seen (per-step norms)
  Mode mode = Mode::kTrain;
  RandomKey key = {};                 ///< of the pass: the same key drops the same units again
  const Statistics* given = nullptr;  ///< of the support set, for norms that take theirs from it
  Statistics* record = nullptr;       ///< where norms put what they see; null: nowhere
};

}  // namespace cuttle
