#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cuttle/config/run_config.hpp"
#include "cuttle/step/outer_optimizer.hpp"
#include "cuttle/train/assembly.hpp"
#include "cuttle/train/run_data.hpp"

namespace cuttle {

/// A run before its first step, all but its folder and its state. What training and `validate`
/// have in common, so that they refuse the same.
struct PreparedRun {
  std::unique_ptr<RunData> data;
  Assembly parts;
  std::unique_ptr<const OuterOptimizer> optimizer;
  std::string left_out;  ///< what no task can use, for people

  /// The tasks of a split, as training or validation has them.
  std::unique_ptr<const TaskSource> source(const RunConfig& config, Split split,
                                           RunData::Kept* kept) const;
};

/// Carries out a stage, which may throw UserError: on all ranks together, or noting what it said
/// and going on.
using Attempt = std::function<void(std::string_view what, const std::function<void()>& stage)>;

/// Stages that need one that failed are left out, and what they would make is null. Warns of what
/// hardly was meant. Config and extensions must outlive the result; `statistics`: as in
/// RunData::open.
PreparedRun prepare(const RunConfig& config, const Extensions& extensions,
                    const std::vector<ModalitySpec>* statistics, const Attempt& attempt);

}  // namespace cuttle
