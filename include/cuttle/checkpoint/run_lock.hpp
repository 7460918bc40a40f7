#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace cuttle {

/// Keeps a run folder to one job: RUN/run.lock names host, process and start; flock keeps others on
/// this host (and on file systems that pass flock on) out, its modification time, renewed by a
/// background thread, those elsewhere. Rank 0 holds one while the run writes. The file stays
/// behind, empty, after release.
class RunLock {
 public:
  struct Timing {
    double heartbeat_s = 5.0;     ///< renews the sign of life this often
    double stale_after_s = 60.0;  ///< a holder on another host that was silent for so long is dead
  };

  /// Takes the lock, also from a dead holder (with a warning): gone from this host, or this very Slurm
  /// job before it was requeued. Throws UserError naming the holder
  /// if it is alive, or on another host and silent for less than stale_after_s; `take_over`: the
  /// caller knows that one on another host is dead (should it live after all, it ends before it
  /// writes a checkpoint).
  explicit RunLock(const std::string& run_folder, bool take_over = false)
      : RunLock(run_folder, take_over, Timing()) {}
  RunLock(const std::string& run_folder, bool take_over, const Timing& timing);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// Throws Error if another job has taken the lock meanwhile (we were asleep for too long): the
  /// run must stop before it writes. Called before each checkpoint.
  void require_held() const;

 private:
  void take(bool take_over, const Timing& timing);
  void beat(double heartbeat_s);

  std::string path_;
  std::string content_;  // ours, as written
  int file_ = -1;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // under mutex_
  std::thread heart_;
};

/// Who holds a run folder, for those who only look.
struct RunHolder {
  std::string description;  ///< "process 17 on host n1 since ..."
  double silent_s = 0.0;    ///< since its last sign of life
  bool dead = false;        ///< on this host and gone, or elsewhere and silent for a minute
};
/// Nothing if the folder is free. Takes no lock.
std::optional<RunHolder> find_holder(const std::string& run_folder);

}  // namespace cuttle
