#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/config/type.hpp"

namespace cuttle {

/// A run of parameters in one outer step, as views of the flat buffers.
struct OptimizerStretch {
  torch::Tensor values;              ///< to be changed in place
  torch::Tensor gradient;            ///< the mean over tasks, clipped; not to be changed
  std::vector<torch::Tensor> slots;  ///< as Optimizer::slots() names them; changed in place
  double rate;                       ///< learning rate of these parameters in this step
  std::int64_t updates;              ///< 1 in the first update of a run, 2 in the next, ...
};

/// A rule of outer updates: no state of its own. What it keeps from update to update lives in
/// slots, one number per parameter and slot, which are zeros at first and part of checkpoints.
/// Clipping, schedule, weight decay and bounds are not its business.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Names of the slots, none or more: letters, digits and _; arrays in checkpoints are called
  /// "<slot>.<parameter>".
  virtual std::vector<std::string> slots() const = 0;
  /// One update, each element by itself: a stretch may hold many parameters, or a part of what was
  /// learned. Same inputs, same bits.
  virtual void update(const OptimizerStretch& stretch) const = 0;
};

/// What an optimizer is built from.
struct OptimizerRequest {
  const Section& section;
};
using OptimizerType = Type<Optimizer, OptimizerRequest>;

/// In step/optimizers, one file each.
std::map<std::string, OptimizerType> builtin_optimizers();

}  // namespace cuttle
