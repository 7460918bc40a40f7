#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "cuttle/core/span.hpp"
#include "cuttle/step/optimizer.hpp"
#include "cuttle/step/options.hpp"
#include "cuttle/step/train_state.hpp"

namespace cuttle {

/// The outer update, on the flat buffers: clipping, schedule, decoupled weight decay (Loshchilov
/// and Hutter 2019), then the config's optimizer, then bounds. Same inputs, same bits: every rank
/// applies it alone.
class OuterOptimizer {
 public:
  /// `total_steps`: the horizon of the cosine schedule; `types`: what `options.optimizer` may name.
  /// UserError for an unknown word.
  OuterOptimizer(const StepOptions& options, std::int64_t total_steps,
                 const std::map<std::string, OptimizerType>& types);

  /// The state before the first step, with the slots that the optimizer wants.
  TrainState start(ParameterList initial) const;
  /// Learning rate of outer step `step` (0, 1, ...).
  double learning_rate(std::int64_t step) const;
  /// Applies the step's mean (ParameterLayout::reduced) to `state` in place and counts the update:
  /// statistics move towards what tasks observed, learned parameters down the gradient, each by its
  /// OuterRule. Returns the gradient's L2 norm before clipping.
  double apply(TrainState& state, Span<const float> mean) const;

 private:
  StepOptions options_;
  std::int64_t total_steps_;
  std::unique_ptr<const Optimizer> optimizer_;
};

}  // namespace cuttle
