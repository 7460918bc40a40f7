#pragma once

#include <functional>
#include <string>

#include "app/loaded_run.hpp"

namespace cuttle {

/// EvaluationPlan::told as JSON lines: each sample of the support, then of the query, of an
/// episode: its class in the shards (`of`), its values where these are asked for (`truth`), and of
/// the query what `predict` tells of it. References outlive it. UserError where tasks are not of
/// samples of this one data set.
std::function<std::string(std::int64_t, const torch::Tensor&)> episode_answers(
    const LoadedRun& run, const Dataset* data, const TaskSource& source,
    const EvaluationPlan& plan);

}  // namespace cuttle
