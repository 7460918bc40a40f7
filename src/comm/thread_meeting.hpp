#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "comm/collective.hpp"
#include "comm/watchdog.hpp"

namespace cuttle {

using Payload = std::variant<std::vector<std::int64_t>, std::vector<std::uint8_t>, std::string>;

/// One collective of thread ranks: what each brought. Written under the meeting's lock until all
/// arrived, only read after that; the last rank's handle frees it.
struct Gathering {
  std::vector<Collective> what;   ///< by rank
  std::vector<Payload> payloads;  ///< by rank
  std::vector<bool> here;         ///< by rank
  int arrived = 0;
  std::string lost;  ///< why a rank gave up: then nobody gets the result, whoever arrives later
};

/// Where the thread ranks of one run_thread_ranks call meet; shared by all of them, outlives them.
class ThreadMeeting {
 public:
  ThreadMeeting(int ranks, double deadline_s);
  int ranks() const { return ranks_; }

  /// Hands in one rank's part of its next collective and returns at once.
  std::shared_ptr<Gathering> arrive(int rank, Collective what, Payload payload);

  /// Blocks until all ranks are in the gathering. Throws Error if they mean different collectives;
  /// PeerLost if an absent rank left or the deadline passes. The caller then counts as gone, and no
  /// other rank gets this result either.
  void wait(int rank, Gathering& gathering);

  /// `rank` takes part in no further collective; releases those that wait for it. `why`: "rank 3:
  /// WHY".
  void leave(int rank, const std::string& why);

 private:
  std::vector<Attendance> attendance(const Gathering& gathering) const;  // needs the lock
  bool somebody_left(const Gathering& gathering) const;                    // needs the lock

  const int ranks_;
  const double deadline_s_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, std::shared_ptr<Gathering>>
      open_;                       // by sequence: somebody is still to come
  std::vector<std::string> left_;  // by rank: why it left, or empty
  std::vector<std::string> last_;  // by rank: its latest collective
};

}  // namespace cuttle
