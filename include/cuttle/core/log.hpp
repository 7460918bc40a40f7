#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace cuttle {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Where this process runs: the host's name, and Slurm's job ("17", of an array "17_3"), empty
/// outside of Slurm.
struct Whereabouts {
  std::string host;
  std::string job;
};
const Whereabouts& whereabouts();

/// Sets who is speaking; called once by main after the communicator is known (one rank: 0 of 1).
void init_log(int rank, int size, LogLevel threshold = LogLevel::kInfo);

/// The outer step at work from here on, for the lines of one rank alone; -1 (at start): none.
void set_log_step(std::int64_t step);

/// Writes one line to standard error if `level` reaches the threshold.
/// everyone=false: a path that all ranks take, rank 0 speaks for them.
/// everyone=true: a path of one rank alone; the line starts with its padded rank, its host and
/// step. Under Slurm every line names the job.
void write_log(LogLevel level, bool everyone, std::string_view message);

/// Pieces of work that mostly warn of the same.
class WarningsOnce {
 public:
  /// Does the work; a warning that it has in common with earlier ones is not written again.
  void during(const std::function<void()>& work);

 private:
  friend void write_log(LogLevel, bool, std::string_view);
  bool is_new(std::string_view warning);

  std::mutex mutex_;
  std::set<std::string> seen_;
};

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  write_log(LogLevel::kInfo, false, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  write_log(LogLevel::kWarning, false, fmt::format(format, std::forward<Args>(args)...));
}
/// For paths that only this rank takes.
template <class... Args>
void log_local(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  write_log(level, true, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace cuttle
