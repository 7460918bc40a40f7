#pragma once

#include <optional>

#include "app/loaded_run.hpp"
#include "cuttle/metrics/sink.hpp"
#include "cuttle/train/calibration.hpp"

namespace cuttle {

/// calibrate() on validation episodes of the run (`parts`: its own, or as in use) that are as near
/// to those of `plan`, with a class more, as the validation classes allow. Logs what it found and
/// shows on the console how far it is; a warning that says why, and nothing, where there are no
/// such episodes (the shards are elsewhere).
std::optional<Calibration> calibrate_run(const LoadedRun& run, const Assembly& parts,
                                         EvaluationPlan plan, const Extensions& extensions,
                                         const Console& console);

}  // namespace cuttle
