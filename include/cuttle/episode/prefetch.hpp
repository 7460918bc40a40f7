#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
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
  Prefetcher(Make make, int depth) : impl_(std::make_unique<Impl>()) {
    CUTTLE_VALIDATE(depth >= 0, "data.prefetch is {} (it counts micro-batches); use 0 or more",
                    depth);
    impl_->make = std::move(make);
    impl_->depth = static_cast<std::size_t>(depth);
    if (depth > 0) impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
  }
  /// Stops and joins the thread; what it has made is dropped.
  ~Prefetcher() {
    if (impl_->thread.joinable()) impl_->end();
  }

  /// The next micro-batch in order; rethrows here what making it threw, after all before it. Empty
  /// after the end.
  std::vector<Item> next() {
    const Timer timer;
    std::vector<Item> items = impl_->depth > 0 ? impl_->take() : impl_->make(impl_->taken);
    if (!items.empty()) ++impl_->taken;
    impl_->waited += timer.seconds();
    return items;
  }
  double seconds_waited() const { return impl_->waited; }  ///< total time that next() took

 private:
  struct Impl {
    /// The background thread: fills the queue until the sequence ends, making fails, or stop is
    /// asked for.
    void run() {
      for (std::int64_t i = 0; wait_for_room(); ++i) {
        std::vector<Item> items;
        std::exception_ptr problem;
        try {
          items = make(i);
        } catch (...) {
          problem = std::current_exception();
        }
        const std::lock_guard<std::mutex> lock(mutex);
        failure = problem;
        ended = problem || items.empty();
        if (!ended) queue.push_back(std::move(items));
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

    std::vector<Item> take() {
      std::unique_lock<std::mutex> lock(mutex);
      filled.wait(lock, [&] { return ended || !queue.empty(); });
      if (queue.empty()) {
        if (failure) std::rethrow_exception(failure);
        return {};
      }
      std::vector<Item> items = std::move(queue.front());
      queue.pop_front();
      room.notify_one();
      return items;
    }

    void end() {
      {
        const std::lock_guard<std::mutex> lock(mutex);
        stop = true;
      }
      room.notify_one();
      thread.join();
    }

    Make make;
    std::size_t depth = 0;
    double waited = 0.0;     // of the caller's thread alone, as is
    std::int64_t taken = 0;  // what next() makes itself at depth 0

    std::mutex mutex;  // guards what follows
    std::condition_variable filled, room;
    std::deque<std::vector<Item>> queue;
    std::exception_ptr failure;
    bool ended = false, stop = false;

    std::thread thread;
  };
  std::unique_ptr<Impl> impl_;
};

}  // namespace cuttle
