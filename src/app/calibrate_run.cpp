#include "app/calibrate_run.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "cuttle/core/log.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/train/run_data.hpp"

namespace cuttle {
namespace {

/// Validation episodes of these sizes, or of the nearest smaller ones that the data can give.
std::unique_ptr<const TaskSource> source_near(const RunData& data, const Assembly& parts,
                                              EvaluationPlan& plan) {
  const std::int64_t most_way = plan.episode.way, most_shot = plan.episode.shot;
  for (const std::int64_t shot : {most_shot, (most_shot + 1) / 2, std::int64_t{1}})
    for (std::int64_t way = most_way; way >= 2; --way) try {
        plan.episode.shot = shot;
        plan.episode.way = way;
        return data.source(parts, {plan.split, plan.episode, 0.0, true}, nullptr);
      } catch (const UserError&) {
        if (shot == 1 && way == 2) throw;  // it is not the size
      }
  return nullptr;
}

}  // namespace

std::optional<Calibration> calibrate_run(const LoadedRun& run, const Assembly& parts,
                                         EvaluationPlan plan, const Extensions& extensions,
                                         const Console& console) {
  try {
    const auto data = RunData::open(run.config, extensions, &run.inputs);
    ++plan.episode.way;  // one is kept out of the support
    if (data->alone(plan.split) != nullptr) {
      const auto classes = data->alone(plan.split)->classes_of(plan.split).size();
      plan.episode.way = std::min(plan.episode.way, static_cast<std::int64_t>(classes));
    }
    const auto source = source_near(*data, parts, plan);
    CUTTLE_VALIDATE(source != nullptr, "the validation split has {} classes", plan.episode.way);
    const Calibration found = [&] {
      Counter counter(console, plan.episodes, "validation episodes");
      return calibrate(*source, *parts.learner, run.parameters, plan,
                       [&](std::int64_t done) { counter.update(done); });
    }();
    log_info("calibrated on {} validation episodes ({}-way {}-shot): temperature {:.2f}{}",
             found.episodes, found.way, found.shot, found.temperature,
             std::isnan(found.separation)
                 ? ""
                 : fmt::format("; samples of another class are told from these by their distance "
                               "with AUROC {:.2f}",
                               found.separation));
    return found;
  } catch (const UserError& problem) {
    log_warning(
        "not calibrated: {} (probabilities are as the model gives them, and nothing can be "
        "rejected); run it where the run's shards are, or give their place with "
        "'data.shards=[PLACE/*.h5]'",
        problem.what());
    return std::nullopt;
  }
}

}  // namespace cuttle
