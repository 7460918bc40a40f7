#include "comm/watchdog.hpp"

#include <fmt/format.h>

#include <thread>

#include "comm/rank_list.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {

double checked_deadline(double seconds) {
  constexpr double kYear = 365.0 * 86400;  // far from the clock's range
  CUTTLE_VALIDATE(
      seconds > 0 && seconds <= kYear,
      "comm.deadline_s is {} (the bound on how long ranks wait for each other); give a number of "
      "seconds above 0 and up to a year",
      seconds);
  return seconds;
}

Deadline::Deadline(double seconds)
    : end_(Clock::now() +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))) {}

std::string lost_message(const Collective& what, double waited_s,
                         const std::vector<Attendance>& others) {
  std::vector<int> absent;
  std::vector<Saying> sayings;
  for (const auto& other : others) {
    if (other.arrived) continue;
    absent.push_back(other.rank);
    sayings.push_back({other.rank, other.doing});
  }
  const std::string bound = waited_s == kEndedEarly ? "" : fmt::format(" within {} s", waited_s);
  if (absent.empty()) {
    return fmt::format(
        "collective {} did not end{} although all ranks arrived (the network or a rank hangs); "
        "look at the launcher's messages",
        what.describe(), bound);
  }
  return fmt::format(
      "{} did not arrive at collective {}{} ({}); look at the last log lines of {}{}",
      rank_list(absent), what.describe(), bound, group_sayings(sayings, "; "), rank_list(absent),
      waited_s == kEndedEarly ? "" : ", or raise comm.deadline_s if the work takes that long");
}

void Patience::rest(bool may_sleep) {
  if (rests_ < kSpins + kYields) ++rests_;
  if (spinning()) return;
  if (may_sleep && rests_ >= kSpins + kYields) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  } else {
    std::this_thread::yield();
  }
}

}  // namespace cuttle
