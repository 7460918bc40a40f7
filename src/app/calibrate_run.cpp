#include "app/calibrate_run.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "cuttle/core/log.hpp"
#include "cuttle/train/run_data.hpp"

namespace cuttle {
namespace {

/// The plan's validation episodes; null if the data cannot give episodes of this size.
std::unique_ptr<const TaskSource> source_of(const RunData& data, const Assembly& parts,
                                            const EvaluationPlan& plan) {
  try {
    return data.source(parts, {plan.split, plan.episode, 0.0, true}, nullptr);
  } catch (const UserError&) {
    return nullptr;
  }
}

/// Validation episodes of the plan's classes, or of as many as the data have, with the plan's shot,
/// or the largest that they have samples for.
std::unique_ptr<const TaskSource> source_near(const RunData& data, const Assembly& parts,
                                              EvaluationPlan& plan) {
  const std::int64_t most = plan.episode.shot;
  const auto with_shot = [&](std::int64_t shot) {
    plan.episode.shot = shot;
    return source_of(data, parts, plan);
  };
  const bool classes = parts.kind->classes();
  for (; plan.episode.way >= (classes ? 2 : 1); --plan.episode.way) {
    if (auto source = with_shot(most)) return source;
    if (!with_shot(1)) continue;
    std::int64_t fits = 1, above = most;
    while (above - fits > 1) {
      const std::int64_t middle = (fits + above) / 2;
      (with_shot(middle) ? fits : above) = middle;
    }
    return with_shot(fits);
  }
  throw UserError(classes ? "the validation split cannot give episodes of two classes"
                          : "the validation split cannot give an episode");
}

std::string say_size(const TaskKind& kind, std::int64_t way, std::int64_t shot) {
  return kind.classes() ? fmt::format("{}-way {}-shot", way, shot) : fmt::format("{}-shot", shot);
}

void say(const Calibration& found, const TaskKind& kind, std::int64_t way, std::int64_t shot) {
  log_info("calibrated on {} validation episodes ({}): temperature {:.2f}{}", found.episodes,
           say_size(kind, found.way, found.shot), found.temperature,
           std::isnan(found.separation)
               ? ""
               : fmt::format("; samples of another class are told from these by their distance "
                             "with AUROC {:.2f}",
                             found.separation));
  if (found.blurred())
    log_warning(
        "known and --reject say little of this model's answers: samples of another class are "
        "about as near as those of their own (chance is AUROC 0.5)");
  constexpr double kNothing = 1000;  // no logits are that large: it makes all classes alike
  if (found.temperature > kNothing)
    log_warning(
        "on these episodes the model's answers are no better than chance (so probabilities of new "
        "samples say nothing either); train it longer, or see what eval says of it");
  if (found.way < way || found.shot < shot)
    log_warning(
        "the validation classes cannot give {} episodes (too few, or too few samples of each), "
        "so probabilities{} are those of {} ones and may be off",
        say_size(kind, way, shot), kind.classes() ? ", known and --reject" : "",
        say_size(kind, found.way, found.shot));
}

}  // namespace

std::optional<Calibration> calibrate_run(const LoadedRun& run, const Assembly& parts,
                                         EvaluationPlan plan,
                                         const std::vector<std::int64_t>& shots,
                                         const Extensions& extensions,
                                         const std::function<void(std::int64_t)>& progress) {
  try {
    const auto data = RunData::open(run.config, extensions, &run.inputs);
    const std::int64_t way = plan.episode.way, shot = plan.episode.shot;
    if (parts.kind->classes()) ++plan.episode.way;  // one is kept out
    if (data->alone(plan.split) != nullptr) {
      const auto classes = data->alone(plan.split)->classes_of(plan.split).size();
      plan.episode.way = std::min(plan.episode.way, static_cast<std::int64_t>(classes));
    }
    const auto source = source_near(*data, parts, plan);
    const Calibration found =
        calibrate(*source, *parts.learner, run.parameters, plan, shots, progress);
    say(found, *parts.kind, way, shot);
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
