#pragma once

namespace cuttle {

/// What the outside asked of the run, highest first. Polled once a step and agreed on by all ranks.
enum class SignalRequest : int { kNone = 0, kCheckpoint = 1, kStop = 2 };

/// Installs handlers for the lifetime of the object: SIGTERM, SIGINT -> kStop (a second one ends
/// the process at once with exit code 128 + signal); SIGUSR1 -> kCheckpoint. Handlers set an atomic
/// flag and do nothing else. One instance at a time, made by main.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  /// The highest request so far; kCheckpoint is cleared by reading it, kStop stays.
  SignalRequest take();
};

/// Whether a watch has seen a request to stop: for long work that can be left half done.
bool stop_requested();

}  // namespace cuttle
