#include "cuttle/task/task_stream.hpp"

#include <torch/types.h>

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

TaskStream::Schedule TaskStream::schedule_of(const TaskSource& source, Cost cost,
                                             const EpisodeOptions& episode, const Place& place) {
  return [&source, cost = std::move(cost), place, total = episode.meta_batch_size,
          micro_batch = episode.micro_batch](std::int64_t step) {
    std::vector<double> costs;
    for (std::int64_t slot = 0; slot < total; ++slot)
      costs.push_back(cost(source.size(key_of(place, step, slot))));
    return balanced_micro_batches(costs, micro_batch, place.rank, place.size);
  };
}

TaskStream::TaskStream(const TaskSource& source, Cost cost, const EpisodeOptions& episode,
                       int prefetch, const Place& place, torch::Device device)
    : device_(device),
      schedule_(schedule_of(source, std::move(cost), episode, place)),
      prefetcher_(
          [&source, next_keys = sequence_of(schedule_, place)](std::int64_t) mutable {
            std::vector<Task> tasks;
            for (const RandomKey& key : next_keys()) tasks.push_back(source.make(key));
            return tasks;
          },
          prefetch) {}

std::vector<Task> TaskStream::next() {
  auto tasks = prefetcher_.next();
  for (Task& task : tasks) task = task.on(device_);
  return tasks;
}

}  // namespace cuttle
