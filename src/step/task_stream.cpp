#include "cuttle/step/task_stream.hpp"

#include <torch/torch.h>

namespace cuttle {
namespace {

RandomKey key_of(const TaskStream::Place& place, std::int64_t step, std::int64_t slot) {
  return {place.seed, Stream::kTrain, static_cast<std::uint64_t>(step),
          static_cast<std::uint32_t>(slot)};
}

/// The keys of this rank's micro-batches, one after the other from `place.first_step` on. Idle
/// ranks are idle in every step.
template <class Schedule>
EpisodePrefetcher::Sequence sequence_of(Schedule schedule, const TaskStream::Place& place) {
  return [schedule, place, step = place.first_step, mine = schedule(place.first_step),
          next = std::size_t{0}](std::int64_t) mutable {
    std::vector<RandomKey> keys;
    if (mine.empty()) return keys;
    if (next == mine.size()) {
      mine = schedule(++step);
      next = 0;
    }
    const MicroBatch& micro = mine[next++];
    for (std::int64_t s = 0; s < micro.count; ++s)
      keys.push_back(key_of(place, step, micro.first_slot + s));
    return keys;
  };
}

}  // namespace

TaskStream::Schedule TaskStream::schedule_of(const EpisodePlanner& planner, const Learner& learner,
                                             const EpisodeOptions& episode, const Place& place) {
  return [&planner, &learner, place, total = episode.meta_batch_size,
          micro_batch = episode.micro_batch](std::int64_t step) {
    std::vector<double> costs;
    for (std::int64_t slot = 0; slot < total; ++slot) {
      const EpisodeSize size = planner.size(key_of(place, step, slot));
      costs.push_back(learner.cost(size.support, size.query));
    }
    return balanced_micro_batches(costs, micro_batch, place.rank, place.size);
  };
}

TaskStream::TaskStream(const Dataset& data, const EpisodePlanner& planner, const Learner& learner,
                       const EpisodeOptions& episode, double modality_dropout, int prefetch,
                       const Place& place, FeatureCache* features)
    : model_(learner.model()),
      features_(features),
      modality_dropout_(modality_dropout),
      schedule_(schedule_of(planner, learner, episode, place)),
      prefetcher_(data, planner, sequence_of(schedule_, place), prefetch) {}

std::vector<Task> TaskStream::next() {
  std::vector<Task> tasks;
  for (const auto& episode : prefetcher_.next()) {
    Task task = make_task(model_, episode, features_);
    // Draws of support and query come from separate streams of the task's key.
    task.support =
        drop_modalities(task.support, modality_dropout_, task.key.with(Stream::kModel, 1));
    task.query = drop_modalities(task.query, modality_dropout_, task.key.with(Stream::kModel, 2));
    tasks.push_back(task.on(model_.device()));
  }
  return tasks;
}

Task make_task(const Model& model, const Episode& episode, FeatureCache* features) {
  return {model.prepare(episode.support, episode.way, features),
          model.prepare(episode.query, episode.way, features), episode.key};
}

}  // namespace cuttle
