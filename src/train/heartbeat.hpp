#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cuttle/core/timer.hpp"

namespace cuttle {

/// RUN/heartbeat.json, one JSON object for monitors and `cuttle inspect`: what the run is doing,
/// which step is done, when that was written, where. The loop itself writes it, so that a loop that
/// hangs falls silent (run.lock lives as long as the process). Written in place, in one piece,
/// because a sign of life is not worth a temporary file that a kill could leave. Rank 0. A disk
/// that refuses it does not end the run.
class Heartbeat {
 public:
  Heartbeat(const std::string& run_folder, std::int64_t step, std::int64_t steps, int ranks);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  /// A step is done; written every few seconds.
  void step(std::int64_t done);
  /// "running", "validating", "done", "stopped" or "failed" (and why); written at once.
  void say(std::string_view state, std::string_view message = {});

 private:
  void write();

  int file_;
  Timer since_write_;
  std::int64_t step_, steps_;
  int ranks_;
  std::string state_ = "running", message_;
};

}  // namespace cuttle
