#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/episode/prefetch.hpp"
#include "cuttle/episode/schedule.hpp"
#include "cuttle/model/model.hpp"

namespace cuttle {

/// The tasks of one rank, micro-batch after micro-batch, outer step after outer step: planned from
/// (seed, step, slot), then read, decoded and prepared ahead by the prefetch thread. Which
/// rank has which task follows from what the learner says of their cost; what a task is does not
/// depend on the rank.
class TaskStream {
 public:
  struct Place {
    std::uint64_t seed = 0;
    std::int64_t first_step = 0;  ///< where a resumed run goes on
    int rank = 0, size = 1;
  };
  /// References, and `kept` if given, must outlive the stream.
  TaskStream(const Dataset& data, const EpisodePlanner& planner, const Learner& learner,
             const EpisodeOptions& episode, double modality_dropout, int prefetch,
             const Place& place, SampleCache* kept = nullptr);

  /// Micro-batches that this rank has in an outer step (0 for an idle rank).
  std::int64_t micro_batches_in(std::int64_t step) const {
    return static_cast<std::int64_t>(schedule_(step).size());
  }
  /// The next micro-batch's tasks, on the model's device. Rethrows read errors.
  std::vector<Task> next();
  double seconds_waited() const { return prefetcher_.seconds_waited(); }

 private:
  using Schedule = std::function<std::vector<MicroBatch>(std::int64_t step)>;

  static Schedule schedule_of(const EpisodePlanner& planner, const Learner& learner,
                              const EpisodeOptions& episode, const Place& place);

  torch::Device device_;
  Schedule schedule_;
  Prefetcher<Task> prefetcher_;
};

/// An episode as tensors on the CPU; `kept` as in Model::prepare.
Task make_task(const Model& model, const Episode& episode, SampleCache* kept = nullptr);

}  // namespace cuttle
