#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cuttle/task/prefetch.hpp"
#include "cuttle/task/schedule.hpp"
#include "cuttle/task/task.hpp"

namespace cuttle {

/// The tasks of one rank, micro-batch after micro-batch, outer step after outer step: named by
/// (seed, step, slot), made ahead by the prefetch thread. Which rank has which task follows from
/// their costs; what a task is does not depend on the rank.
class TaskStream {
 public:
  struct Place {
    std::uint64_t seed = 0;
    std::int64_t first_step = 0;  ///< where a resumed run goes on
    int rank = 0, size = 1;
  };
  /// What a task of this size costs (Learner::cost); only ratios matter. Any thread.
  using Cost = std::function<double(const EpisodeSize&)>;
  /// Tasks go to `device`. `source`, and what `cost` refers to, must outlive the stream.
  TaskStream(const TaskSource& source, Cost cost, const EpisodeOptions& episode, int prefetch,
             const Place& place, torch::Device device);

  /// Micro-batches that this rank has in an outer step (0 for an idle rank).
  std::int64_t micro_batches_in(std::int64_t step) const {
    return static_cast<std::int64_t>(schedule_(step).size());
  }
  /// The next micro-batch's tasks, on the device. Rethrows read errors.
  std::vector<Task> next();
  double seconds_waited() const { return prefetcher_.seconds_waited(); }

 private:
  using Schedule = std::function<std::vector<MicroBatch>(std::int64_t step)>;

  static Schedule schedule_of(const TaskSource& source, Cost cost, const EpisodeOptions& episode,
                              const Place& place);

  torch::Device device_;
  Schedule schedule_;
  Prefetcher<Task> prefetcher_;
};

}  // namespace cuttle
