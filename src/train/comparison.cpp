#include "cuttle/train/evaluator.hpp"

#include <torch/types.h>

#include <deque>

#include "cuttle/core/error.hpp"
#include "cuttle/task/schedule.hpp"
#include "train/query_outputs.hpp"

namespace cuttle {
namespace {

/// Support and query of an episode by name: indices mean nothing across data sets.
std::vector<std::string> names_of(const Dataset& data, const EpisodePlan& episode) {
  std::vector<std::string> names;
  for (const auto* samples : {&episode.support, &episode.query})
    for (const std::int64_t sample : *samples) names.push_back(data.sample_name(sample));
  return names;
}

/// One episode, parameters on the models' devices: every contender's accuracy and that of the
/// others' mean logits; then how far the first is ahead of each of these.
std::vector<float> row_of(const std::vector<Contender>& contenders,
                          const std::vector<EpisodePlan>& episodes, std::deque<SampleCache>& kept) {
  const auto score = [](const TaskKind& kind, const torch::Tensor& outputs, const Batch& batch) {
    return static_cast<float>(kind.measure(outputs, batch).at(kind.score_column() - 1));
  };
  std::vector<float> row;
  torch::Tensor others;
  Batch query;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    const auto& [data, learner, parameters, name] = contenders[i];
    const Task task = make_task(learner.model(), materialise(data, episodes[i]), &kept[i]);
    const auto logits = query_outputs(learner, parameters, task);
    query = task.query;
    row.push_back(score(learner.kind(), logits, query));
    if (i > 0) others = i == 1 ? logits : others + logits;
  }
  // A sum orders classes as the mean does.
  row.push_back(score(contenders[0].learner.kind(), others, query));
  for (std::size_t i = 1; i <= contenders.size(); ++i) row.push_back(row[0] - row[i]);
  return row;
}

}  // namespace

ComparisonReport compare(Communicator& comm, const std::vector<Contender>& contenders,
                         const EvaluationPlan& plan,
                         const std::function<void(std::int64_t)>& progress) {
  const std::size_t count = contenders.size();
  CUTTLE_EXPECT(count >= 2);
  std::vector<std::vector<float>> rows;
  together(comm, "comparison", [&] {
    std::vector<EpisodePlanner> planners;
    std::deque<SampleCache> kept;
    std::deque<ParameterList> moved;
    std::vector<Contender> there;
    for (const auto& [data, learner, parameters, name] : contenders) {
      planners.emplace_back(data, plan.split, plan.episode);
      kept.emplace_back(learner.model(), parameters, false);
      moved.push_back(parameters.on(learner.model().device()));
      there.push_back({data, learner, moved.back(), name});
    }
    for (const auto& slot : micro_batches_of(plan.episodes, 1, comm.rank(), comm.size())) {
      std::vector<EpisodePlan> episodes;
      for (std::size_t i = 0; i < count; ++i) {
        episodes.push_back(planners[i].plan(evaluation_key(plan, slot.first_slot)));
        CUTTLE_VALIDATE(
            names_of(contenders[i].data, episodes[i]) == names_of(contenders[0].data, episodes[0]),
            "{} draws other samples than {} for episode {} (differences would not be paired); use "
            "runs on the same shards, and complete samples where their senses differ",
            contenders[i].name, contenders[0].name, slot.first_slot);
      }
      rows.push_back(row_of(there, episodes, kept));
      if (progress) progress(static_cast<std::int64_t>(rows.size()));
    }
  });
  const auto means = mean_intervals(comm, "comparison", rows, 2 * count + 1);
  const auto at = [&](std::size_t i) { return means.begin() + static_cast<std::ptrdiff_t>(i); };
  return {{at(0), at(count)}, {at(count + 1), at(2 * count)}, *at(count), *at(2 * count)};
}

}  // namespace cuttle
