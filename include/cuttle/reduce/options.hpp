#pragma once

#include <string>

namespace cuttle {

struct ReduceOptions {
  /// What a task with a NaN or infinity in its loss or gradient does: fail (the run ends, naming
  /// rank and task) | skip_task (the others go on) | skip_step (nothing is applied in that step).
  std::string on_nonfinite = "fail";
};

}  // namespace cuttle
