#pragma once

#include <torch/types.h>

#include <cstdint>

#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// Everything that a run carries from one outer step to the next; the same on all ranks, and all
/// that a checkpoint needs besides the config. No generator state: randomness is a function of
/// (seed, step, slot).
struct TrainState {
  explicit TrainState(ParameterList initial)
      : parameters(std::move(initial)),
        first_moment(torch::zeros_like(parameters.flat())),
        second_moment(torch::zeros_like(parameters.flat())) {}

  ParameterList parameters;
  torch::Tensor first_moment;   ///< Adam's m, or SGD's velocity; flat
  torch::Tensor second_moment;  ///< Adam's v; flat
  std::int64_t step = 0;        ///< outer steps taken, skipped ones included
  std::int64_t updates = 0;     ///< outer steps applied
  std::int64_t tasks = 0;       ///< good tasks seen
  std::int64_t skipped_tasks = 0;
};

}  // namespace cuttle
