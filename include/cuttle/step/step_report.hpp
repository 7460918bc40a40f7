#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cuttle {

struct NamedValue {
  std::string name;
  double value = 0.0;
};

/// Seconds that this rank spent in the parts of one step.
struct StepTime {
  double read_s = 0.0;    ///< waiting for planned and read episodes, making tensors of them
  double adapt_s = 0.0;   ///< inner loops and meta-gradients
  double reduce_s = 0.0;  ///< vote and sums, waiting for slower ranks included
  double step_s = 0.0;    ///< clipping and optimizer
  double total_s = 0.0;   ///< of the whole step; tasks / total_s is the speed
};

/// One outer step, equal on all ranks and world sizes except for `time`.
struct StepReport {
  std::int64_t step = 0;           ///< outer steps done, this one included
  bool applied = false;            ///< false: the policy on non-finite tasks skipped the step
  std::int64_t tasks = 0;          ///< good tasks over all ranks
  std::int64_t skipped = 0;        ///< tasks that were not finite
  std::string skipped_note;        ///< their ranks and names (the first few), for the log
  std::vector<NamedValue> values;  ///< means over the good tasks, as Learner::reports
  double gradient_norm = 0.0;      ///< of the mean gradient, before clipping
  double outer_lr = 0.0;
  std::int64_t request = 0;  ///< highest signal request of any rank (core/signals.hpp)
  StepTime time;
};

}  // namespace cuttle
