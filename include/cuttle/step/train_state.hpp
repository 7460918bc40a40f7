#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// What an optimizer keeps from step to step under one name: a number for each parameter.
struct OptimizerSlot {
  std::string name;
  torch::Tensor values;  ///< flat
};

/// Everything that a run carries from one outer step to the next; the same on all ranks, and all
/// that a checkpoint needs besides the config. No generator state: randomness is a function of
/// (seed, step, slot).
struct TrainState {
  /// Slots of these names, all zeros.
  TrainState(ParameterList initial, const std::vector<std::string>& slot_names)
      : parameters(std::move(initial)) {
    for (const auto& name : slot_names)
      slots.push_back({name, torch::zeros_like(parameters.flat())});
  }

  ParameterList parameters;
  std::vector<OptimizerSlot> slots;  ///< as Optimizer::slots() names them
  std::int64_t step = 0;             ///< outer steps taken, skipped ones included
  std::int64_t updates = 0;          ///< outer steps applied
  std::int64_t tasks = 0;            ///< good tasks seen
  std::int64_t skipped_tasks = 0;
};

}  // namespace cuttle
