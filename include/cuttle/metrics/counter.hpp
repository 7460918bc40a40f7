#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "cuttle/core/timer.hpp"
#include "cuttle/metrics/sink.hpp"

namespace cuttle {

/// How far a long work is, on one line of a terminal that refreshes itself and is gone at the end;
/// nothing where the console is no terminal. One thread, of the rank that has the console.
class Counter {
 public:
  /// `total` of `what`, say "episodes"; both for the line.
  Counter(const Console& console, std::int64_t total, std::string what);
  ~Counter();
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  void update(std::int64_t done);
  /// A function that is told what this rank has done, one of `ranks` with about equal shares.
  std::function<void(std::int64_t)> share_of(int ranks);

 private:
  Console console_;
  std::int64_t total_;
  std::string what_;
  Timer clock_;
  double shown_s_ = 0;
  bool open_ = false;
};

/// "12 of 48 episodes (25 %), 6 a second, 6 s left".
std::string describe_count(std::int64_t done, std::int64_t total, const std::string& what,
                           double seconds);

}  // namespace cuttle
