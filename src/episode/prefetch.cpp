#include "cuttle/episode/prefetch.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/timer.hpp"

namespace cuttle {

struct EpisodePrefetcher::Impl {
  Impl(const Dataset& dataset, const EpisodePlanner& episode_planner, Sequence keys,
       int queue_depth)
      : data(dataset),
        planner(episode_planner),
        sequence(std::move(keys)),
        depth(static_cast<std::size_t>(queue_depth)) {}

  std::vector<Episode> read(std::int64_t i) const {
    std::vector<Episode> episodes;
    for (const RandomKey& key : sequence(i))
      episodes.push_back(materialise(data, planner.plan(key)));
    return episodes;
  }

  /// The background thread: fills the queue until the sequence ends, reading fails, or stop is
  /// asked for.
  void run() {
    for (std::int64_t i = 0; wait_for_room(); ++i) {
      std::vector<Episode> episodes;
      std::exception_ptr problem;
      try {
        episodes = read(i);
      } catch (...) {
        problem = std::current_exception();
      }
      const std::lock_guard<std::mutex> lock(mutex);
      failure = problem;
      ended = problem || episodes.empty();
      if (!ended) queue.push_back(std::move(episodes));
      filled.notify_one();
      if (ended) return;
    }
  }

  /// False: stop.
  bool wait_for_room() {
    std::unique_lock<std::mutex> lock(mutex);
    room.wait(lock, [&] { return stop || queue.size() < depth; });
    return !stop;
  }

  std::vector<Episode> take() {
    std::unique_lock<std::mutex> lock(mutex);
    filled.wait(lock, [&] { return ended || !queue.empty(); });
    if (queue.empty()) {
      if (failure) std::rethrow_exception(failure);
      return {};
    }
    std::vector<Episode> episodes = std::move(queue.front());
    queue.pop_front();
    room.notify_one();
    return episodes;
  }

  const Dataset& data;
  const EpisodePlanner& planner;
  const Sequence sequence;
  const std::size_t depth;
  double waited = 0.0;    // of the caller's thread alone, as is
  std::int64_t next = 0;  // what next() reads itself at depth 0

  std::mutex mutex;  // guards what follows
  std::condition_variable filled, room;
  std::deque<std::vector<Episode>> queue;
  std::exception_ptr failure;
  bool ended = false, stop = false;

  std::thread thread;
};

EpisodePrefetcher::EpisodePrefetcher(const Dataset& data, const EpisodePlanner& planner,
                                     Sequence sequence, int depth) {
  CUTTLE_VALIDATE(depth >= 0, "data.prefetch is {} (it counts micro-batches); use 0 or more",
                  depth);
  impl_ = std::make_unique<Impl>(data, planner, std::move(sequence), depth);
  if (depth > 0) impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

EpisodePrefetcher::~EpisodePrefetcher() {
  if (!impl_->thread.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->room.notify_one();
  impl_->thread.join();
}

std::vector<Episode> EpisodePrefetcher::next() {
  const Timer timer;
  std::vector<Episode> episodes = impl_->depth > 0 ? impl_->take() : impl_->read(impl_->next);
  if (!episodes.empty()) ++impl_->next;
  impl_->waited += timer.seconds();
  return episodes;
}

double EpisodePrefetcher::seconds_waited() const {
  return impl_->waited;
}

}  // namespace cuttle
