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
auto sequence_of(Schedule schedule, const TaskStream::Place& place) {
  return [schedule, place, step = place.first_step, mine = schedule(place.first_step),
          next = std::size_t{0}]() mutable {
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
                       const Place& place, SampleCache* kept)
    : device_(learner.model().device()),
      schedule_(schedule_of(planner, learner, episode, place)),
      prefetcher_(
          [&data, &planner, &model = learner.model(), modality_dropout, kept,
           next_keys = sequence_of(schedule_, place)](std::int64_t) mutable {
            std::vector<Task> tasks;
            for (const RandomKey& key : next_keys()) {
              Task task = make_task(model, materialise(data, planner.plan(key)), kept);
              // Draws of support and query come from separate streams of the task's key.
              task.support =
                  drop_modalities(task.support, modality_dropout, key.with(Stream::kModel, 1));
              task.query =
                  drop_modalities(task.query, modality_dropout, key.with(Stream::kModel, 2));
              tasks.push_back(std::move(task));
            }
            return tasks;
          },
          prefetch) {}

std::vector<Task> TaskStream::next() {
  auto tasks = prefetcher_.next();
  for (Task& task : tasks) task = task.on(device_);
  return tasks;
}

Task make_task(const Model& model, const Episode& episode, SampleCache* kept) {
  return {model.prepare(episode.support, episode.way, kept),
          model.prepare(episode.query, episode.way, kept), episode.key};
}

}  // namespace cuttle
