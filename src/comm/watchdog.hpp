#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "comm/collective.hpp"

namespace cuttle {

/// The option, if a deadline can be kept; UserError else.
double checked_deadline(double seconds);

/// A moment that a wait may not pass.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Deadline(double seconds);
  bool passed() const { return Clock::now() >= end_; }
  Clock::time_point end() const { return end_; }

 private:
  Clock::time_point end_;
};

/// What is known of another rank when the deadline of a collective passes.
struct Attendance {
  int rank;
  bool arrived;       ///< it takes part in the collective
  std::string doing;  ///< completes "rank 3: ..."
};

/// In place of the seconds waited: a rank ended, so waiting on would be vain.
constexpr double kEndedEarly = -1.0;

/// Says why a collective is given up: its name, the ranks that did not arrive and what each is
/// doing. `waited_s`: the deadline, or kEndedEarly. The text of a PeerLost.
std::string lost_message(const Collective& what, double waited_s,
                         const std::vector<Attendance>& others);

/// Gives way to others while polling: spins for a moment (the common case: everybody is there),
/// then yields, then sleeps, so that ranks that share a core progress.
class Patience {
 public:
  void rest(bool may_sleep);
  void reset() { rests_ = 0; }
  bool spinning() const { return rests_ < kSpins; }

 private:
  static constexpr int kSpins = 200;
  static constexpr int kYields = 2000;
  int rests_ = 0;
};

}  // namespace cuttle
