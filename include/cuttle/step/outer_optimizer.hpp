#pragma once

#include <cstdint>
#include <vector>

#include "cuttle/core/span.hpp"
#include "cuttle/step/options.hpp"
#include "cuttle/step/train_state.hpp"

namespace cuttle {

/// The outer update, on the flat buffers: clipping, schedule, then Adam (Kingma and Ba 2015,
/// decoupled weight decay as Loshchilov and Hutter 2019) or SGD with momentum. Same inputs, same
/// bits: every rank applies it alone.
class OuterOptimizer {
 public:
  /// `total_steps`: the horizon of the cosine schedule. UserError for an unknown word.
  OuterOptimizer(const StepOptions& options, std::int64_t total_steps);

  /// Learning rate of outer step `step` (0, 1, ...).
  double learning_rate(std::int64_t step) const;
  /// Applies the step's mean (ParameterLayout::reduced) to state.parameters in place and counts the
  /// update: statistics move towards what tasks observed, learned parameters down the gradient,
  /// each by its OuterRule. Returns the gradient's L2 norm before clipping.
  double apply(TrainState& state, Span<const float> mean) const;

 private:
  struct Part;
  void update(const Part& part, double rate, double updates) const;

  StepOptions options_;
  std::int64_t total_steps_;
};

}  // namespace cuttle
