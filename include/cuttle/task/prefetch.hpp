#pragma once

#include <sched.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/core/timer.hpp"

namespace cuttle {

/// Makes micro-batches of tasks ahead on one background thread (the whole sequence is known from
/// the seed), at most `depth` of them; depth 0 makes them in next(). Results do not depend on
/// depth. next() and seconds_waited() belong to one thread.
template <class Item>
class Prefetcher {
 public:
  /// The micro-batch with running number i = 0, 1, 2, ... of this rank; an empty one ends the
  /// sequence. With depth > 0 it is called on the background thread; what it refers to must outlive
  /// the prefetcher.
  using Make = std::function<std::vector<Item>(std::int64_t i)>;

  /// UserError when depth is negative.
  Prefetcher(Make make, int depth) : make_(std::move(make)) {
    CUTTLE_VALIDATE(depth >= 0, "data.prefetch is {} (it counts micro-batches); use 0 or more",
                    depth);
    depth_ = static_cast<std::size_t>(depth);
    if (depth > 0) thread_ = std::thread([this] { run(); });
  }
  /// Stops and joins the thread; what it has made is dropped.
  ~Prefetcher() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    room_.notify_one();
    thread_.join();
  }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// The next micro-batch in order; rethrows here what making it threw, after all before it. Empty
  /// after the end.
  std::vector<Item> next() {
    const Timer timer;
    std::vector<Item> items = depth_ > 0 ? take() : make_(taken_);
    if (!items.empty()) ++taken_;
    waited_ += timer.seconds();
    return items;
  }
  double seconds_waited() const { return waited_; }  ///< total time that next() took

 private:
  /// The background thread: fills the queue until the sequence ends, making fails, or stop is asked
  /// for.
  void run() {
    // Where all cores compute, it waits for its turn instead of taking the core from whoever has
    // just called next(). A kernel that refuses leaves it an ordinary thread.
    const sched_param no_priority{};
    ::sched_setscheduler(0, SCHED_BATCH, &no_priority);
    for (std::int64_t i = 0; wait_for_room(); ++i) {
      std::vector<Item> items;
      std::exception_ptr problem;
      try {
        items = make_(i);
      } catch (...) {
        problem = std::current_exception();
      }
      const std::lock_guard<std::mutex> lock(mutex_);
      failure_ = problem;
      ended_ = problem || items.empty();
      if (!ended_) queue_.push_back(std::move(items));
      filled_.notify_one();
      if (ended_) return;
    }
  }

  /// False: stop.
  bool wait_for_room() {
    std::unique_lock<std::mutex> lock(mutex_);
    room_.wait(lock, [&] { return stop_ || queue_.size() < depth_; });
    return !stop_;
  }

  std::vector<Item> take() {
    std::unique_lock<std::mutex> lock(mutex_);
    filled_.wait(lock, [&] { return ended_ || !queue_.empty(); });
    if (queue_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return {};
    }
    std::vector<Item> items = std::move(queue_.front());
    queue_.pop_front();
    room_.notify_one();
    return items;
  }

  Make make_;
  std::size_t depth_ = 0;
  double waited_ = 0.0;     // of the caller's thread alone, as is
  std::int64_t taken_ = 0;  // what next() makes itself at depth 0

  std::mutex mutex_;  // guards what follows
  std::condition_variable filled_, room_;
  std::deque<std::vector<Item>> queue_;
  std::exception_ptr failure_;
  bool ended_ = false, stop_ = false;

  std::thread thread_;
};

}  // namespace cuttle
