#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "app/loaded_run.hpp"
#include "cuttle/train/calibration.hpp"

namespace cuttle {

/// calibrate() on validation episodes of the run (`parts`: its own, or as in use) like those of
/// `plan`, with a class more; where the validation classes cannot give these, as near as they can,
/// with a warning. `shots`, by class, at most the plan's: of a support set of unequal sizes. Logs
/// what it found; a warning that says why, and nothing, where there are no such episodes (the
/// shards are elsewhere). `progress(done)` is called after each episode.
std::optional<Calibration> calibrate_run(const LoadedRun& run, const Assembly& parts,
                                         EvaluationPlan plan,
                                         const std::vector<std::int64_t>& shots,
                                         const Extensions& extensions,
                                         const std::function<void(std::int64_t)>& progress);

}  // namespace cuttle
