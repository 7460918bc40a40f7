#include "cuttle/step/task_stream.hpp"

#include <torch/torch.h>

namespace cuttle {
namespace {

/// The keys of this rank's i-th micro-batch since `place.first_step`.
EpisodePrefetcher::Sequence sequence_of(std::vector<MicroBatch> mine,
                                        const TaskStream::Place& place) {
  return [mine = std::move(mine), place](std::int64_t i) {
    std::vector<RandomKey> keys;
    if (mine.empty()) return keys;
    const auto per_step = static_cast<std::int64_t>(mine.size());
    const auto step = static_cast<std::uint64_t>(place.first_step + i / per_step);
    const MicroBatch& micro = mine[static_cast<std::size_t>(i % per_step)];
    for (std::int64_t s = 0; s < micro.count; ++s)
      keys.push_back(
          {place.seed, Stream::kTrain, step, static_cast<std::uint32_t>(micro.first_slot + s)});
    return keys;
  };
}

}  // namespace

TaskStream::TaskStream(const Dataset& data, const EpisodePlanner& planner, const Model& model,
                       const EpisodeOptions& episode, double modality_dropout, int prefetch,
                       const Place& place)
    : model_(model),
      modality_dropout_(modality_dropout),
      mine_(micro_batches_of(episode.meta_batch_size, episode.micro_batch, place.rank, place.size)),
      prefetcher_(data, planner, sequence_of(mine_, place), prefetch) {}

std::vector<Task> TaskStream::next() {
  std::vector<Task> tasks;
  for (const auto& episode : prefetcher_.next()) {
    Task task = make_task(model_, episode);
    // Draws of support and query come from separate streams of the task's key.
    task.support =
        drop_modalities(task.support, modality_dropout_, task.key.with(Stream::kModel, 1));
    task.query = drop_modalities(task.query, modality_dropout_, task.key.with(Stream::kModel, 2));
    tasks.push_back(std::move(task));
  }
  return tasks;
}

Task make_task(const Model& model, const Episode& episode) {
  return {model.prepare(episode.support, episode.way), model.prepare(episode.query, episode.way),
          episode.key};
}

}  // namespace cuttle
